"""Questions that people ask a warehouse in its own SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shared.warehouse.port import Warehouse


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query found; `truncated` when there was more than the rows asked for.

    Values are plain Python: a timestamp is a datetime in UTC, a date a date, an exact number a Decimal,
    JSON its text.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]
    truncated: bool = False


class QueryableWarehouse(Warehouse, Protocol):
    """A warehouse that also answers people's questions, in its own dialect of SQL."""

    def quote(self, name: str) -> str:
        """A table's or column's name as the dialect wants it in a statement."""
        ...

    async def query(
        self,
        statement: str,
        parameters: Sequence[Any] = (),
        *,
        max_rows: int = 10_000,
        seconds: float | None = None,
    ) -> QueryResult:
        """Answer one reading SQL statement, `?` standing for the parameters.

        At most `max_rows` rows come back. `ConfigError` when the statement cannot be run or would write,
        and when it takes more than `seconds`. A caller that is cancelled stops it.
        """
        ...
