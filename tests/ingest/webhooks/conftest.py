from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.ingest.tokens import TokenBook
from services.ingest.webhooks.address import PublicAddress
from services.ingest.webhooks.environment import WebhooksEnvironment
from services.ingest.webhooks.events import Event, choose
from services.ingest.webhooks.probe import Prober
from services.ingest.webhooks.registration import RegistrationStore
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.clock import ManualClock, SystemClock
from shared.objects import open_objects
from shared.productive import Connection, Limiter, LimitPolicy, ProductiveClient, RetryPolicy
from shared.secrets import Secret, Secrets, open_secrets
from shared.urls import url_of
from tests.ingest.webhooks.productive import ORGANIZATION, TOKEN, Productive
from tests.ingest.webhooks.receiver import SmallReceiver

HASTY = RetryPolicy(attempts=2, first_wait=0.001, longest_wait=0.01)


@dataclass
class Office:
    """Whoever manages webhooks, with a Productive, a receiver, and stores in a folder."""

    productive: Productive
    receiver: SmallReceiver
    env: WebhooksEnvironment
    clock: ManualClock
    secrets: Secrets
    prober: Prober

    @property
    def address(self) -> PublicAddress:
        return PublicAddress.parse(self.receiver.base)

    @property
    def events(self) -> tuple[Event, ...]:
        return choose(self.env.catalog, self.env.tables)

    @property
    def registrations(self) -> RegistrationStore:
        return RegistrationStore(self.env.objects, ORGANIZATION)

    async def tokens_of(self, event_id: int) -> list[str]:
        return [token.reveal() for token in await self.env.tokens.tokens(event_id)]

    def signature_token(self, webhook_id: str) -> str:
        return str(self.productive.webhooks[webhook_id]["signature_token"])


@pytest.fixture
async def productive() -> AsyncIterator[Productive]:
    productive = Productive()
    await productive.start()
    yield productive
    await productive.stop()


@pytest.fixture
async def office(productive: Productive, tmp_path: Path) -> AsyncIterator[Office]:
    clock = ManualClock()
    secrets = await open_secrets(url_of("file", tmp_path / "secrets.json"))
    objects = await open_objects(url_of("file", tmp_path / "objects"))
    catalog = load_catalog()
    book = TokenBook(secrets, clock)
    receiver = SmallReceiver(TokenBook(secrets, clock))
    await receiver.start()
    connection = Connection(productive.url, ORGANIZATION, Secret(TOKEN))
    limiter = Limiter(LimitPolicy().scaled(1 / 10_000), SystemClock())
    async with ProductiveClient(connection, limiter=limiter, retry=HASTY) as client:
        env = WebhooksEnvironment(
            client=client,
            tokens=book,
            objects=objects,
            catalog=catalog,
            tables=select(catalog, SelectionRules()),
            organization_id=ORGANIZATION,
            clock=clock,
        )
        yield Office(productive, receiver, env, clock, secrets, Prober(clock, seconds=5))
    await receiver.stop()
    await book.close()
    await objects.close()
