"""Serves the emulator: `python -m tests.google.bigquery_emulator.launcher` in its own environment.

Prints `REST_URL GRPC_HOST:PORT` once it serves, and ends with its standard input. `POST /stand-in/clock` with
`{"seconds": N}` lets N seconds pass for the memory of deletions.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
from bqemulator import server  # type: ignore[import-not-found]
from bqemulator.config import PersistenceMode, Settings  # type: ignore[import-not-found]
from bqemulator.storage.engine import DuckDBEngine  # type: ignore[import-not-found]
from bqemulator.versioning.snapshots import SnapshotManager  # type: ignore[import-not-found]
from starlette.middleware import Middleware  # type: ignore[import-not-found]

from tests.google.bigquery_emulator import tables, writing

_CHANGES_DATA = re.compile(r"\s*(UPDATE|DELETE|MERGE|INSERT|TRUNCATE)\b", re.IGNORECASE)
_DROPS = re.compile(r"\s*ALTER\s+TABLE\s+(\S+)\s+DROP\s+COLUMN\s+(?:IF\s+EXISTS\s+)?(\S+)", re.IGNORECASE)
_SCRIPT = re.compile(r";\s*\w")
_CODES = {"notFound": 404, "accessDenied": 403, "internalError": 500, "backendError": 503}
_STREAMS = 500
_passed = [0.0]


def now() -> float:
    """Seconds, with those that tests let pass."""
    return time.time() + _passed[0]


class StandIn:
    """Stands before the emulator: the clock, and statements that it would not treat as BigQuery does."""

    def __init__(self, app: Any, context: Any) -> None:
        self._app = app
        self._context = context

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer, or let the emulator answer."""
        for handler in writing.ChangesHandler.served:
            handler.show()
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        if scope["path"] == "/stand-in/clock":
            _passed[0] += json.loads(body)["seconds"]
            await _answer(send, 200, {})
            return
        place, statement = _statement(scope["path"], body)
        if _CHANGES_DATA.match(statement):
            reason = {"reason": "invalidQuery", "message": "DML over tables with change data capture"}
            await _answer(send, 400, {"error": {"code": 400, "errors": [reason], **reason}})
            return
        if _SCRIPT.search(statement) and b'"dryRun": true' in body:
            # It would run a script, although it is only asked what it were.
            query = {"statementType": "SCRIPT", "totalBytesProcessed": "0"}
            job = {"configuration": {"dryRun": True, "query": {}}, "statistics": {"query": query}}
            reference = {"projectId": place[0], "jobId": "dry"}
            await _answer(send, 200, {**job, "jobReference": reference, "status": {"state": "DONE"}})
            return
        if scope["path"].endswith("/queries"):
            send = _Failing(send)
        await self._app(scope, _replayed(body, receive), send)
        dropped = _DROPS.match(statement)
        if dropped:
            names = dropped[1].replace("`", "").split(".")
            table = (*place, *names)[-3:]
            tables.drop_column(self._context.catalog, table, dropped[2].strip("`;"))


def _statement(path: str, body: bytes) -> tuple[tuple[str, str], str]:
    if not path.endswith(("/jobs", "/queries")):
        return ("", ""), ""
    given = json.loads(body)
    query = given.get("configuration", {}).get("query", given)
    dataset = (query.get("defaultDataset") or {}).get("datasetId", "")
    project = path.partition("/projects/")[2].partition("/")[0]
    return (project, dataset), str(query.get("query", ""))


async def _body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def _replayed(body: bytes, receive: Any) -> Any:
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:
        return given.pop() if given else await receive()

    return replay


class _Failing:
    """Lets a query that failed fail: the emulator answers 200 with errors, which clients ignore."""

    def __init__(self, send: Any) -> None:
        self._send = send
        self._start: Any = None
        self._body = b""

    async def __call__(self, message: Any) -> None:
        """Take a part of the answer, and pass it on once it is whole."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        self._body += message.get("body", b"")
        if message.get("more_body"):
            return
        errors = json.loads(self._body).get("errors") if self._start["status"] == 200 else None
        if errors:
            code = _CODES.get(errors[0].get("reason"), 400)
            await _answer(self._send, code, {"error": {"code": code, "errors": errors, **errors[0]}})
            return
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": self._body})


async def _answer(send: Any, status: int, content: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


def _patch() -> None:
    # Every open stream holds a thread of the server's, which has six of them by default.
    serve_grpc = grpc.aio.server
    grpc.aio.server = lambda **options: serve_grpc(
        migration_thread_pool=ThreadPoolExecutor(_STREAMS), **options
    )
    # It would download an extension, and copy every table after each write.
    DuckDBEngine._load_spatial = lambda self: None
    SnapshotManager.capture = lambda self, *_, **__: None
    writing.install(now)
    make = server.create_app

    def create_app(context: Any) -> Any:
        tables.install(context.engine)
        app = make(context)
        app.user_middleware.append(Middleware(StandIn, context=context))
        return app

    server.create_app = create_app


async def serve() -> None:
    """Serve until the standard input ends."""
    _patch()
    emulator = server.EmulatorServer(
        Settings(
            rest_host="127.0.0.1",
            grpc_host="127.0.0.1",
            rest_port=0,
            grpc_port=0,
            enable_format_extensions=False,
            log_level="error",
            persistence_mode=PersistenceMode.EPHEMERAL,
        )
    )
    await emulator.start()
    print(emulator.rest_url, emulator.grpc_endpoint, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    # Nothing is worth keeping, and a graceful end would wait for every open stream.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve())
