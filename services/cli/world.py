"""Builds what the services need from the settings: the only place that knows both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from services.backfill.checkpoint import CheckpointStore
from services.backfill.environment import BackfillEnvironment
from services.backfill.plan import Schedule
from services.backfill.progress import Progress
from services.cli.metrics import ProcessMetrics
from services.cli.selection import Selection, look_at_selection, open_selection
from services.ingest.reading.environment import ReadingEnvironment
from services.ingest.reading.observing import ReadingObserver
from services.ingest.tokens import TokenBook
from services.ingest.webhooks.environment import WebhooksEnvironment
from services.purge.keepout import KeepOutList
from services.writer.environment import WriterEnvironment, WriterLimits, WriterObserver
from services.writer.schemas import Chosen, Schemas
from shared.bus import Bus, open_bus
from shared.catalog.selection import SelectedTable
from shared.clock import Clock, SystemClock
from shared.config import TOKEN_VARIABLE, Settings
from shared.errors import ConfigError
from shared.objects import Objects, open_objects
from shared.productive import Connection, Limiter, LimitPolicy, ProductiveClient, RetryPolicy
from shared.record.codec import BatchCodec
from shared.record.keepout import KeepOut
from shared.secrets import Secret, open_secrets
from shared.urls import scheme_of
from shared.warehouse import Warehouse

_LOOK_SECONDS = 15.0
_REMOTE_LOOK_SECONDS = 60.0

TOKEN_SECRET = "productive_api_token"  # noqa: S105 -- the secret's name


@dataclass(frozen=True)
class World:
    """The stores and the selection that every service shares; open while `open_world` is."""

    settings: Settings
    clock: Clock
    bus: Bus
    intake: Bus
    objects: Objects
    codec: BatchCodec
    tables: Mapping[str, SelectedTable]
    selection: Selection
    keep_out: KeepOut
    metrics: ProcessMetrics = field(default_factory=ProcessMetrics)

    @property
    def local_bus(self) -> bool:
        """Whether the bus is a file of this machine, so that whoever publishes also sees it written."""
        return scheme_of(self.settings.bus_url) == "sqlite"

    @property
    def one_writer(self) -> bool:
        """Whether there can be only one writer, because the bus or the warehouse is a file."""
        return self.local_bus or scheme_of(self.settings.warehouse_url) == "duckdb"

    async def refuse_other_organizations(self) -> None:
        """`ConfigError` when the stores hold another organization, whose rows would be mixed with ours."""
        ours = organization_id(self.settings)
        others = {name.split("/")[1] for name in await self.objects.list("organizations/")} - {ours}
        if others:
            raise ConfigError(
                f"these stores hold the organization {others.pop()}, and {ours} is to be read",
                advice=f"Give {ours} a folder of its own with --data-dir, or delete {self.settings.data_dir} "
                "to begin anew.",
            )

    @property
    def checkpoints(self) -> CheckpointStore:
        """The crawl state of the organization in the settings."""
        return CheckpointStore(self.objects, organization_id(self.settings), clock=self.clock)

    def backfill(
        self,
        client: ProductiveClient,
        progress: Progress,
        tables: Mapping[str, SelectedTable] | None = None,
    ) -> BackfillEnvironment:
        """The crawl's environment; `tables` when not all selected ones."""
        return BackfillEnvironment(
            client=client,
            bus=self.bus,
            objects=self.objects,
            codec=self.codec,
            checkpoints=self.checkpoints,
            organization_id=organization_id(self.settings),
            tables=self.tables if tables is None else tables,
            clock=self.clock,
            progress=self.metrics.crawl.watching(progress),
            concurrency=self.settings.concurrency,
            schedule=Schedule(
                full_every_seconds=self.settings.full_every_hours * 3600,
                overlap_seconds=self.settings.overlap_seconds,
            ),
        )

    def writer(self, warehouse: Warehouse, observer: WriterObserver) -> WriterEnvironment:
        """The writer's environment."""
        return WriterEnvironment(
            bus=self.bus,
            warehouse=warehouse,
            codec=self.codec,
            schemas=Schemas(
                self.selection.catalog,
                self.tables,
                self.selection.rules,
                clock=self.clock,
                reload=self._chosen_now,
            ),
            clock=self.clock,
            observer=observer,
            keep_out=self.keep_out,
            metrics=self.metrics.writer,
            limits=WriterLimits(
                rows=self.settings.batch_rows,
                bytes=self.settings.batch_megabytes << 20,
                linger_seconds=self.settings.linger_seconds,
            ),
        )

    async def watch_buses(self) -> None:
        """Keep the buses' metrics fresh, until cancelled; asking a remote bus costs more, and tells later."""
        seconds = _LOOK_SECONDS if self.local_bus else _REMOTE_LOOK_SECONDS
        buses = {"intake": self.intake, "records": self.bus}
        await self.metrics.buses.watch(buses, self.clock, seconds=seconds)

    async def _chosen_now(self) -> Chosen:
        """What is chosen once columns may have been added or dropped since these stores were opened."""
        now = await open_selection(self.settings, self.objects, self.clock)
        return Chosen(now.catalog, {**self.tables, **now.tables}, now.rules)

    def reading(self, client: ProductiveClient, observer: ReadingObserver) -> ReadingEnvironment:
        """The environment of whoever reads what webhooks delivered."""
        return ReadingEnvironment(
            client=client,
            intake=self.intake,
            bus=self.bus,
            codec=self.codec,
            catalog=self.selection.catalog,
            tables=self.tables,
            organization_id=organization_id(self.settings),
            clock=self.clock,
            observer=observer,
        )

    def webhooks(self, client: ProductiveClient, tokens: TokenBook) -> WebhooksEnvironment:
        """The environment of whoever manages the webhooks."""
        return WebhooksEnvironment(
            client=client,
            tokens=tokens,
            objects=self.objects,
            catalog=self.selection.catalog,
            tables=self.tables,
            organization_id=organization_id(self.settings),
            clock=self.clock,
        )


