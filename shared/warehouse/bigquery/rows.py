"""Rows as changes: what a record becomes on its way into its table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.record.model import OwnColumn, Value, Version
from shared.warehouse.bigquery.appending import ChangeRow, sequence_of
from shared.warehouse.bigquery.layout import KEY
from shared.warehouse.port import Row

STATE: Final = "0"
DELETION: Final = "1"
PURGE: Final = "2"
"""The last section of a sequence number. Of two changes with one number BigQuery takes the later arrival
(documented); with these a deletion beats the state of its version, and a purge both, in any order."""


def change_of(row: Row) -> ChangeRow:
    """The change that a row makes to its table."""
    record = row.record
    if record.op == "delete":
        return ChangeRow("DELETE", f"{sequence_of(record.version)}/{DELETION}", {KEY: record.id})
    return ChangeRow("UPSERT", f"{sequence_of(record.version)}/{STATE}", values_of(row))


def purge_of(id_: str, version: Version) -> ChangeRow:
    """The change that takes a row away which has this version, or an older one."""
    return ChangeRow("DELETE", f"{sequence_of(version)}/{PURGE}", {KEY: id_})


def values_of(row: Row) -> Mapping[str, Value]:
    """All values of a row, our own columns' among them."""
    record = row.record
    return {
        **record.data,
        KEY: record.id,
        OwnColumn.SYNCED_AT: record.version.observed_us,
        OwnColumn.CHANGED_AT: record.version.changed_us,
        OwnColumn.SOURCE: row.source.value,
        OwnColumn.RUN_ID: row.run_id,
    }


def version_of(values: Mapping[str, Value]) -> Version:
    """The version of a row that was read back whole."""
    return Version(int(str(values[OwnColumn.CHANGED_AT])), int(str(values[OwnColumn.SYNCED_AT])))
