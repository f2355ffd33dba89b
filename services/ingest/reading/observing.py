"""What the reading tells whoever watches it: counts, times and a backlog, never a record's content."""

from __future__ import annotations

from typing import Literal, Protocol

Outcome = Literal["published", "deleted", "reread", "skipped", "dead"]
"""What a delivery came to.

- `published`: its payload held every selected column and was published as it was;
- `reread`: the record was read again by its id and published;
- `deleted`: a deletion was published, told by the delivery or found when the record was read again;
- `skipped`: nothing to do (a table that is not selected, a test event);
- `dead`: it went to the dead letters with its reason.
"""


class ReadingObserver(Protocol):
    """Is told what happens while it happens; must not block, and must not raise."""

    def settled(self, outcome: Outcome, table: str, count: int) -> None:
        """`count` deliveries for `table` (empty when it is not known) are done with."""
        ...

    def read_took(self, seconds: float) -> None:
        """One request for changed records (one id or many) was answered after `seconds`."""
        ...

    def waiting(self, count: int) -> None:
        """So many deliveries are held that still wait for their record to be read again."""
        ...


class SilentObserver:
    """Watches nothing."""

    def settled(self, outcome: Outcome, table: str, count: int) -> None:
        """See `ReadingObserver.settled`."""

    def read_took(self, seconds: float) -> None:
        """See `ReadingObserver.read_took`."""

    def waiting(self, count: int) -> None:
        """See `ReadingObserver.waiting`."""
