"""Deliveries' bodies as Productive sends them, whole and in part."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.ingest.delivery import Delivery
from shared.catalog import load_catalog
from shared.catalog.selection import SelectedTable

NOON_US = 1_790_000_000_000_000
SECOND = 1_000_000


def stamp(us: int) -> str:
    return datetime.fromtimestamp(us / SECOND, UTC).isoformat(timespec="milliseconds")


def body(
    item_type: str | None = "task",
    item_id: object = 17,
    *,
    resource: Mapping[str, Any] | None = None,
    created_us: int | None = NOON_US,
    **more: object,
) -> bytes:
    document: dict[str, Any] = {"event": "update_task", "item_type": item_type, "item_id": item_id, **more}
    if created_us is not None:
        document["created"] = stamp(created_us)
    if resource is not None:
        document["object"] = {"data": resource, "included": []}
    return json.dumps(document).encode()


def delivery(event_id: int, content: bytes, *, received_us: int = NOON_US + SECOND) -> Delivery:
    return Delivery(event_id, received_us, content)


def whole(selected: SelectedTable, id_: str = "17", **attributes: object) -> dict[str, Any]:
    """A resource with everything that is selected of its table, all of it null but the given ones."""
    table, columns = selected.table, selected.columns
    changed = {table.change_column: stamp(NOON_US - SECOND)} if table.change_column else {}
    links = {column.field: column.kind for column in columns if column.kind not in ("id", "attribute")}
    return {
        "id": id_,
        "type": table.type,
        "attributes": {
            **{column.field: None for column in columns if column.kind == "attribute"},
            **changed,
            **attributes,
        },
        "relationships": {
            name: {"data": [] if kind == "to_many_ids" else None} for name, kind in links.items()
        },
    }


def event_of(table: str, kind: str) -> int:
    return next(ids[0] for name, ids in load_catalog()[table].events.items() if name == kind)
