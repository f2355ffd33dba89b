"""How tables are, asked in few queries: what is wanted while one is under way goes into the next together.

A query takes a second or more whatever it reads, and 58 tables one after the other would take minutes.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from shared.warehouse.bigquery import sql
from shared.warehouse.bigquery.rest import Rest
from shared.warehouse.bigquery.tables import Tables
from shared.warehouse.port import TableState

_TABLES_AT_ONCE: Final = 100


class States:
    """Answers `Warehouse.state` for callers that ask at once."""

    def __init__(self, rest: Rest, tables: Tables) -> None:
        self._rest = rest
        self._tables = tables
        self._wanted: list[tuple[str, asyncio.Future[tuple[Any, ...]]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def state(self, table: str) -> TableState | None:
        """See `Warehouse.state`."""
        facts = await self._tables.facts(table)
        if facts is None or not facts.is_ours:
            return None
        answer: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()
        self._wanted.append((table, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        rows, synced, changed, unparsed = await answer
        return TableState(rows, synced, changed, unparsed, dict(facts.columns), facts.staleness_minutes * 60)

    async def _ask(self) -> None:
        try:
            while self._wanted:
                some, self._wanted = self._wanted[:_TABLES_AT_ONCE], self._wanted[_TABLES_AT_ONCE:]
                await self._answer(some)
        finally:
            self._asking = None

    async def _answer(self, asked: list[tuple[str, asyncio.Future[tuple[Any, ...]]]]) -> None:
        try:
            relations = [self._rest.quoted(table) for table, _ in asked]
            for place, *state in await self._rest.rows(sql.states(relations)):
                if not asked[place][1].done():
                    asked[place][1].set_result(tuple(state))
        except Exception as error:
            if len(asked) == 1:
                _fail(asked[0][1], error)
            # A table that somebody has just dropped must not keep the others from being told.
            for one in asked if len(asked) > 1 else ():
                await self._answer([one])
        finally:
            for _, answer in asked:
                answer.cancel()


def _fail(answer: asyncio.Future[tuple[Any, ...]], error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)
