"""What a page of Productive's recycle bin (`deleted_items`) tells of deleted records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from shared.productive.item_types import ItemTypes
from shared.record.values import parse_string, parse_timestamp

DELETED_ITEMS: Final = "deleted_items"
"""The list, as a table of the catalog; its `created_at` is the time of the deletion (documented)."""


class DeletedItem(NamedTuple):
    """A record that is in the recycle bin, and when it came there, µs since 1970 UTC.

    `deleted_us` is never after the observation, and is the observation where the bin does not tell.
    """

    table: str
    id: str
    deleted_us: int


def deleted_items(resources: Sequence[Any], observed_us: int, types: ItemTypes) -> Iterator[DeletedItem]:
    """The items of a page that are deleted, whatever table they belong to.

    Left out is what was recovered (documented to leave the list; `recovered_at` is an attribute all the same)
    and what names no record of a table.
    """
    for resource in resources:
        attributes = resource.get("attributes") if isinstance(resource, dict) else None
        if not isinstance(attributes, dict) or attributes.get("recovered_at") is not None:
            continue
        id_, type_ = parse_string(attributes.get("item_id")), attributes.get("item_type")
        table = types.table_of(type_) if isinstance(type_, str) else None
        if table is None or not isinstance(id_, str) or not id_:
            continue
        deleted = parse_timestamp(attributes.get("created_at"))
        yield DeletedItem(table, id_, min(deleted, observed_us) if isinstance(deleted, int) else observed_us)
