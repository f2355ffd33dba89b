"""The receiver and the reading of what it takes, side by side, as `serve`, `run` and `demo` have them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.cli.supervision import Crew
from services.cli.world import World
from services.ingest.reading.reader import Reader
from services.ingest.receiver.environment import ReceiverEnvironment
from services.ingest.receiver.limits import ReceiverLimits
from services.ingest.receiver.metrics import ReceiverMetrics
from services.ingest.receiver.server import WEBHOOKS_PATH
from services.ingest.receiver.service import Receiver
from services.ingest.tokens import TokenBook
from shared.bus.sqlite.adapter import SqliteBus
from shared.config import Settings
from shared.objects.lease import hold_lease
from shared.productive import PROMPT, ProductiveClient
from shared.secrets import open_secrets

READING_LEASE = "reading.lease"
_SILENCE_SECONDS = 600.0  # the longest that a full bus may hold up the reading, and then some
_LOOK_SECONDS = 2.0
_OUTCOMES = ("published", "reread", "deleted", "skipped", "dead")


@dataclass(frozen=True)
class Live:
    """What listens and reads, while `live` is open."""

    receiver: Receiver
    reader: Reader
    tokens: TokenBook
    metrics: ReceiverMetrics
    base: str
    note: Callable[[str, str], None]

    @property
    def address(self) -> str:
        """Where webhooks are to be sent, with the event's id behind it."""
        return f"{self.base}{WEBHOOKS_PATH}"

    def join(self, crew: Crew) -> None:
        """Serve and read in a crew; it ends in under 9 s, and the next start reads what is left."""
        crew.start(self.receiver.run(), self.receiver.stop)
        crew.start(self.reader.run(), self.reader.stop)
        crew.start(self._tell_troubles())

    async def _tell_troubles(self) -> None:
        """Say what keeps deliveries from being read, when that changes; they wait meanwhile."""
        told: str | None = None
        while True:
            problem = self.reader.problem()
            if problem is not None and problem != told:
                self.note(f"webhooks' deliveries wait: {problem}", "yellow")
            elif problem is None and told is not None:
                self.note("webhooks' deliveries are read again", "")
            told = problem
            await asyncio.sleep(_LOOK_SECONDS)

    async def registered(self) -> int:
        """For how many events there is a webhook whose deliveries would be believed."""
        return len({held.event_id for held in await self.tokens.held() if held.retired_until_us is None})

    def counts(self) -> dict[str, int]:
        """Deliveries so far: those that were taken, and what they came to."""
        taken = sum(
            self._count("productive_receiver_deliveries_total", outcome=outcome)
            for outcome in ("accepted", "spooled")
        )
        tables = {
            sample.labels["table"]
            for metric in self.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "productive_reading_settled_total"
        }
        settled = {
            outcome: sum(
                self._count("productive_reading_settled_total", outcome=outcome, table=table)
                for table in tables
            )
            for outcome in _OUTCOMES
        }
        return {"received": taken, **settled}

    def _count(self, name: str, **labels: str) -> int:
        return int(self.metrics.registry.get_sample_value(name, labels) or 0)


@asynccontextmanager
async def live(
    world: World,
    client: ProductiveClient,
    note: Callable[[str, str], None] = lambda _text, _style: None,
    *,
    also_alive: Callable[[], bool] = lambda: True,
) -> AsyncIterator[Live]:
    """Listen, and be ready to join a crew; `note` hears what a person should know meanwhile.

    `also_alive` is asked for the health of what else runs in the process.

    The client's limits are shared with whoever else has them. `BusyError` when the port is taken or, on the
    embedded stores, another process reads deliveries; `ConfigError` for an address that is none.
    """
    settings = world.settings
    async with AsyncExitStack() as stack:
        if isinstance(world.intake, SqliteBus):
            what = "a receiver on these stores"
            await stack.enter_async_context(hold_lease(world.objects, READING_LEASE, world.clock, what=what))
            # The lease says that no other reader lives: what a killed one had taken is free at once.
            await world.intake.end_leases()
        secrets = await open_secrets("env:", settings.secrets_url)
        stack.push_async_callback(secrets.close)
        tokens = TokenBook(secrets, world.clock)
        stack.push_async_callback(tokens.close)
        metrics = world.metrics.receiver
        world.metrics.watch_api(client)
        # Re-reads come first: they take what a crawl leaves them, and do not wait out a long trouble.
        reader = Reader(world.reading(client.with_reserve(0.0).with_retry(PROMPT), metrics))
        receiver = Receiver(
            ReceiverEnvironment(
                intake=world.intake,
                objects=world.objects,
                tokens=tokens,
                clock=world.clock,
                metrics=metrics,
                limits=_limits(settings),
                host=settings.host,
                port=settings.port,
                now_us=client.server_clock.now_us,
                also_alive=lambda: (
                    world.clock.monotonic() - reader.last_progress < _SILENCE_SECONDS and also_alive()
                ),
            )
        )
        host, port = await receiver.start()
        stack.push_async_callback(receiver.close)
        name = f"[{host}]" if ":" in host else host
        yield Live(receiver, reader, tokens, metrics, f"http://{name}:{port}", note)


def _limits(settings: Settings) -> ReceiverLimits:
    return ReceiverLimits(
        tolerance_seconds=settings.tolerance_seconds,
        body_bytes=int(settings.body_megabytes * (1 << 20)),
        spool_bytes=settings.spool_megabytes << 20,
    )
