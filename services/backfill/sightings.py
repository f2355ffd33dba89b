"""What the records of a table were like since it was last read as a whole: the drift of its fields.

A crawl that brings only changes sees few records, and often none. What it sees is added to what is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from shared.catalog.selection import SelectedTable
from shared.record import Drift

_MOST_NAMES = 1_000


class Sightings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of so many `records`: fields that no column takes by `field: type`, and values that did not fit by
    column, with their counts; and the columns that no record had a field for. Never a value.

    As many names as no real table has are kept at the most.
    """

    records: int = 0
    unknown: dict[str, int] = {}
    unfit: dict[str, int] = {}
    absent: tuple[str, ...] = ()

    def after(self, selected: SelectedTable, records: int, drift: Drift) -> Sightings:
        """These sightings and those of one more page."""
        if not records:
            return self
        fields = {c.name: c.field for c in selected.columns if c.kind in ("attribute", "to_one_id")}
        candidates = self.absent if self.records else tuple(fields)
        unknown = Counter({f"{name}: {kind}": count for (name, kind), count in drift.unknown.items()})
        return Sightings(
            self.records + records,
            _added(self.unknown, unknown),
            _added(self.unfit, drift.unparsed),
            tuple(name for name in candidates if fields.get(name) not in drift.seen),
        )


def _added(counts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    total = Counter(counts) + Counter(more)
    return dict(list(total.items())[:_MOST_NAMES])
