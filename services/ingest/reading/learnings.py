"""What the tables' endpoints were found not to take, remembered while the process lives.

Bounded by the number of tables. The crawl keeps findings of its own over restarts; here they cost a few
requests to find again.
"""

from __future__ import annotations

from shared.productive import Learned


class Learnings:
    """Findings by table; nothing is known of a table at first."""

    def __init__(self) -> None:
        self._by_table: dict[str, Learned] = {}

    def of(self, table: str) -> Learned:
        """What is known of the table's endpoint."""
        return self._by_table.get(table, Learned())

    def remember(self, table: str, learned: Learned) -> None:
        """Add findings. Readings of one table run side by side, so none may undo what another found."""
        known = self.of(table)
        self._by_table[table] = Learned(
            refused_includes=_joined(known.refused_includes, learned.refused_includes),
            refused_filters=_joined(known.refused_filters, learned.refused_filters),
            refused_sorts=_joined(known.refused_sorts, learned.refused_sorts),
            no_fieldsets=known.no_fieldsets or learned.no_fieldsets,
            use_fallback_path=learned.use_fallback_path,
        )


def _joined(known: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*known, *new}))
