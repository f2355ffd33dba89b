"""Resources to fill the server with: an ordinary little agency, and values that nobody would think of."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

from tests.e2e.server import Productive, Raw, Resource

LARGE = {"tasks": 450, "time_entries": 730, "people": 201, "deals": 200}


def resource(
    type_: str,
    id_: str | int,
    attributes: dict[str, Any] | None = None,
    relationships: dict[str, Any] | None = None,
) -> Resource:
    """A resource whose relationships hold the whole linkage."""
    own = {"organization": {"type": "organizations", "id": "4711"}}
    return {
        "id": id_,
        "type": type_,
        "attributes": attributes or {},
        "relationships": {**own, **(relationships or {})},
    }


def to(type_: str, id_: str) -> dict[str, str]:
    """A resource identifier."""
    return {"type": type_, "id": id_}


def moment(number: int) -> str:
    """Some time with an offset and milliseconds, as recorded answers have it."""
    return f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}T{number % 24:02}:30:05.{number % 1000:03}+02:00"


def tasks(count: int) -> list[Resource]:
    """Tasks in a project, each with an assignee or none."""
    return [
        resource(
            "tasks",
            str(90_000 + n),
            {
                "title": f"Task {n}",
                "number": str(n),
                "closed": n % 3 == 0,
                "due_date": None if n % 4 else "2026-02-28",
                "created_at": moment(n),
                "updated_at": moment(n),
                "tag_list": ["a", "b"][: n % 3],
                "custom_fields": {"17": n, "18": ["4", "5"]} if n % 5 == 0 else None,
            },
            {
                "project": to("projects", "1-projects"),
                "assignee": None if n % 7 == 0 else to("people", str(n % 11)),
                "parent_task": to("tasks", str(90_000 + n - 1)) if n % 6 == 5 else None,
                "task_list": to("task_lists", "3"),
            },
        )
        for n in range(count)
    ]


def time_entries(count: int, *, seed: int = 1) -> list[Resource]:
    """Time entries with costs that are not whole numbers."""
    chance = random.Random(seed)
    return [
        resource(
            "time_entries",
            str(n),
            {
                "date": f"2026-01-{n % 28 + 1:02}",
                "time": chance.randrange(600),
                "billable_time": chance.randrange(600),
                "note": chance.choice([None, "<p>Grüße</p>", "ok"]),
                "cost": Decimal(chance.randrange(10**9)).scaleb(-5),
                "approved": chance.random() < 0.5,
                "created_at": moment(n),
                "updated_at": moment(n + 1),
            },
            {"person": to("people", str(n % 11)), "service": to("services", str(n % 5)), "task": None},
        )
        for n in range(count)
    ]


def people(count: int) -> list[Resource]:
    """People, without a time of their last change."""
    return [
        resource("people", str(n), {"first_name": f"Person {n}", "email": f"p{n}@example.com", "role_id": 4})
        for n in range(count)
    ]


def deals(count: int) -> list[Resource]:
    """Deals, exactly one page of them when there are 200."""
    return [
        resource(
            "deals",
            str(n),
            {
                "name": f"Deal {n}",
                "budget": n % 2 == 0,
                "exchange_rate": "1.25",
                "revenue": Decimal("23809.52381") * n,
                "last_activity_at": moment(n),
            },
            {"company": to("companies", "8"), "responsible": to("people", "2"), "project": None},
        )
        for n in range(count)
    ]


def odd_deals() -> list[Resource]:
    """What must arrive to the digit and the character, or be kept as it came."""
    attributes: list[dict[str, Any]] = [
        {"name": "emoji \U0001f469\u200d\U0001f680 and \u202eright to left", "position": 2**53 + 1},
        {"name": "a NUL \x00 in the middle", "position": 2**63 - 1},
        {"name": Raw('"half a pair \\ud83d, a whole one \\ud83d\\ude00"'), "position": -(2**63)},
        {"name": Raw('"turned round \\ude00\\ud83d"'), "position": 2**63},
        {"name": "", "position": 2**64 + 5},
        {"name": " spaces \t\r\n\x0b and 'quotes' \"\\\" ", "position": "12"},
        {"name": "x" * 100_000, "position": Decimal("7.0")},
        {"name": 12345678901234567890123, "position": Decimal("7.5")},
        {"name": Decimal("1.50"), "position": "seven"},
        {"name": True, "position": True},
        {"name": {"de": "Name"}, "position": [1]},
        {"name": ["a"], "position": {}},
        {"revenue": Decimal("0.1"), "profit": Decimal("-0.000000001"), "cost": 10**29 - 1},
        {"revenue": "25065.69", "profit": "-100.0", "cost": "0"},
        {"revenue": Decimal("12345678901234567890123456789.123456789"), "profit": 2**64 + 1},
        {"revenue": Decimal("0.1234567891"), "profit": 10**29, "cost": Raw("1e400")},
        {"revenue": Raw("1E+3"), "profit": Raw("-0.0"), "cost": Raw("1e-400")},
        {"revenue": "12,5", "profit": "", "cost": "NaN"},
        {"revenue": True, "profit": [1], "cost": {"amount": 1}},
        {"custom_fields": {"1": 2**53 + 1, "2": 2**64 + 1, "3": Decimal("0.1000000000000000055511151231")}},
        {"custom_fields": {"4": Raw("1e400"), "5": Raw("9" * 1000), "6": Raw("-1e-400")}},
        {"custom_fields": {"\U0001f600": ["\x00", None, True, {}], "": Raw('"\\udfff"')}},
        {"custom_fields": [], "tag_list": ["a", None, 1], "editor_config": "text in a JSON column"},
        {"custom_fields": {"deep": Raw("[" * 100 + "]" * 100)}, "tag_list": {}, "editor_config": 0},
        {"date": "2024-02-29", "end_date": "0001-01-01", "delivered_on": "9999-12-31"},
        {"date": "2023-02-29", "end_date": "2024-01-01T00:00:00Z", "delivered_on": 20240101},
        {"created_at": "2026-09-15T17:41:59.640+02:00", "closed_at": "2026-09-15T17:41:59Z"},
        {"created_at": "yesterday", "closed_at": "2026-02-30T00:00:00Z", "lost_at": 1767225600},
        {"created_at": "0001-01-01T00:00:00+00:00", "closed_at": "9999-12-31T23:59:59.999999Z"},
        {"budget": "true", "time_approval": 1, "sample_data": None, "external_sync": False},
    ]
    return [resource("deals", f"odd-{n}", one) for n, one in enumerate(attributes)]


def oddly_related() -> list[Resource]:
    """Tasks with every kind of relationship."""
    return [
        resource("tasks", "1", {}, {"assignee": None, "project": to("projects", "1-projects")}),
        resource("tasks", "2", {}, {"assignee": to("people", "9" * 30), "template_object": None}),
        resource("tasks", "3", {}, {"template_object": to("projects", "5"), "attachments": [to("x", "1")]}),
        resource(
            "tasks", "4", {}, {"template_object": to("task_lists", "5"), "parent_task": to("tasks", "1")}
        ),
        resource("tasks", "5", {}, {"project": [to("projects", "1"), to("projects", "2")]}),
        resource("tasks", "6", {}, {"project": {"type": "projects", "id": 17}}),
        {"id": "7", "type": "tasks"},
        {"id": 8, "type": "tasks", "attributes": {"title": "its id is a number"}, "relationships": {}},
    ]


def fill(productive: Productive, *, scale: float = 1.0) -> None:
    """Several tables of several pages, and some of one."""
    productive.fill("projects", [resource("projects", "1-projects", {"name": "Rebranding"})])
    productive.fill("tasks", tasks(round(LARGE["tasks"] * scale)))
    productive.fill("time_entries", time_entries(round(LARGE["time_entries"] * scale)))
    productive.fill("people", people(round(LARGE["people"] * scale)))
    productive.fill("deals", deals(round(LARGE["deals"] * scale)))
