# ruff: noqa: S608  Only our own names and catalog names, quoted, are put into statements; values are not.
"""The statements that read from BigQuery, as functions from names to text.

Relations come quoted (see `Rest.quoted`). Columns are named `default`, `order` or `group`: names are always
quoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shared.catalog.model import ColumnType

CHANGED = "UNIX_MICROS(_changed_at)"
OBSERVED = "UNIX_MICROS(_synced_at)"


def quote(name: str) -> str:
    """An identifier, quoted."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def travelling(name: str, type_: ColumnType, table: str = "") -> str:
    """A column as an expression for its value in the form in which it travels.

    NUMERIC comes as text of all its digits, which may end in zeros.
    """
    column = f"{table}.{quote(name)}" if table else quote(name)
    match type_:
        case ColumnType.TIMESTAMP:
            return f"UNIX_MICROS({column})"
        case ColumnType.DATE:
            return f"UNIX_DATE({column})"
        case ColumnType.NUMERIC:
            return f"CAST({column} AS STRING)"
        case ColumnType.JSON:
            # Of NULL it makes the text `null`, which is the text of a JSON null too.
            return f"IF({column} IS NULL, NULL, TO_JSON_STRING({column}))"
        case _:
            return column


def states(relations: Sequence[str]) -> str:
    """A row for each: its place, rows, latest `_synced_at` and `_changed_at` in µs, rows with `_unparsed`."""
    return " UNION ALL ".join(
        f"SELECT {place}, COUNT(*), UNIX_MICROS(MAX(_synced_at)), UNIX_MICROS(MAX(_changed_at)), "
        f"COUNT(_unparsed) FROM {relation}"
        for place, relation in enumerate(relations)
    )


def ids(relation: str) -> str:
    """All ids."""
    return f"SELECT id FROM {relation}"


def versions(relation: str, *, before: bool) -> str:
    """The versions of all rows; `before`: of those observed before `@before` only."""
    condition = f" WHERE {OBSERVED} < @before" if before else ""
    return f"SELECT id, {CHANGED}, {OBSERVED} FROM {relation}{condition}"


def row_versions(relation: str) -> str:
    """The versions of the rows with `@ids`."""
    return f"SELECT id, {CHANGED} AS changed, {OBSERVED} AS observed FROM {relation} WHERE id IN UNNEST(@ids)"


def remembered_versions(deletions: str, *, some: bool = True) -> str:
    """The remembered deletions of the table `@name`, of `@ids` only if `some`."""
    condition = " AND record_id IN UNNEST(@ids)" if some else ""
    return f"""
    SELECT record_id AS id, changed_us AS changed, observed_us AS observed FROM {deletions}
    WHERE table_name = @name{condition}
    """


def tombstones(deletions: str, relation: str | None) -> str:
    """The deletions of the table `@name` observed before `@before`, of which there is no row now."""
    absent = f"AND NOT EXISTS (SELECT 1 FROM {relation} t WHERE t.id = d.record_id)" if relation else ""
    return f"""
    SELECT d.record_id, d.changed_us, d.observed_us FROM {deletions} d
    WHERE d.table_name = @name AND d.observed_us < @before {absent}
    """


def matching(relation: str, column: str, *, listed: bool) -> str:
    """The ids of rows whose column is one of `@values`, or holds one of them if it is a list."""
    name = quote(column)
    test = (
        f"EXISTS (SELECT 1 FROM UNNEST({name}) AS each_value WHERE each_value IN UNNEST(@values))"
        if listed
        else f"{name} IN UNNEST(@values)"
    )
    return f"SELECT id FROM {relation} WHERE {test}"


def rows(relation: str, columns: Iterable[tuple[str, ColumnType]], condition: str) -> str:
    """Rows with their values in the form in which they travel."""
    selected = ", ".join(f"{travelling(name, type_)} AS {quote(name)}" for name, type_ in columns)
    return f"SELECT {selected} FROM {relation} WHERE {condition}"
