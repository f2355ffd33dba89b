"""Everything the management of webhooks may touch, built once by whoever starts it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.ingest.tokens import TokenBook
from shared.bus.port import Bus
from shared.catalog import Catalog
from shared.catalog.selection import SelectedTable
from shared.clock import Clock
from shared.objects.port import Objects
from shared.productive import ProductiveClient
from shared.record.codec import BatchCodec


@dataclass(frozen=True)
class WebhooksEnvironment:
    """The world of `register`, `verify`, `rotate` and `remove`; `tables` are the selected ones."""

    client: ProductiveClient
    tokens: TokenBook
    objects: Objects
    catalog: Catalog
    tables: Mapping[str, SelectedTable]
    organization_id: str
    clock: Clock

    @property
    def lease_name(self) -> str:
        """The object that holds the lease of whoever changes webhooks."""
        return f"organizations/{self.organization_id}/webhooks.lease"


@dataclass(frozen=True)
class ReplayEnvironment:
    """The world of `replay`: `intake` takes deliveries, `bus` takes record batches."""

    client: ProductiveClient
    intake: Bus
    bus: Bus
    codec: BatchCodec
    catalog: Catalog
    tables: Mapping[str, SelectedTable]
    organization_id: str
    clock: Clock
