"""Which query reads a table: what to include, to leave out, to filter and to sort by."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from shared.catalog.model import Include, Table
from shared.clock import MICROSECONDS
from shared.productive.learned import Learned
from shared.productive.refusals import Parameters, filter_name

PAGE_SIZE = 200
"""The largest page Productive gives; it cuts larger wishes down silently."""

_EARLIEST_DAY = timezone(timedelta(hours=-12))
_LATEST_DAY = timezone(timedelta(hours=14))

_GROUPED = re.compile(r"filter\[\d+\]")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """One table's list, narrowed by `filters` (parameters as they are sent, such as
    `("filter[status]", "1")`), in the order of `sort`.

    `exact_times` asks, by a documented header, that times in filters are not cut down to days.
    `includes` are asked for because Productive sends a relationship's id only when it is included.
    """

    table: Table
    includes: tuple[Include, ...]
    filters: Parameters = ()
    sort: str | None = None
    exact_times: bool = False

    @classmethod
    def of(
        cls,
        table: Table,
        columns: Collection[str] | None = None,
        *,
        filters: Parameters = (),
        sort: str | None = None,
        exact_times: bool = False,
    ) -> ListQuery:
        """The query for `columns` by name (all when None): includes only what their foreign keys need."""
        return cls(table, _needed_includes(table, columns), tuple(filters), sort, exact_times)

    def path(self, learned: Learned) -> str:
        """The endpoint below the API's root."""
        fallback = self.table.fallback_path if learned.use_fallback_path else None
        return (fallback or self.table.path).strip("/")

    def parameters(self, learned: Learned, *, sort: str | None = None) -> Parameters:
        """Everything but the page, less what was refused; `sort` is used where the query has none."""
        wanted = self.sort or sort
        order = (
            (("sort", wanted),) if wanted and wanted.removeprefix("-") not in learned.refused_sorts else ()
        )
        return (*self._filters(learned), *self.record_parameters(learned), *order)

    def record_parameters(self, learned: Learned) -> Parameters:
        """What a single record is asked for with: the includes, less what was refused."""
        includes = [i for i in self.includes if i.name not in learned.refused_includes]
        if not includes:
            return ()
        slim = () if learned.no_fieldsets else self._side_loaded(includes)
        return (
            ("include", ",".join(i.name for i in includes)),
            *((f"fields[{type_}]", "id") for type_ in slim),
        )

    def filters_in_force(self, learned: Learned) -> tuple[str, ...]:
        """By what the list is really narrowed; empty when it is the whole table."""
        names = dict.fromkeys(filter_name(key) for key, _ in self.filters)
        return tuple(name for name in names if name != "$op" and name not in learned.refused_filters)

    def filter_names(self, learned: Learned) -> tuple[str, ...]:
        """All filters that are sent, the table's own and the query's."""
        names = dict.fromkeys(filter_name(key) for key, _ in self._filters(learned))
        return tuple(name for name in names if name != "$op")

    def _filters(self, learned: Learned) -> Parameters:
        kept = tuple(
            (key, value)
            for key, value in (*self.table.params.items(), *self.filters)
            if filter_name(key) not in learned.refused_filters
        )
        if any(_GROUPED.match(key) for key, _ in kept):
            return kept
        return tuple((key, value) for key, value in kept if filter_name(key) != "$op")

    def _side_loaded(self, includes: list[Include]) -> list[str]:
        """The types whose records come only for their ids.

        Never the table's own: a sparse fieldset governs the records that were asked for as well.
        """
        return sorted({i.type for i in includes if i.type and i.type != self.table.type})


def changed_between(name: str, since_us: int, until_us: int | None = None) -> Parameters:
    """Filters for records whose time `name` lies in [since, until), microseconds since 1970 UTC.

    Productive compares whole seconds, so both ends are widened to them. Two conditions on one field
    need the documented group form. Send them with `exact_times`, or they are cut down to days.

    The same instant can be written in any zone, and a text that is cut down to its day, against the wish, is
    that zone's day: `since` is written in the zone where the day is the earliest and `until` in the one
    where it is the latest. So nothing is missed whatever zone the days of Productive's records are in.
    Do not give an `until` of the last days, whose changes such a cut would leave out.
    """
    since = _second(since_us // MICROSECONDS, _EARLIEST_DAY)
    if until_us is None:
        return ((f"filter[{name}][gt_eq]", since),)
    until = _second(-(-until_us // MICROSECONDS), _LATEST_DAY)
    return (
        ("filter[$op]", "and"),
        (f"filter[0][{name}][gt_eq]", since),
        (f"filter[1][{name}][lt]", until),
    )


def _second(seconds: int, zone: timezone) -> str:
    return datetime.fromtimestamp(seconds, zone).isoformat(timespec="seconds")


def _needed_includes(table: Table, columns: Collection[str] | None) -> tuple[Include, ...]:
    if columns is None:
        return table.includes
    needed = {
        column.field
        for column in table.columns
        if column.kind in {"to_one_id", "to_one_type"} and column.name in columns
    }
    return tuple(include for include in table.includes if include.name in needed)
