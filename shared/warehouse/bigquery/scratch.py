"""The writer's self-test on a table of its own, made for it and dropped after it.

A new one each time: what is streamed to a table that was dropped and made again under one name can get lost
for minutes (documented).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.clock import MICROSECONDS, Clock
from shared.record.model import Value
from shared.warehouse.bigquery import sql
from shared.warehouse.bigquery.appending import Appender
from shared.warehouse.bigquery.layout import table_for
from shared.warehouse.bigquery.reading import travelled
from shared.warehouse.bigquery.rest import Rest, texts
from shared.warehouse.bigquery.selftest import SCRATCH_COLUMNS, SelfTestResult, prove_changes
from shared.warehouse.bigquery.tables import Tables

_PREFIX: Final = "productive_ingest__selftest_"
_LIFE: Final = timedelta(hours=1)


async def prove_on_a_new_table(
    rest: Rest, tables: Tables, appender: Appender, clock: Clock
) -> SelfTestResult:
    """See `prove_changes`; the table goes by itself if this process dies before it is dropped."""
    name = f"{_PREFIX}{secrets.token_hex(6)}"
    wanted = table_for(rest.named(name), SCRATCH_COLUMNS, staleness_minutes=0)
    wanted.expires = datetime.fromtimestamp(clock.now_us() / MICROSECONDS, UTC) + _LIFE

    async def read_back(ids: Collection[str]) -> Mapping[str, Mapping[str, Value]]:
        statement = sql.rows(rest.quoted(name), SCRATCH_COLUMNS, "id IN UNNEST(@ids)")
        rows = await rest.rows(statement, [texts("ids", list(ids))])
        values = [travelled(SCRATCH_COLUMNS, row) for row in rows]
        return {str(each["id"]): each for each in values}

    try:
        await tables.make(wanted, SCRATCH_COLUMNS, appender)
        return await prove_changes(appender, rest.path(name), read_back, clock=clock)
    finally:
        await rest.call(rest.client.delete_table, rest.named(name), not_found_ok=True)
        tables.forget(name)
