"""Rows put together into requests that stay under a size."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

ROW_OVERHEAD: Final = 6
"""Most bytes that a request adds to a row: a tag, and a length of up to 32 bits."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Encoded rows that are sent together, each with its index in the append that they come from."""

    rows: Sequence[bytes]
    indexes: Sequence[int]

    @property
    def size(self) -> int:
        """Bytes that the rows take in a request."""
        return sum(map(len, self.rows)) + ROW_OVERHEAD * len(self.rows)

    def without(self, positions: Collection[int]) -> Parcel:
        """The parcel without the rows at these positions in it."""
        kept = [position for position in range(len(self.rows)) if position not in positions]
        return Parcel([self.rows[each] for each in kept], [self.indexes[each] for each in kept])

    def halves(self) -> tuple[Parcel, Parcel]:
        """The parcel as two; for one of at least two rows."""
        middle = len(self.rows) // 2
        return (
            Parcel(self.rows[:middle], self.indexes[:middle]),
            Parcel(self.rows[middle:], self.indexes[middle:]),
        )


class Packer:
    """Fills parcels up to a size, in order. A row larger than that has a parcel of its own."""

    def __init__(self, fill: int) -> None:
        self._fill = fill
        self._rows: list[bytes] = []
        self._indexes: list[int] = []
        self._size = 0

    def add(self, rows: Iterable[tuple[bytes, int]]) -> Iterator[Parcel]:
        """Put rows in, each with its index; what comes out are the parcels that are full."""
        for row, index in rows:
            size = len(row) + ROW_OVERHEAD
            if self._size + size > self._fill:
                yield from self.rest()
            self._rows.append(row)
            self._indexes.append(index)
            self._size += size

    def rest(self) -> Iterator[Parcel]:
        """What is left, if anything is."""
        if self._rows:
            yield Parcel(self._rows, self._indexes)
        self._rows, self._indexes, self._size = [], [], 0
