"""Renders docs/tables.md, the reference of all tables, from the catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from shared.catalog.facts import Facts
from shared.catalog.model import Column, ColumnType, Table
from shared.catalog.types import DUCKDB_TYPES, FAMILIES, Family, attribute_type
from shared.warehouse.port import OWN_COLUMNS

_OWN_MEANING: Final = {
    "_synced_at": "when Productive was asked for what is in the row",
    "_changed_at": "when that state came to be, by Productive; without a change time, when it was asked",
    "_source": "who brought the row: `backfill`, `webhook` or `deletion`",
    "_run_id": "the run that brought it",
    "_unparsed": "values that did not fit their column, as they came; empty when all did",
}
_EVENT_WORDS: Final = {"create": "created", "update": "changed", "delete": "deleted", "archive": "archived"}
_EXAMPLES: Final = 8
_NO_PAGES: Final = "—"


def render_page(tables: tuple[Table, ...], facts: Facts) -> str:
    """The page as Markdown."""
    about = {name: resource.about for name, resource in facts.resources.items()}
    parts = [
        _introduction(tables),
        _overview(tables, about),
        _types(facts),
        *(_section(table, tables, about[table.name]) for table in tables),
    ]
    return "\n\n".join(parts) + "\n"


def _introduction(tables: tuple[Table, ...]) -> str:
    default = sum(table.selected_by_default for table in tables)
    unlisted = sum(not table.listable for table in tables)
    others = len(tables) - default - unlisted
    own = "\n".join(
        f"| `{name}` | {type_} | {DUCKDB_TYPES[type_]} | {_OWN_MEANING[name]} |"
        for name, type_ in OWN_COLUMNS
    )
    return f"""\
# Tables

<!-- Generated from shared/catalog/facts.toml: edit that, then run `make catalog`. -->

Every resource of Productive's API, and the table it becomes: {len(tables)} in all. {default} are synced when
you choose nothing, {others} more can be switched on, and {unlisted} have no list in the API, so that they
cannot be read.