@asynccontextmanager
async def open_world(settings: Settings) -> AsyncIterator[World]:
    """Open the stores; they are closed at the end."""
    clock = SystemClock()
    # A mistake in the selection is told before any store is made.
    await look_at_selection(settings)
    async with AsyncExitStack() as stack:
        objects = await open_objects(settings.objects_url)
        stack.push_async_callback(objects.close)
        selection = await open_selection(settings, objects, clock)
        bus = await open_bus(settings.bus_url, clock=clock)
        stack.push_async_callback(bus.close)
        intake = await open_bus(settings.intake_url, clock=clock)
        stack.push_async_callback(intake.close)
        codec = BatchCodec(objects, lambda: f"claims/{uuid4().hex}")
        secrets = await open_secrets("env:", settings.secrets_url)
        stack.push_async_callback(secrets.close)
        keep_out = KeepOutList(objects, secrets, settings.organization_id, clock)
        yield World(settings, clock, bus, intake, objects, codec, selection.tables, selection, keep_out)


@asynccontextmanager
async def open_client(
    settings: Settings, retry: RetryPolicy | None = None
) -> AsyncIterator[ProductiveClient]:
    """A client for the organization in the settings; `ConfigError` when it or the token is missing."""
    connection = Connection(settings.api_url, organization_id(settings), await _token(settings))
    clock = SystemClock()
    policy = LimitPolicy(concurrency=settings.concurrency).scaled(1 / settings.limit_scale)
    client = ProductiveClient(
        connection,
        limiter=Limiter(policy, clock),
        clock=clock,
        retry=retry or RetryPolicy(),
    )
    async with client:
        yield client.with_reserve(settings.reserve) if settings.reserve else client


def organization_id(settings: Settings) -> str:
    """The organization's id; `ConfigError` when none is set."""
    if not settings.organization_id:
        raise ConfigError(
            "no organization is set",
            advice="Set PRODUCTIVE_ORGANIZATION_ID; it is the number in Productive's web address "
            "(app.productive.io/NUMBER-name). Or try `productive-ingest demo`, which needs none.",
        )
    return settings.organization_id


async def _token(settings: Settings) -> Secret:
    secrets = await open_secrets("env:", settings.secrets_url)
    try:
        token = await secrets.get(TOKEN_SECRET)
    finally:
        await secrets.close()
    if token is None:
        raise ConfigError(
            "no API token is set",
            advice=f"Set {TOKEN_VARIABLE}; Productive makes one under Settings → API integrations.",
        )
    return token
