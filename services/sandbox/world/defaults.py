"""What an attribute is when nobody says otherwise, by its name and type."""

from __future__ import annotations

from typing import Any

from services.sandbox.schema import Resource
from shared.catalog import ColumnType

# Attributes whose empty form is not null, as seen in recorded responses.
_EMPTY: dict[str, Any] = {
    "availabilities": "[]",
    "contact": {},
    "currency": "EUR",
    "currency_default": "EUR",
    "currency_normalized": "EUR",
    "domains": [],
    "editor_config": {},
    "exchange_rate": "1.0",
    "exchange_rate_normalized": "1.0",
    "invoice_email_recipients": {},
    "markup": "0.0",
    "overtime_cost_multiplier": "1.0",
    "preferences": {},
    "quantity_received": "0.0",
    "reactions": {},
    "repeat_on_weekday": [],
    "settings": {},
    "tag_colors": {},
    "tag_list": [],
    "task_custom_fields_ids": [],
    "page_custom_fields_ids": [],
    "time_entry_requirements": [],
    "todo_assignee_ids": [],
}


def blank_attributes(resource: Resource) -> dict[str, Any]:
    """All attributes of a resource at rest."""
    return {name: _blank(name, kind) for name, kind in resource.attributes.items()}


def _blank(name: str, kind: ColumnType) -> Any:
    if name in _EMPTY:
        value = _EMPTY[name]
        return value.copy() if isinstance(value, list | dict) else value
    if kind is ColumnType.BOOL:
        return False
    if kind is ColumnType.NUMERIC:
        return 0
    if kind is ColumnType.INT64 and name.endswith(("_count", "_time", "position", "placement")):
        return 0
    return None