- [Overview](#overview): which tables there are and how each is kept current
- [Types](#types): what becomes of the values
- Then each table, in alphabetical order.

**Reading a table.** `id` comes first and is the primary key. Then come the foreign keys: `person_id` joins
to `people.id`. Where a relationship can point at several tables, a second column such as `origin_type` says
at which. Then come the attributes under the names that Productive gives them, and last the lists of ids
(`attachments_ids`), which are empty where Productive does not send the list. An attribute whose name would
be taken twice ends in `_attribute`.

**Marks.** *guessed type*: Productive does not describe the attribute's type, its name decided (see
[Types](#types)). *credential*: a secret, which is never synced unless you name the column.

**Every table also has** these columns of our own:

| Column | BigQuery | DuckDB | Meaning |
| --- | --- | --- | --- |
{own}"""


def _overview(tables: tuple[Table, ...], about: Mapping[str, str]) -> str:
    rows = "\n".join(
        f"| {_link(table.name)} | {table.set} | {'yes' if table.selected_by_default else ''} "
        f"| {_sync_style(table)} | {_page_style(table)} | {'yes' if table.events else ''} "
        f"| {about[table.name]} |"
        for table in tables
    )
    return f"""\
## Overview

- **Default**: synced when you choose nothing.
- **Synced**: *changes* asks Productive for what changed since the last run, and reads the whole table on a
  schedule of its own; *whole* reads the whole table each time.
- **Pages**: by cursor, or by page number where the endpoint takes no cursor.
- **Live**: Productive has webhooks for it, so that with the receiver running changes arrive within seconds.

| Table | Set | Default | Synced | Pages | Live | A row is |
| --- | --- | --- | --- | --- | --- | --- |
{rows}"""


def _types(facts: Facts) -> str:
    mapping = "\n".join(f"| {_types_of(type_)} |" for type_ in DUCKDB_TYPES)
    families = "\n".join(
        f"| {_code(family.type)} | {_examples(names)} | {family.reason} |"
        for family, names in _names_by_family(facts)
    )
    return f"""\
## Types

| BigQuery | DuckDB |
| --- | --- |
{mapping}

Timestamps are in UTC. Money is exact, in minor units (cents), and most amounts come three times, each with
a column for its currency: `amount`, `amount_default` in the organization's currency, and
`amount_normalized`. Durations such as `time` are whole minutes in recorded answers; for the estimates of
tasks some of Productive's texts speak of seconds, so look at yours once. A value that does not fit its
column is never lost: the column stays empty and `_unparsed` keeps the value as it came.

Productive describes most types. Where it does not, or where recorded answers say otherwise, the name of
the attribute decides. The rules are the one table `FAMILIES` in `shared/catalog/types.py`; this is what
they make of the attributes there are, by the first rule that fits:

| Type | Attributes | Why |
| --- | --- | --- |
{families}"""


def _names_by_family(facts: Facts) -> list[tuple[Family, list[str]]]:
    names: dict[Family, set[str]] = {family: set() for family in FAMILIES}
    for table, resource in facts.resources.items():
        for attribute, described in resource.described().items():
            family = attribute_type(table, attribute, described).family
            if family is not None:
                names[family].add(attribute)
    return [(family, sorted(found)) for family, found in names.items()]


def _examples(names: list[str]) -> str:
    telling = [name for name in names if not name.endswith(("_default", "_normalized"))][:_EXAMPLES]
    shown = ", ".join(f"`{name}`" for name in telling)
    more = len(names) - len(telling)
    return f"{shown} and {more} more" if more > 0 else shown


def _section(table: Table, tables: tuple[Table, ...], about: str) -> str:
    facts = "\n".join(f"- {fact}" for fact in _facts(table))
    rows = "\n".join(
        f"| `{column.name}` | {_types_of(column.type)} "
        f"| {_link(column.references) if column.references else ''} | {'; '.join(_marks(column, table))} |"
        for column in table.columns
    )
    referring = sorted(
        {other.name for other in tables for column in other.columns if column.references == table.name}
    )
    joined = f"\n\nReferred to by {', '.join(map(_link, referring))}." if referring else ""
    return f"""\
## {table.name}

{about}

{facts}

| Column | BigQuery | DuckDB | Joins to | |
| --- | --- | --- | --- | --- |
{rows}{joined}"""


def _facts(table: Table) -> Iterator[str]:
    """What the list under a table's heading says, line by line."""
    yield f"{_reading(table)}. {_selection(table)}"
    if table.listable:
        yield _syncing(table)
    if table.events:
        told = ", ".join(
            f"{_EVENT_WORDS[kind]} ({', '.join(map(str, ids))})" for kind, ids in table.events.items()
        )
        yield f"Webhook events: {told}."
    yield from table.notes


def _reading(table: Table) -> str:
    if not table.listable:
        return "Not readable: the API has no list of it"
    text = f"Read from `/{table.path}`"
    if table.fallback_path:
        text += f", or `/{table.fallback_path}` where that answers 404"
    if table.params:
        text += " with " + " and ".join(f"`{name}={value}`" for name, value in table.params.items())
    order = f" sorted by `{table.stable_sort}`" if table.stable_sort else ""
    pages = "by cursor, where that is refused by page number" if table.cursor else "by page number"
    return f"{text}, {pages}{order}"


def _selection(table: Table) -> str:
    if table.selected_by_default:
        return "Synced by default."
    return "Off by default." if table.listable else "Listed here for completeness."


def _syncing(table: Table) -> str:
    order = f"`{table.change_column}`" if table.change_column else "the time of reading"
    if table.change_filter:
        how = f"changes since a time, by `filter[{table.change_filter}]`"
    elif table.change_sorts:
        how = f"changes since a time, in the order of `{table.change_sorts[0]}`"
    else:
        how = "the whole table each time"
    return f"Synced as {how}; {order} tells which state of a row is newer."


def _sync_style(table: Table) -> str:
    if not table.listable:
        return "not at all"
    return "changes" if table.change_filter or table.change_sorts else "whole"


def _page_style(table: Table) -> str:
    if not table.listable:
        return _NO_PAGES
    return "by cursor" if table.cursor else "by page number"


def _marks(column: Column, table: Table) -> Iterator[str]:
    if column.kind == "to_many_ids":
        yield "list of ids"
    if column.kind == "to_one_id" and column.references is None:
        include = next((include for include in table.includes if include.name == column.field), None)
        target = include.type if include else None
        yield f"a record of `{target}`, which is no table" if target else f"see `{column.field}_type`"
    if column.kind == "to_one_type":
        yield f"what `{column.field}_id` points at"
    if column.kind == "attribute" and column.name != column.field:
        yield f"the attribute `{column.field}`"
    if column.secret:
        yield "**credential**"
    if column.guessed:
        yield "guessed type"


def _types_of(type_: ColumnType) -> str:
    return f"{_code(type_)} | {_code(DUCKDB_TYPES[type_])}"


def _code(type_: str) -> str:
    """Angle brackets would be taken for HTML outside of code."""
    return f"`{type_}`" if "<" in type_ else type_


def _link(table: str) -> str:
    return f"[{table}](#{table})"
