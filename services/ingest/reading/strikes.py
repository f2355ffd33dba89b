"""Counts how often Productive answered nonsense about a record, to know when to give it up."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

_PATIENCE: Final = 20
"""How many times as many bad answers it takes while Productive makes sense about nothing."""

_MOST: Final = 10_000
"""Records that are remembered; beyond that the longest unseen is forgotten and begins anew."""


class Strikes:
    """A record is out after `attempts` bad answers if Productive made sense about others meanwhile.

    If it did not, it takes many more: a broken proxy, or a page that says "back soon", must not empty
    everything into the dead letters, and yet nothing is tried for ever.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._good_answers = 0
        self._by_record: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def good(self, table: str, id_: str) -> None:
        """An answer about the record made sense."""
        self._good_answers += 1
        self._by_record.pop((table, id_), None)

    def is_out(self, table: str, id_: str) -> bool:
        """One more answer about the record made no sense: whether to give it up."""
        count, answers_before = self._by_record.pop((table, id_), (0, self._good_answers))
        count += 1
        its_own = self._good_answers > answers_before
        if count >= self._attempts * (1 if its_own else _PATIENCE):
            return True
        self._by_record[table, id_] = (count, answers_before)
        if len(self._by_record) > _MOST:
            self._by_record.popitem(last=False)
        return False
