"""A sandbox agency and the embedded stores, compared by an oracle that shares no code with the crawl."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.backfill.crawl import CrawlOutcome, crawl
from services.backfill.progress import Silent
from services.cli.pipeline import write_while
from services.cli.world import World, open_client, open_world
from services.sandbox import Sandbox, SandboxSettings
from services.writer.environment import WriterTotals
from shared.catalog.model import Column, ColumnType
from shared.clock import Clock
from shared.config import TOKEN_VARIABLE, load_settings
from shared.productive import ProductiveClient, RetryPolicy
from shared.warehouse import open_warehouse

HASTY = RetryPolicy(attempts=4, first_wait=0.001, longest_wait=0.01)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Agency:
    """One sandbox, one client, one set of stores."""

    sandbox: Sandbox
    world: World
    client: ProductiveClient

    async def crawl(self, *, tables: Sequence[str] | None = None, **options: Any) -> CrawlOutcome:
        """A crawl, of all tables if none are named, whose records are written as well."""
        chosen = {name: self.world.tables[name] for name in tables or self.world.tables}
        env = self.world.backfill(self.client, Silent(), chosen)
        return await write_while(self.world, WriterTotals(), lambda: crawl(env, **options))

    async def differences(self) -> list[str]:
        """Every row and column in which the warehouse is not what the sandbox has."""
        warehouse = await open_warehouse(self.world.settings.warehouse_url, read_only=True)
        try:
            found: list[str] = []
            for name, selected in self.world.tables.items():
                answer = await warehouse.query(f'select * from "{name}"', max_rows=1_000_000)
                rows = {
                    row[answer.columns.index("id")]: dict(zip(answer.columns, row, strict=True))
                    for row in answer.rows
                }
                if len(rows) != len(answer.rows):
                    found.append(f"{name}: an id is there twice")
                source = {item["id"]: item for item in self._resources(name)}
                found += [f"{name} {id_}: missing" for id_ in source.keys() - rows.keys()]
                found += [f"{name} {id_}: extra" for id_ in rows.keys() - source.keys()]
                for id_ in source.keys() & rows.keys():
                    found += [
                        f"{name} {id_}.{column.name}: {rows[id_][column.name]!r}"
                        for column in selected.columns
                        if not same(column, source[id_], rows[id_])
                    ]
            return found
        finally:
            await warehouse.close()

    def _resources(self, table: str) -> list[dict[str, Any]]:
        return list(self.sandbox.organization.resources("folders" if table == "boards" else table))


def same(column: Column, resource: Mapping[str, Any], row: Mapping[str, Any]) -> bool:  # noqa: PLR0911
    """Whether a column holds what the resource says, or keeps it in `_unparsed`."""
    want = _wanted(column, resource)
    kept = json.loads(row["_unparsed"] or "{}", parse_float=Decimal)
    have = kept[column.name] if column.name in kept else row[column.name]
    if want is None or have is None:
        return want is have
    if column.name in kept:
        return bool(have == json.loads(json.dumps(want), parse_float=Decimal))
    match column.type:
        case ColumnType.TIMESTAMP:
            moment = datetime.fromisoformat(want)
            return bool(have == (moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
        case ColumnType.DATE:
            return bool(have == date.fromisoformat(want))
        case ColumnType.NUMERIC:
            return bool(have == Decimal(str(want)))
        case ColumnType.JSON:
            return bool(json.loads(have) == want)
        case ColumnType.INT64:
            return bool(have == int(want))
        case ColumnType.STRING:
            return bool(have == str(want))
    return bool(have == want)


def _wanted(column: Column, resource: Mapping[str, Any]) -> Any:
    if column.kind == "id":
        return resource["id"]
    if column.kind == "attribute":
        return resource["attributes"].get(column.field)
    if column.kind == "to_many_ids":
        return None  # not asked for by the crawl
    linked = resource["relationships"].get(column.field, {}).get("data")
    return linked and linked["id" if column.kind == "to_one_id" else "type"]


@asynccontextmanager
async def agency(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: SandboxSettings | None = None,
    *,
    token: str | None = None,
    clock: Clock | None = None,
    **overrides: Any,
) -> AsyncIterator[Agency]:
    """Open everything in `folder`; `overrides` are settings by key, with `__` for the dot.

    `clock` is the sandbox's.
    """
    async with Sandbox(settings or SandboxSettings(people=3), clock=clock) as sandbox:
        monkeypatch.setenv(TOKEN_VARIABLE, token or sandbox.token)
        loaded = load_settings(
            None,
            {},
            {
                "storage.data_dir": str(folder),
                "productive.api_url": sandbox.url,
                "productive.organization_id": sandbox.organization_id,
                "productive.limit_scale": 10_000,
                **{key.replace("__", "."): value for key, value in overrides.items()},
            },
        )
        async with open_world(loaded) as world, open_client(loaded, HASTY) as client:
            yield Agency(sandbox, world, client)
