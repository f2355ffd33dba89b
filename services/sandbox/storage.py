"""Where the records are: rows by id in tables, with room for millions that exist only as a rule."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from services.sandbox.bulk import Bulk


class Ref(NamedTuple):
    """A relationship's end: a table and an id in it."""

    table: str
    id: int


Link = Ref | tuple[Ref, ...] | None


@dataclass(slots=True)
class Row:
    """One record. The two times are kept for every row, whether its attributes show them or not."""

    id: int
    attributes: dict[str, Any]
    links: dict[str, Link]
    created_us: int
    changed_us: int


class Table:
    """The rows of one resource, in the order of their ids."""

    def __init__(self) -> None:
        self.ids = array("q")
        self.rows: dict[int, Row] = {}
        self.bulk: Bulk | None = None
        self.revision = 0
        self._highest = 0

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, identifier: object) -> bool:
        if identifier in self.rows:
            return True
        return self.bulk is not None and identifier in self.bulk and self._position(identifier) is not None

    def __iter__(self) -> Iterator[Row]:
        for identifier in self.ids:
            yield self.row(identifier)

    def row(self, identifier: int) -> Row:
        """The row with an id; KeyError when there is none."""
        row = self.rows.get(identifier)
        if row is not None:
            return row
        if self.bulk is None or identifier not in self:
            raise KeyError(identifier)
        return self.bulk.row(identifier)

    def get(self, identifier: int) -> Row | None:
        """The row with an id, or None."""
        return self.row(identifier) if identifier in self else None

    def put(self, row: Row) -> None:
        """Insert or replace a row."""
        if self._position(row.id) is None:
            self.ids.insert(bisect_left(self.ids, row.id), row.id)
        self.rows[row.id] = row
        self.revision += 1

    def append(self, row: Row) -> None:
        """Insert a row whose id is above all others: what building a world does."""
        self.ids.append(row.id)
        self.rows[row.id] = row

    def remove(self, identifier: int) -> Row:
        """Take a row out; KeyError when there is none."""
        row = self.row(identifier)
        position = self._position(identifier)
        assert position is not None  # noqa: S101 -- `row` has just found it
        del self.ids[position]
        self.rows.pop(identifier, None)
        self._highest = max(self._highest, identifier)
        self.revision += 1
        return row

    def copy(self) -> Table:
        """A table of its own with the same rows."""
        table = Table()
        table.ids = self.ids[:]
        table.rows = self.rows.copy()
        table.bulk = self.bulk
        table._highest = self._highest
        return table

    def grow(self, count: int, *, newest_us: int) -> None:
        """Add `count` rows that are copies of the present ones with other ids and times."""
        first = self.ids[-1] + 1
        self.bulk = Bulk([self.rows[identifier] for identifier in self.ids], first, count, newest_us)
        self.ids.extend(range(first, first + count))

    def next_id(self) -> int:
        """An id that nobody has or had."""
        return max(self.ids[-1] if self.ids else 0, self._highest) + 1

    def _position(self, identifier: Any) -> int | None:
        position = bisect_left(self.ids, identifier)
        return position if position < len(self.ids) and self.ids[position] == identifier else None
