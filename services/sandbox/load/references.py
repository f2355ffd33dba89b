"""Which records others refer to, so that nothing is deleted that somebody still needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from services.sandbox.organization import Change, Organization
from services.sandbox.storage import Link, Ref


class References:
    """Counts the relationships that lead to each record, from now on by following the changes.

    Rows that exist only as a rule count once for each of the rows they copy, which is enough to know whether
    a record is referred to.
    """

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._inbound: Counter[Ref] = Counter()
        self._links: dict[tuple[str, int], dict[str, Link]] = {}
        for table in organization.tables:
            for row in organization.rows(table).rows.values():
                self._links[table, row.id] = row.links
                self._inbound.update(_refs(row.links))
        organization.subscribe(self._follow)

    def lead_to(self, table: str, identifier: int) -> bool:
        """Whether any record refers to this one."""
        return self._inbound[Ref(table, identifier)] > 0

    def _follow(self, change: Change) -> None:
        key = (change.table, int(change.id))
        self._inbound.subtract(_refs(self._links.pop(key, {})))
        if change.after is not None:
            links = self._links[key] = self._organization.rows(change.table).row(key[1]).links
            self._inbound.update(_refs(links))


def _refs(links: dict[str, Link]) -> Iterator[Ref]:
    for link in links.values():
        if isinstance(link, Ref):
            yield link
        elif link:
            yield from link
