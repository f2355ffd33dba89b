"""The traces that a change leaves in other tables: activities, the recycle bin, time entry versions.

Documented: activities exist "for most, but not all" objects; the recycle bin holds budgets, dashboards,
deals, docs, invoices, projects, services, tasks and time entries. The words in `event` and the form of a
changeset are known from examples only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.sandbox.storage import Link, Ref
from services.sandbox.zone import stamp

if TYPE_CHECKING:
    from services.sandbox.organization import Change, Organization

# Which objects have activities, and the foreign key by which an activity names them.
FEED = {
    "bookings": "booking_id",
    "companies": "company_id",
    "deals": "deal_id",
    "discussions": "discussion_id",
    "invoices": "invoice_id",
    "pages": "page_id",
    "people": None,
    "projects": None,
    "purchase_orders": "purchase_order_id",
    "services": None,
    "tasks": "task_id",
    "time_entries": None,
}
RECYCLED = ("dashboards", "deals", "invoices", "pages", "projects", "services", "tasks", "time_entries")
_EVENTS = {"create": "create", "update": "update", "delete": "destroy"}
_TIMES = frozenset({"updated_at", "last_activity_at"})


def singular(table: str) -> str:
    """How activities and the recycle bin call an object: `time_entries` → `time_entry`."""
    irregular = {"people": "person", "time_entries": "time_entry", "companies": "company", "pages": "page"}
    return irregular.get(table, table.removesuffix("s"))


def name_of(attributes: dict[str, Any]) -> str | None:
    """What people call a record."""
    if attributes.get("last_name"):
        return f"{attributes.get('first_name') or ''} {attributes['last_name']}".strip()
    for field in ("name", "title", "subject", "number"):
        if attributes.get(field):
            return str(attributes[field])
    return None


class History:
    """Writes the traces. Its own rows leave none."""

    def __init__(self, organization: Organization, *, caller: Ref) -> None:
        self._organization = organization
        self._caller = caller

    def write(self, change: Change) -> None:
        """Leave the traces of one change."""
        resource = change.after or change.before
        if resource is None:
            return
        if change.kind == "restore":
            self._recover(change)
            return
        if change.table in FEED:
            self._activity(change, resource)
        if change.table == "time_entries":
            self._version(change, resource)
        if change.kind == "delete" and change.table in RECYCLED:
            self._recycle(change, resource)

    def _activity(self, change: Change, resource: dict[str, Any]) -> None:
        attributes = resource["attributes"]
        kind = singular(change.table)
        gone = stamp(change.at_us) if change.kind == "delete" else None
        values: dict[str, Any] = {
            "event": _EVENTS[change.kind],
            "item_type": kind,
            "item_id": int(change.id),
            "item_name": name_of(attributes),
            "item_deleted_at": gone,
            "root_type": kind,
            "root_id": int(change.id),
            "root_name": name_of(attributes),
            "root_deleted_at": gone,
            "person_id": self._caller.id,
            "changeset": changeset(change),
            "made_by_automation": False,
        }
        if (key := FEED[change.table]) is not None and change.kind != "delete":
            values[key] = int(change.id)
        if change.table == "deals":
            values["deal_is_budget"] = bool(attributes.get("budget"))
        self._organization.write("activities", values, {"creator": self._caller}, change.at_us)

    def _version(self, change: Change, resource: dict[str, Any]) -> None:
        values = {
            "event": _EVENTS[change.kind],
            "item_type": "time_entry",
            "item_id": int(change.id),
            "item_name": None,
            "changeset": {field: pair for entry in changeset(change) for field, pair in entry.items()},
        }
        links: dict[str, Link] = {"creator": self._caller}
        for name in ("person", "service"):
            data = resource["relationships"].get(name, {}).get("data")
            links[name] = Ref("people" if name == "person" else "services", int(data["id"])) if data else None
        self._organization.write("time_entry_versions", values, links, change.at_us)

    def _recycle(self, change: Change, resource: dict[str, Any]) -> None:
        attributes = resource["attributes"]
        kind = "budget" if change.table == "deals" and attributes.get("budget") else singular(change.table)
        name = name_of(attributes)
        values = {
            "item_id": int(change.id),
            "item_type": kind,
            "name": name,
            "item_name": name,
            "location": None,
            "private": bool(attributes.get("private")),
            "created_at": stamp(change.at_us),
            "deleted_at": stamp(change.at_us),
            "deleter_id": self._caller.id,
            "recovered_at": None,
            "restorable": True,
        }
        self._organization.write("deleted_items", values, {"deleter": self._caller}, change.at_us)

    def _recover(self, change: Change) -> None:
        """What is restored leaves the recycle bin."""
        bin_ = self._organization.rows("deleted_items")
        for row in list(bin_):
            kind = row.attributes["item_type"]
            if row.attributes["item_id"] == int(change.id) and kind in (singular(change.table), "budget"):
                bin_.remove(row.id)


def changeset(change: Change) -> list[dict[str, list[Any]]]:
    """What a change did, as `[{field: [old, new]}]`."""
    before = change.before["attributes"] if change.before else {}
    after = change.after["attributes"] if change.after else {}
    fields = {**before, **after}
    return [
        {field: [before.get(field), after.get(field)]}
        for field in fields
        if field not in _TIMES and before.get(field) != after.get(field)
    ]
