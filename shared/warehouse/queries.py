"""What a warehouse can do beside its port: answer people's questions in its own SQL, and try itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

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


class SelfTestOutcome(Protocol):
    """What a warehouse found wrong with itself."""

    @property
    def problems(self) -> Sequence[str]:
        """In words what does not work; nothing when all does."""
        ...


@runtime_checkable
class SelfTesting(Protocol):
    """A warehouse whose guarantees hang on settings of a service, and which can try whether they hold."""

    async def self_test(self) -> SelfTestOutcome:
        """Try on a table of its own whether an upsert replaces and a deletion deletes."""
        ...
