"""From what Productive answered about a record to the record that is published."""

from __future__ import annotations

from services.ingest.reading.coalescing import Pending
from shared.catalog.selection import SelectedTable
from shared.productive import Found, Gone
from shared.record import Drift, Normalizer, Record, Rejected, Version


class Answers:
    """Answers about one table's records, with the columns that are selected of it."""

    def __init__(self, selected: SelectedTable) -> None:
        self.table = selected.table
        self.columns = [column.name for column in selected.columns]
        self._normalizer = Normalizer(selected.table, selected.columns)

    def record(self, pending: Pending, answer: Found | Gone) -> Record | Rejected:
        """The state that was found, or the delete of a record that is gone.

        A record that is not there any more was deleted before it was asked for, so the deletion is placed
        at the time of the request: after every state that was ever there, also those that no delivery told
        of, and before those of a re-creation. Never before the event that led here, should clocks differ.
        """
        if isinstance(answer, Found):
            try:
                return self._normalizer.normalize(answer.resource, answer.observed_us, Drift())
            except (RecursionError, ArithmeticError, ValueError) as error:
                return Rejected(answer.resource, f"it cannot be written down again ({type(error).__name__})")
        changed_us = max(answer.observed_us, pending.happened_us)
        return Record(pending.id, "delete", Version(changed_us, answer.observed_us))
