"""One row's change on its way into BigQuery, and the number that orders the changes of a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from shared.record.model import Value, Version

CHANGE_TYPE: Final = "_CHANGE_TYPE"
CHANGE_SEQUENCE_NUMBER: Final = "_CHANGE_SEQUENCE_NUMBER"
KEY: Final = "id"

Kind = Literal["UPSERT", "DELETE"]

_OFFSET = 1 << 63
_LARGEST = (1 << 64) - 1


class ChangeRow(NamedTuple):
    """What is to become of one row.

    `sequence` is its `_CHANGE_SEQUENCE_NUMBER` (see `sequence_of`). `values` are in the form they travel in
    (see `ColumnType`), `id` among them; what is absent or None is NULL, and names that the table's columns
    do not have are left out. A DELETE needs `id` alone, and nothing else of it is sent.
    """

    kind: Kind
    sequence: str
    values: Mapping[str, Value]


def sequence_of(version: Version) -> str:
    """The version as `_CHANGE_SEQUENCE_NUMBER`: `CHANGED/OBSERVED`, 16 hexadecimal digits each.

    BigQuery compares section by section as unsigned numbers (documented). 2**63 is added to both parts, so
    that times before 1970 come before all others; what 64 bits do not hold counts as the nearest that they
    do. This spelling is for good: rows that were written with another one would not be ordered against it.
    """
    changed, observed = version
    changed += _OFFSET
    observed += _OFFSET
    if not (0 <= changed <= _LARGEST and 0 <= observed <= _LARGEST):
        changed, observed = min(max(changed, 0), _LARGEST), min(max(observed, 0), _LARGEST)
    return f"{changed:016X}/{observed:016X}"
