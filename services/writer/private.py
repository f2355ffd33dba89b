"""What the writer's rules keep out of a table, whoever brings it.

Crawlers and receivers publish nothing that is skipped, and pseudonyms where they are asked for. A message
that was published before such a rule was made, or by a process that does not have it, is mended here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from shared.catalog.selection import SelectionRules
from shared.record import OwnColumn, Record, Value

_PSEUDONYM: Final = re.compile(r"[0-9a-f]{64}")


class PrivateColumns:
    """The columns of one table that are not to be written: `unwanted` not at all, `hashed` not in clear.

    What is in clear becomes NULL, because a pseudonym made here could differ from the one that is made
    of what Productive sent; the next crawl, which has another plan for the table, brings it.
    """

    def __init__(self, unwanted: AbstractSet[str], hashed: AbstractSet[str]) -> None:
        self.unwanted = frozenset(unwanted)
        self.hashed = frozenset(hashed)
        self._all = self.unwanted | self.hashed | {OwnColumn.UNPARSED}

    def concerns(self, columns: AbstractSet[str]) -> bool:
        """Whether rows with these columns have to be looked at."""
        return not self._all.isdisjoint(columns)

    def kept(self, record: Record) -> Record:
        """The record without these values, also in `_unparsed`; itself when it has none."""
        data = {name: value for name, value in record.data.items() if self._stays(name, value)}
        unparsed = data.get(OwnColumn.UNPARSED)
        if isinstance(unparsed, str):
            del data[OwnColumn.UNPARSED]
            values = msgspec.json.decode(unparsed, type=dict[str, msgspec.Raw])
            left = {name: raw for name, raw in values.items() if name not in self._all}
            if left:
                data[OwnColumn.UNPARSED] = unparsed if left == values else msgspec.json.encode(left).decode()
        return record if data == record.data else msgspec.structs.replace(record, data=data)

    def _stays(self, name: str, value: Value) -> bool:
        if name in self.hashed:
            return isinstance(value, str) and _PSEUDONYM.fullmatch(value) is not None
        return name not in self.unwanted


def private_columns(rules: SelectionRules) -> Mapping[str, PrivateColumns]:
    """By table, for the tables that have such columns."""
    unwanted, hashed = rules.unwanted_columns, frozenset(rules.hash_columns)
    tables = {name.partition(".")[0] for name in unwanted | hashed}
    return {table: PrivateColumns(_of(table, unwanted), _of(table, hashed - unwanted)) for table in tables}


def _of(table: str, names: AbstractSet[str]) -> frozenset[str]:
    return frozenset(name.partition(".")[2] for name in names if name.startswith(f"{table}."))
