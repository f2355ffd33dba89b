"""What a crawl tells whoever watches it."""

from __future__ import annotations

from typing import Protocol

from services.backfill.checkpoint import TableCheckpoint


class Progress(Protocol):
    """Called on the event loop, must not block. The checkpoint holds counts, total and outcome."""

    def table_started(self, checkpoint: TableCheckpoint) -> None:
        """A table's crawl begins, or goes on where a killed one was."""
        ...

    def page_published(self, checkpoint: TableCheckpoint) -> None:
        """One more page is safe on the bus."""
        ...

    def table_finished(self, checkpoint: TableCheckpoint) -> None:
        """The table is done, unavailable or failed."""
        ...


class Silent:
    """Tells nobody."""

    def table_started(self, checkpoint: TableCheckpoint) -> None:
        """See `Progress.table_started`."""

    def page_published(self, checkpoint: TableCheckpoint) -> None:
        """See `Progress.page_published`."""

    def table_finished(self, checkpoint: TableCheckpoint) -> None:
        """See `Progress.table_finished`."""
