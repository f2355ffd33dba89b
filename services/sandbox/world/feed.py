"""What happened and what is gone: activities, the recycle bin, notifications, and old webhooks."""

from __future__ import annotations

from typing import Any

from services.sandbox.history import FEED, RECYCLED, name_of, singular
from services.sandbox.storage import Link, Ref, Row
from services.sandbox.world import words
from services.sandbox.world.builder import World
from services.sandbox.world.staff import Staff
from services.sandbox.zone import DAY, stamp


def build(world: World, staff: Staff) -> None:
    """Activities of the last four months in the order in which they happened, and the rest."""
    for at, table, row, event in sorted(
        _happenings(world), key=lambda one: (one[0], one[1], one[2].id, one[3])
    ):
        _activity(world, staff, row, at=at, table=table, event=event)
    _deleted(world, staff)
    _notifications(world, staff)
    _webhooks(world, staff)


def _happenings(world: World) -> list[tuple[int, str, Row, str]]:
    since = world.now_us - 120 * DAY
    found = []
    for table, share in (
        ("tasks", 2),
        ("deals", 1),
        ("invoices", 1),
        ("pages", 2),
        ("bookings", 3),
        ("companies", 1),
    ):
        for row in world.rows(table)[::share]:
            found.append((row.created_us, table, row, "create"))
            if row.changed_us > row.created_us + DAY:
                found.append((row.changed_us - DAY // 24, table, row, "update"))
    found += [
        (row.created_us, "comments", row, "comment") for row in world.rows("comments") if row.links["task"]
    ]
    return [one for one in found if one[0] > since]


def _activity(world: World, staff: Staff, row: Row, *, at: int, table: str, event: str) -> None:
    actor = row.links.get("creator")
    if not isinstance(actor, Ref):
        actor = Ref("people", world.choice(staff.employees).row.id)
    links: dict[str, Link] = {"creator": actor}
    subject, subject_table = row, table
    if event == "comment":
        task = row.links["task"]
        if not isinstance(task, Ref):
            return
        links["comment"] = Ref("comments", row.id)
        subject, subject_table = world.tables["tasks"].row(task.id), "tasks"
    name = name_of(subject.attributes)
    kind = singular(subject_table)
    values: dict[str, Any] = {
        "event": "create" if event == "comment" else event,
        "item_type": "comment" if event == "comment" else kind,
        "item_id": row.id,
        "item_name": name,
        "root_type": kind,
        "root_id": subject.id,
        "root_name": name,
        "parent_type": kind if event == "comment" else None,
        "parent_id": subject.id if event == "comment" else None,
        "parent_name": name if event == "comment" else None,
        "person_id": actor.id,
        "changeset": _changeset(subject, event),
        "made_by_automation": world.chance(0.02),
    }
    if (key := FEED[subject_table]) is not None:
        values[key] = subject.id
    if subject_table == "deals":
        values["deal_is_budget"] = subject.attributes["budget"]
    world.add("activities", values, links, at=at)


def _changeset(row: Row, event: str) -> list[dict[str, list[Any]]]:
    name = name_of(row.attributes)
    if event == "comment":
        return []
    field = next((field for field in ("name", "title", "subject") if field in row.attributes), "note")
    return [{field: [None if event == "create" else f"{name} (draft)", name]}]


def _deleted(world: World, staff: Staff) -> None:
    """The recycle bin: ids that no table has any more, all smaller than those that are there."""
    for place in range(max(6, world.people // 2)):
        table = RECYCLED[place % len(RECYCLED)]
        deleter = world.choice(staff.employees).row
        at = world.now_us - (max(6, world.people // 2) - place) * DAY
        name = f"{world.choice(words.VERBS)} {world.choice(words.THINGS)}"
        world.add(
            "deleted_items",
            {
                "item_id": 1_000 + place,
                "item_type": "budget" if place % 16 == 9 else singular(table),
                "name": name,
                "item_name": name,
                "location": world.choice((None, "Website relaunch")),
                "deleter_id": deleter.id,
                "deleted_at": stamp(at),
                "restorable": True,
            },
            {"deleter": deleter},
            at=at,
        )


def _notifications(world: World, staff: Staff) -> None:
    owner = staff.employees[0].row
    for task in world.rows("tasks")[:: max(1, len(world.rows("tasks")) // 40)]:
        actor = world.choice(staff.employees).row
        world.add(
            "notifications",
            {
                "title": f"{name_of(actor.attributes)} changed a task",
                "excerpt": world.choice(words.SENTENCES),
                "target_type": "task",
                "target_id": task.id,
                "target_title": task.attributes["title"],
                "root_type": "task",
                "root_id": task.id,
                "read": world.chance(0.7),
                "new_activities_count": world.random.randrange(1, 5),
                "last_action_at": stamp(task.changed_us),
            },
            {"actor": actor, "owner": owner},
            at=task.changed_us,
        )


def _webhooks(world: World, staff: Staff) -> None:
    """Somebody's old automations: switched off, and none of our business."""
    for place, event in enumerate((1, 3, 7, 32)):
        created = world.now_us - (300 - place) * DAY
        hook = world.add(
            "webhooks",
            {
                "name": f"Zap {place + 1}",
                "event_id": event,
                "type_id": 2,
                "state_id": 2,
                "active": False,
                "target_url": f"https://hooks.example.com/{place}",
                "url": f"https://hooks.example.com/{place}",
                "deactivated_at": stamp(created + 40 * DAY),
                "signature_token": f"00000000-0000-4000-8000-00000000000{place}",
                "retry_attempts": None,
                "custom_headers": None,
                "test": False,
            },
            {"creator": staff.employees[0].row},
            at=created,
        )
        for attempt in range(3):
            world.add(
                "webhook_logs",
                {
                    "payload": '{"event":"create_task","item_id":1000}',
                    "status_code": 503,
                    "response_code": 503,
                    "target_url": hook.attributes["target_url"],
                    "url": hook.attributes["target_url"],
                    "retry_attempt": attempt,
                    "retry_job_id": f"job-{place}",
                    "success": False,
                },
                {"webhook": hook},
                at=created + (30 + attempt) * DAY,
            )
