"""What the emulator's catalog drops: primary keys, staleness, columns that are added and dropped."""

from __future__ import annotations

from typing import Any

import bqemulator.api.routes.tables as routes  # type: ignore[import-not-found]
from bqemulator.domain.errors import ValidationError  # type: ignore[import-not-found]
from bqemulator.storage.sql_identifiers import quoted_table_ref  # type: ignore[import-not-found]

Place = tuple[str, str, str]
_KEPT = ("tableConstraints", "maxStaleness")
_kept: dict[tuple[Place, Any], dict[str, Any]] = {}
_engines: list[Any] = []
_to_meta, _to_rest = routes._rest_to_table_meta, routes._table_to_rest


def primary_key(table: Any) -> list[str] | None:
    """The columns of a table's primary key; None when it has none."""
    constraints = _kept.get(_identity(table), {}).get("tableConstraints") or {}
    columns: list[str] | None = (constraints.get("primaryKey") or {}).get("columns")
    return columns


def staleness_seconds(table: Any) -> int:
    """How late a table shows what was written; the interval is `0-0 0 HOURS:MINUTES:SECONDS`."""
    interval = _kept.get(_identity(table), {}).get("maxStaleness")
    if not interval:
        return 0
    hours, minutes, seconds = (int(part) for part in interval.split(" ")[-1].split(":"))
    return (hours * 60 + minutes) * 60 + seconds


def _meta(project: str, dataset: str, body: dict[str, Any], clock: Any, existing: Any = None) -> Any:
    meta = _to_meta(project, dataset, body, clock, existing)
    kept = dict(_kept.get(_identity(existing), {})) if existing is not None else {}
    kept |= {key: body[key] for key in _KEPT if key in body}
    if existing is not None and (body.get("schema") or {}).get("fields"):
        _alter((project, dataset, meta.table_id), existing, meta)
    _kept[_identity(meta)] = kept
    return meta


def _identity(table: Any) -> tuple[Place, Any]:
    # A table that was dropped and made again is another one.
    return (table.project_id, table.dataset_id, table.table_id), table.creation_time


def _alter(place: Place, existing: Any, meta: Any) -> None:
    before = {field.name: field for field in existing.schema_.fields}
    after = {field.name: field for field in meta.schema_.fields}
    for name, field in before.items():
        if name not in after or (after[name].type, after[name].mode) != (field.type, field.mode):
            raise ValidationError(f"Provided Schema does not match Table: field {name} is missing or changed")
    new = [routes._field_to_rest(field) for name, field in after.items() if name not in before]
    for name, type_ in routes.bq_schema_to_duckdb_columns(new) if new else ():
        _engines[0].execute(f'ALTER TABLE {quoted_table_ref(*place)} ADD COLUMN "{name}" {type_}')


def _rest(table: Any) -> dict[str, Any]:
    shown: dict[str, Any] = _to_rest(table)
    if table.view_query:
        shown["view"] = {"query": table.view_query, "useLegacySql": False}
    return shown | _kept.get(_identity(table), {})


def drop_column(catalog: Any, place: Place, column: str) -> None:
    """Take a column out of the catalog, after SQL took it out of the table."""
    table = catalog.get_table(*place)
    fields = tuple(field for field in table.schema_.fields if field.name != column)
    if len(fields) < len(table.schema_.fields):
        schema = table.schema_.model_copy(update={"fields": fields})
        catalog.update_table(table.model_copy(update={"schema_": schema}))


def install(engine: Any) -> None:
    """Keep these things for the tables of this engine."""
    _engines[:] = [engine]
    routes._rest_to_table_meta = _meta
    routes._table_to_rest = _rest
