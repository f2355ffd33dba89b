"""What the catalog says about one Productive resource: where it is read, its columns, how it is synced.

The entries are data (`catalog.json`, generated from `facts.toml` by `scripts/generate_catalog.py`);
this module only gives them types.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class ColumnType(StrEnum):
    """The types of the warehouse, named as BigQuery names them.

    How a value travels in a record's `data` (see `shared.record`): STRING, JSON (its exact text) and
    NUMERIC (plain decimal text) as strings; INT64 as an integer; BOOL as a boolean; TIMESTAMP as
    integer microseconds and DATE as integer days since 1970-01-01 UTC; STRING_ARRAY as a list of strings.
    """

    STRING = "STRING"
    INT64 = "INT64"
    BOOL = "BOOL"
    TIMESTAMP = "TIMESTAMP"
    DATE = "DATE"
    NUMERIC = "NUMERIC"
    JSON = "JSON"
    STRING_ARRAY = "ARRAY<STRING>"


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column of a table, and where in the API's record its value is found.

    `kind` tells the place: the record's own `id`, an `attribute`, or a relationship's `to_one_id`,
    `to_one_type` (polymorphic ones only) or `to_many_ids`; `field` is the attribute's or
    relationship's API name. `references` is the table a foreign key joins to.
    `secret` marks credentials: never selected unless a person names the column.
    `guessed` says that the API's description gives no type and the name-family rule chose one.
    """

    name: str
    type: ColumnType
    kind: Literal["id", "attribute", "to_one_id", "to_one_type", "to_many_ids"]
    field: str
    references: str | None = None
    secret: bool = False
    guessed: bool = False


class Include(msgspec.Struct, frozen=True, omit_defaults=True):
    """A to-one relationship to ask for, without which Productive sends no foreign key.

    `type` is the JSON:API type it points at (None when polymorphic or unknown), used to keep the
    side-loaded records small with a sparse fieldset.
    """

    name: str
    type: str | None = None


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """One resource of the API and the table it becomes.

    - `path` below the API's root; `fallback_path` is read when `path` answers 404.
    - `type` is the JSON:API type of its records.
    - `set`: `core` (the 57), `people` or `extended`; core and people are selected by default.
    - `listable`: the API has a list of it; without one the table cannot be crawled.
    - `cursor`: cursor pagination may be tried; False where it is known to be refused.
    - `limit`: the extra rate limit family of the endpoint, beside the general ones.
    - `params`: fixed query parameters without which records would be left out.
    - `sorts`: the documented sorts; None when unknown. `stable_sort` is the one for page-number walks.
    - `change_filter`: the filter that finds changed records; `change_column` the attribute that carries
      the time of the last change (its value becomes the record's version), None when there is none.
    - `events`: webhook event ids by what they tell.
    """

    name: str
    path: str
    type: str
    set: Literal["core", "people", "extended"]
    columns: tuple[Column, ...]
    includes: tuple[Include, ...] = ()
    listable: bool = True
    documented: bool = True
    cursor: bool = True
    limit: Literal["reports", "salaries"] | None = None
    fallback_path: str | None = None
    params: dict[str, str] = {}
    sorts: tuple[str, ...] | None = None
    stable_sort: str | None = None
    change_filter: str | None = None
    change_column: str | None = None
    events: dict[Literal["create", "update", "delete", "archive"], tuple[int, ...]] = {}
    notes: tuple[str, ...] = ()

    @property
    def selected_by_default(self) -> bool:
        """Whether a person who chooses nothing gets this table."""
        return self.listable and self.set != "extended"

    @property
    def change_sorts(self) -> tuple[str, ...]:
        """The orders by which the list shows what has changed last, the surest first.

        Only orders by the time of a change are: one by creation shows what is new, and no changes. The
        record has to show the time, or nobody could see where to stop.
        """
        shown = {column.field for column in self.columns if column.kind == "attribute"}
        wanted = (self.change_column, self.change_filter, "last_activity_at")
        sorts = set(self.sorts or ()) & shown
        return tuple(name for name in dict.fromkeys(wanted) if name in sorts)
