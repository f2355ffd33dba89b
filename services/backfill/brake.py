"""The brake: when so much of a table seems to be gone that a person should look first. A pure rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Brake:
    """Holds deletions back that are more than a `share` of a table and also more than `rows`.

    A token that lost a permission sees fewer records, and an API that has a bad day lists fewer: neither
    may empty a table. Small tables change by large shares every day, so a few rows always pass.
    """

    share: float = 0.2
    rows: int = 50

    def most(self, table_rows: int) -> int:
        """How many rows of a table of that many may be deleted at once without anybody being asked."""
        # The hundredths of a binary fraction must not make 28 out of 29 % of 100.
        return max(self.rows, int(self.share * table_rows + 1e-6))

    def holds(self, deletions: int, table_rows: int) -> bool:
        """Whether that many deletions are too many for a table of that many rows."""
        return deletions > self.most(table_rows)
