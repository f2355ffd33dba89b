"""A sandbox and the real receiver on a thread of their own, for commands that run a loop of theirs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from click.testing import CliRunner, Result

from services.cli.commands.webhooks import webhooks
from services.ingest.receiver.environment import ReceiverEnvironment
from services.ingest.receiver.service import Receiver
from services.ingest.tokens import TokenBook
from services.sandbox import Limits, Sandbox, SandboxSettings
from services.sandbox.webhooks.settings import WebhookSettings
from shared.bus import open_bus
from shared.clock import SystemClock
from shared.objects import open_objects
from shared.secrets import open_secrets
from shared.urls import url_of
from shared.warehouse import open_warehouse

T = TypeVar("T")


@dataclass
class Town:
    """What a person at a terminal has: a Productive, a receiver with its public address, a data folder."""

    sandbox: Sandbox
    receiver: Receiver
    base: str
    folder: Path
    call: Callable[[Coroutine[Any, Any, Any]], Any]

    def run(self, *arguments: str) -> Result:
        """One command, as `productive-ingest webhooks …`; its return value is the exit code."""
        variables = {
            "PRODUCTIVE_API_URL": self.sandbox.url,
            "PRODUCTIVE_API_TOKEN": self.sandbox.token,
            "PRODUCTIVE_ORGANIZATION_ID": self.sandbox.organization_id,
            "PRODUCTIVE_LIMIT_SCALE": "10000",
        }
        options = [*arguments, "--data-dir", str(self.folder)]
        return CliRunner().invoke(webhooks, options, env=variables, standalone_mode=False)

    def json(self, *arguments: str) -> Any:
        """The command's result, after making sure that it went well and showed no token."""
        result = self.run(*arguments, "--json")
        if result.exception is not None:
            raise result.exception
        for token in self.signature_tokens():
            assert token not in result.output
        return json.loads(result.stdout)

    def rows(self, question: str) -> list[tuple[Any, ...]]:
        """What the warehouse answers."""

        async def ask() -> list[tuple[Any, ...]]:
            warehouse = await open_warehouse(
                url_of("duckdb", self.folder / "productive.duckdb"), read_only=True
            )
            try:
                return [tuple(row) for row in (await warehouse.query(question, max_rows=10_000)).rows]
            finally:
                await warehouse.close()

        return list(self.call(ask()))

    def signature_tokens(self) -> list[str]:
        """Those of all webhooks in the organization."""
        found = self.sandbox.organization.resources("webhooks")
        return [str(webhook["attributes"]["signature_token"]) for webhook in found]

    def ours(self) -> list[dict[str, Any]]:
        """The webhooks that lead to our receiver."""
        found = self.sandbox.organization.resources("webhooks")
        return [one for one in found if str(one["attributes"]["target_url"]).startswith(self.base)]


@contextmanager
def town(folder: Path, **settings: Any) -> Iterator[Town]:
    """Open while the body runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def call(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=60)

    stack = AsyncExitStack()
    try:
        yield call(_open(stack, folder, settings, call))
    finally:
        call(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _open(
    stack: AsyncExitStack, folder: Path, settings: dict[str, Any], call: Callable[..., Any]
) -> Town:
    clock = SystemClock()
    secrets = await open_secrets(url_of("file", folder / "secrets.json"))
    objects = await open_objects(url_of("file", folder / "objects"))
    intake = await open_bus(url_of("sqlite", folder / "intake.sqlite"), clock=clock)
    book = TokenBook(secrets, clock)
    for store in (objects, intake):
        stack.push_async_callback(store.close)
    stack.push_async_callback(book.close)
    receiver = Receiver(ReceiverEnvironment(intake=intake, objects=objects, tokens=book, clock=clock, port=0))
    host, port = await receiver.start()
    stack.push_async_callback(receiver.close)
    sandbox = Sandbox(
        SandboxSettings(
            people=3,
            limits=Limits(time_scale=10_000),
            webhooks=WebhookSettings(retry_seconds=(0.0,)),
            **settings,
        )
    )
    await stack.enter_async_context(sandbox)
    return Town(sandbox, receiver, f"http://{host}:{port}", folder, call)
