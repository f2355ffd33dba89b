"""The receiver and the reading of what it takes, side by side, as `serve`, `run` and `demo` have them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.cli.supervision import Crew
from services.cli.world import World, organization_id
from services.ingest.reading.environment import ReadingEnvironment
from services.ingest.reading.reader import Reader
from services.ingest.receiver.environment import ReceiverEnvironment
from services.ingest.receiver.limits import ReceiverLimits
from services.ingest.receiver.metrics import ReceiverMetrics
from services.ingest.receiver.server import WEBHOOKS_PATH
from services.ingest.receiver.service import Receiver
from services.ingest.tokens import TokenBook
from shared.bus.sqlite.adapter import SqliteBus
from shared.catalog import load_catalog
from shared.config import Settings
from shared.objects.lease import hold_lease
from shared.productive import PROMPT, ProductiveClient
from shared.secrets import open_secrets

READING_LEASE = "reading.lease"
_OUTCOMES = ("published", "reread", "deleted", "skipped", "dead")


@dataclass(frozen=True)
class Live:
    """What listens and reads, while `live` is open."""

    receiver: Receiver
    reader: Reader
    tokens: TokenBook
    metrics: ReceiverMetrics
    base: str

    @property
    def address(self) -> str:
        """Where webhooks are to be sent, with the event's id behind it."""
        return f"{self.base}{WEBHOOKS_PATH}"

    def join(self, crew: Crew) -> None:
        """Serve and read in a crew; it ends in under 9 s, and the next start reads what is left."""
        crew.start(self.receiver.run(), self.receiver.stop)
        crew.start(self.reader.run(), self.reader.stop)

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
async def live(world: World, client: ProductiveClient) -> AsyncIterator[Live]:
    """Listen, and be ready to join a crew. The client's limits are shared with whoever else has them.

    `BusyError` when the port is taken or, on the embedded stores, another process reads deliveries;
    `ConfigError` for an address that is none.
    """
    settings = world.settings
    async with AsyncExitStack() as stack:
        if isinstance(world.intake, SqliteBus):
            what = "a receiver on these stores"
            await stack.enter_async_context(hold_lease(world.objects, READING_LEASE, world.clock, what=what))
            # The lease says that no other reader lives: what a killed one had taken is free at once.
            await world.intake.end_leases()
        secrets = await open_secrets(settings.secrets_url)
        stack.push_async_callback(secrets.close)
        tokens = TokenBook(secrets, world.clock)
        stack.push_async_callback(tokens.close)
        metrics = ReceiverMetrics()
        reader = Reader(_reading(world, client, metrics))
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
            )
        )
        host, port = await receiver.start()
        stack.push_async_callback(receiver.close)
        yield Live(receiver, reader, tokens, metrics, f"http://{f'[{host}]' if ':' in host else host}:{port}")


def _reading(world: World, client: ProductiveClient, metrics: ReceiverMetrics) -> ReadingEnvironment:
    return ReadingEnvironment(
        # Re-reads come first: they take what a crawl leaves them, and do not wait out a long trouble.
        client=client.with_reserve(0.0).with_retry(PROMPT),
        intake=world.intake,
        bus=world.bus,
        codec=world.codec,
        catalog=load_catalog(),
        tables=world.tables,
        organization_id=organization_id(world.settings),
        clock=world.clock,
        observer=metrics,
    )


def _limits(settings: Settings) -> ReceiverLimits:
    return ReceiverLimits(
        tolerance_seconds=settings.tolerance_seconds,
        body_bytes=int(settings.body_megabytes * (1 << 20)),
        spool_bytes=settings.spool_megabytes << 20,
    )
