"""What can go wrong with a server, to be switched on while it runs.

Tables are named as in the catalog; `"*"` stands for every table. Counters count down to 0 as requests
use them up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ANY = "*"


@dataclass(kw_only=True)
class Faults:
    """All off by default, except that `/boards` is missing, as it is for real."""

    boards_missing: bool = True
    """`/boards` answers 404 "route not found", and only `/folders` serves them."""

    unavailable: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Tables that answer an error (402, 403, 404), with its code."""

    no_cursor: set[str] = field(default_factory=set)
    """Tables that answer `keyset_unsupported_sort` to `page[after]`."""

    ignores_cursor: set[str] = field(default_factory=set)
    """Tables that answer `page[after]` with the first numbered page."""

    refused_includes: dict[str, set[str]] = field(default_factory=dict)
    """Includes that a table's endpoint answers with "Unsupported Include"; paths are told whole."""

    names_refused_include: bool = True
    """Whether that answer says which include it means."""

    refused_params: dict[str, set[str]] = field(default_factory=dict)
    """Parameters a table refuses: whole (`filter[updated_at]`) or by root (`fields`)."""

    status_code: int = 400
    """The status of such refusals: 400 as documented, or 422 as some have measured."""

    ignores_feature_flags: bool = False
    """Whether filter values are cut to dates whatever `X-Feature-Flags` says."""

    errors_5xx: dict[str, int] = field(default_factory=dict)
    """The next N requests of a table answer 500, 502, 503 in turn."""

    errors_5xx_every: int = 0
    """Every Nth request answers 503; 0 is off."""

    cut_bodies: int = 0
    """The next N answers end in the middle of the body, with the connection."""

    hang: int = 0
    """The next N requests are never answered."""

    garbage: int = 0
    """The next N answers are 200 with a page of HTML."""

    too_many: int = 0
    """The next N requests answer 429, with `too_many_reset` as X-RateLimit-Reset."""

    too_many_reset: str | None = "1"
    """None leaves the header out."""

    extra_attributes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Attributes that every record of a table has on top."""

    overrides: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    """Attributes of single records, by table and id, that replace the true ones in answers."""

    repeat_links: set[str] = field(default_factory=set)
    """Tables whose `links.next` leads to the same page again and again."""

    foreign_links: set[str] = field(default_factory=set)
    """Tables whose `links.next` leads to another host."""

    redirects: dict[str, str] = field(default_factory=dict)
    """Tables that answer 302, and where to."""

    date_skew_seconds: float = 0.0
    """How far the Date header is ahead of the truth."""

    _served: int = field(default=0, init=False, repr=False)

    def of(self, mapping: Mapping[str, Any], table: str) -> Any:
        """The entry for a table or for every table, else None."""
        return mapping.get(table, mapping.get(ANY))

    def on(self, tables: set[str], table: str) -> bool:
        """Whether a set names a table or every table."""
        return table in tables or ANY in tables

    def take(self, counter: str) -> bool:
        """Use up one of a counter; False when it is at 0."""
        left: int = getattr(self, counter)
        if left <= 0:
            return False
        setattr(self, counter, left - 1)
        return True

    def server_error(self, table: str) -> int | None:
        """The 5xx status this request gets, if it gets one."""
        self._served += 1
        for key in (table, ANY):
            if (left := self.errors_5xx.get(key, 0)) > 0:
                self.errors_5xx[key] = left - 1
                return (503, 500, 502)[left % 3]
        if self.errors_5xx_every and self._served % self.errors_5xx_every == 0:
            return 503
        return None

    def refused_param(self, table: str, names: list[str]) -> str | None:
        """The first of a request's parameters that is switched off for a table."""
        refused = self.refused_params.get(table, set()) | self.refused_params.get(ANY, set())
        for name in names:
            if name in refused or name.split("[", 1)[0] in refused:
                return name
            if name.startswith("filter[") and any(f"[{part}]" in name for part in _fields(refused)):
                return name
        return None

    @property
    def distorting(self) -> bool:
        """Whether any answer is to be changed record by record."""
        return bool(self.extra_attributes or self.overrides)

    def touches(self, table: str) -> bool:
        """Whether answers of a table are to be changed record by record."""
        if table in self.extra_attributes or ANY in self.extra_attributes:
            return True
        return any(key[0] in (table, ANY) for key in self.overrides)


def _fields(refused: set[str]) -> list[str]:
    """The field names of refused `filter[field]` parameters, to find them inside of filter groups."""
    return [name[len("filter[") :].split("]", 1)[0] for name in refused if name.startswith("filter[")]
