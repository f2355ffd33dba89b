"""The real commands on stand-ins for Google Cloud: Pub/Sub, BigQuery, Cloud Storage and Secret Manager."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from services.sandbox import Sandbox, SandboxSettings, WebhookSettings
from shared.clock import SystemClock
from shared.google.endpoints import BIGQUERY, PUBSUB, SECRET_MANAGER, STORAGE, STORAGE_WRITE
from tests.e2e.agency_live import Live, plain
from tests.e2e.expected import assert_same
from tests.e2e.harness import Home, Started
from tests.google.bigquery_place import BigqueryPlace
from tests.google.pubsub_server import PubsubServer
from tests.google.pubsub_state import PubsubState
from tests.google.secret_server import SecretServer, secret_server
from tests.google.storage_server import new_bucket, storage_server

TABLES = ("companies", "deals", "people", "projects", "tasks", "time_entries")
PATIENCE = 90.0
_SUBSCRIPTIONS = "projects/agency-data/subscriptions"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Cloud:
    """An agency, an installation whose stores are on the stand-ins, and these."""

    live: Live
    pubsub: PubsubServer
    secrets: SecretServer
    place: BigqueryPlace
    said: deque[str] = field(default_factory=lambda: deque(maxlen=30))
    """What the writers said last."""
    _heard: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def unacked(self, *names: str) -> int:
        """How many messages wait on the subscriptions, or are under a lease."""
        held = self.pubsub.state.subscriptions
        return sum(len(held[f"{_SUBSCRIPTIONS}/{name}"].unacked) for name in names)

    async def settle(self) -> None:
        """Return when everything was delivered, read and written; fails when that takes too long."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.live.sandbox.webhooks.idle()
                while self.unacked("deliveries", "records"):
                    self._hurry()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"it did not settle: {self._told()}") from None

    def _told(self) -> str:
        """What is where, and what the writers said last."""
        waiting = {
            name: f"{len(one.ready)} ready, {len(one.leases)} leased, {len(one.delayed)} delayed"
            for name, one in self.pubsub.state.subscriptions.items()
        }
        return f"{waiting}, {self.pubsub.streams} streams; the writer said: {''.join(self.said)}"

    def end_leases(self) -> None:
        """Let the leases of whoever was killed run out."""
        for subscribed in self.pubsub.state.subscriptions.values():
            for lease in list(subscribed.leases):
                subscribed.give_back(lease)
        self._hurry()

    def _hurry(self) -> None:
        """Let the pause pass that Pub/Sub makes before it delivers again what was given back."""
        for subscribed in self.pubsub.state.subscriptions.values():
            subscribed.ready.extend(entry for _, entry in subscribed.delayed)
            subscribed.delayed.clear()
            subscribed.changed.set()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Started]:
        """A writer, until the body ends, however it ends."""
        with self.live.home.start("writer") as started:
            self._heard = asyncio.Queue()
            loop = asyncio.get_running_loop()
            listening = asyncio.create_task(asyncio.to_thread(self._listen, started, loop))
            try:
                await self.hear("writing to")
                yield started
            finally:
                if started.process.poll() is None:
                    started.process.kill()
                await listening

    async def stop(self, started: Started) -> None:
        """End it as Cloud Run does, at work or still about to begin."""
        started.send(signal.SIGTERM)
        code = await asyncio.to_thread(started.process.wait, PATIENCE)
        assert code in (0, 130), "".join(self.said)

    async def hear(self, text: str) -> None:
        """Return when the writer has said another line with this text."""
        try:
            async with asyncio.timeout(PATIENCE):
                while text not in await self._heard.get():
                    pass
        except TimeoutError:
            raise AssertionError(f"the writer did not say {text!r}: {self._told()}") from None

    def _listen(self, started: Started, loop: asyncio.AbstractEventLoop) -> None:
        """What it says must not fill the pipe."""
        assert started.process.stderr is not None
        for line in started.process.stderr:
            self.said.append(line)
            loop.call_soon_threadsafe(self._heard.put_nowait, line)

    async def assert_equal(self) -> None:
        """The tables hold what the sandbox holds, row by row, value by value, and nothing twice."""
        for table in TABLES:
            rows = await asyncio.to_thread(rows_of, self.place, table)
            resources = [plain(one) for one in self.live.sandbox.organization.resources(table)]
            assert_same(table, resources, rows)


def rows_of(place: BigqueryPlace, table: str) -> dict[str, dict[str, Any]]:
    """The rows of a table by id, in the form of `tests.e2e.harness.rows_of`."""
    with place.client() as client:
        name = f"{place.project}.{place.dataset}.{table}"
        columns = ", ".join(_selected(field) for field in client.get_table(name, retry=None).schema)
        statement = f"SELECT {columns} FROM `{name}`"
        fetched = [dict(row) for row in client.query_and_wait(statement, retry=None)]
    found: dict[str, dict[str, Any]] = {}
    for values in fetched:
        assert values["id"] not in found, f"{table} {values['id']} is there twice"
        # No list of ids is crawled, and BigQuery has no NULL in place of an empty one.
        found[values["id"]] = {
            name: _readable(value) for name, value in values.items() if value is not None and value != []
        }
    return found


def _selected(field: Any) -> str:
    """A column, JSON as its text: the client would make floats of its numbers."""
    quoted = f"`{field.name}`"
    if field.field_type != "JSON":
        return quoted
    return f"IF({quoted} IS NULL, NULL, TO_JSON_STRING({quoted})) AS {quoted}"


def _readable(value: Any) -> Any:
    """As `tests.e2e.harness.rows_of` has it."""
    match value:
        case datetime():
            return (value - _EPOCH) // timedelta(microseconds=1)
        case date():
            return value.isoformat()
    return value


@asynccontextmanager
async def in_the_cloud(
    folder: Path, place: BigqueryPlace, webhooks: WebhookSettings | None = None, *, people: int = 6
) -> AsyncIterator[Cloud]:
    """A small agency, nothing yet in the cloud; the stand-ins end with the body."""
    assert place.emulator is not None
    async with AsyncExitStack() as stack:
        pubsub = PubsubServer(PubsubState(SystemClock()))
        await pubsub.start()
        stack.push_async_callback(pubsub.stop)
        secret_store, secrets_at = await stack.enter_async_context(secret_server())
        storage = stack.enter_context(storage_server())
        bucket = await asyncio.to_thread(new_bucket, storage, f"agency-{secrets.token_hex(4)}")
        settings = SandboxSettings(people=people, webhooks=webhooks or WebhookSettings())
        sandbox = await stack.enter_async_context(Sandbox(settings))
        home = Home(
            folder,
            {
                "PRODUCTIVE_API_URL": sandbox.url,
                "PRODUCTIVE_API_TOKEN": sandbox.token,
                "PRODUCTIVE_ORGANIZATION_ID": sandbox.organization_id,
                "PRODUCTIVE_LIMIT_SCALE": "1000",
                "BUS_URL": "pubsub://agency-data/records",
                "INTAKE_URL": "pubsub://agency-data/deliveries",
                "WAREHOUSE_URL": place.url,
                "OBJECTS_URL": f"gs://{bucket}/productive",
                "SECRETS_URL": "secretmanager://agency-data",
                PUBSUB.variable: f"127.0.0.1:{pubsub.port}",
                STORAGE.variable: storage,
                SECRET_MANAGER.variable: secrets_at,
                BIGQUERY.variable: place.emulator.rest_url,
                STORAGE_WRITE.variable: place.emulator.grpc_target,
            },
        )
        home.only(*TABLES)
        yield Cloud(Live(sandbox, home), pubsub, secret_store, place)
