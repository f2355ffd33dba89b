"""How the agency has set Productive up: its statuses, taxes, fields, calendars and policies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from services.sandbox.storage import Ref, Row
from services.sandbox.world import words
from services.sandbox.world.builder import World, iso

RATES = {"EUR": 1.0, "USD": 0.92, "GBP": 1.17}
"""What one unit of a currency is worth in the organization's."""


@dataclass(frozen=True)
class Setup:
    """The rows that the other domains lean on."""

    subsidiaries: list[Row]
    tax_rates: list[Row]
    document_types: list[Row]
    workflows: list[tuple[Row, list[Row]]]
    pipelines: list[tuple[Row, list[Row]]]
    lost_reasons: list[Row]
    service_types: list[Row]
    events: list[Row]
    holiday_calendars: list[Row]
    approval_policies: list[Row]
    tracking_policies: list[Row]
    roles: list[Row]
    job_roles: list[Row]
    fields: dict[str, list[tuple[Row, list[Row]]]]
    """Custom fields with their options, by what they belong to."""


def build(world: World) -> Setup:
    """Everything that was configured before the first project began."""
    subsidiaries = _subsidiaries(world)
    for name in words.TAGS:
        world.add("tags", {"name": name, "color_id": world.random.randrange(1, 20)})
    _exchange_rates(world)
    return Setup(
        subsidiaries=subsidiaries,
        tax_rates=_tax_rates(world, subsidiaries),
        document_types=_document_types(world, subsidiaries),
        workflows=_workflows(world),
        pipelines=_pipelines(world),
        lost_reasons=[
            world.add("lost_reasons", {"name": name, "position": place})
            for place, name in enumerate(words.LOST_REASONS)
        ],
        service_types=[
            world.add("service_types", {"name": name, "description": None}) for name in words.SERVICE_TYPES
        ],
        events=[
            world.add(
                "events",
                {
                    "name": name,
                    "absence_type": kind,
                    "event_type_id": event_type,
                    "limitation_type_id": 1,
                    "color_id": str(place + 1),
                    "icon_id": "palm-tree",
                    "half_day_bookings": place < 2,
                },
            )
            for place, (name, kind, event_type) in enumerate(words.EVENTS)
        ],
        holiday_calendars=_holidays(world),
        approval_policies=[
            world.add(
                "approval_policies",
                {"name": name, "policy_type": kind, "type_id": place + 1, "default": place == 0},
            )
            for place, (name, kind) in enumerate(
                (("Default", "default"), ("Manager", "custom"), ("None", "custom"))
            )
        ],
        tracking_policies=[
            world.add(
                "time_tracking_policies",
                {
                    "name": name,
                    "track_method_ids": [1, 2, 4],
                    "default_track_method_id": 1,
                    "daily_limit": limit,
                },
            )
            for name, limit in (("Default policy", 600), ("Part-time", 300), ("Freelancers", None))
        ],
        roles=[
            world.add("roles", {"name": name, "user_type_id": 1 if place < 4 else 2, "permissions": {}})
            for place, name in enumerate(("Admin", "Manager", "Coordinator", "Staff", "Client"))
        ],
        job_roles=[world.add("job_roles", {"name": name}) for name, _ in words.JOBS],
        fields=_custom_fields(world),
    )


def _subsidiaries(world: World) -> list[Row]:
    rows = []
    for name, city in (("Kocka Studio d.o.o.", 0), ("Kocka Studio Berlin GmbH", 1), ("Kocka Studio Ltd", 7)):
        place, country = words.CITIES[city]
        row = world.add(
            "subsidiaries",
            {
                "name": name,
                "invoice_number_format": "{y}/{n}",
                "invoice_number_scope": "year",
                "facility_costs": 1_250_000,
                "facility_costs_breakdown": {"rent": 1_000_000, "power": 250_000},
                "show_delivery_date": True,
            },
            at=world.at(world.day(ago=1_500)),
        )
        entry = world.add(
            "contact_entries",
            {
                "name": name,
                "type": "billing_address",
                "contactable_type": "subsidiary",
                "billing_address": True,
                "address": f"{world.choice(words.STREETS)} {world.random.randrange(1, 120)}",
                "city": place,
                "country": country,
                "zipcode": f"{world.random.randrange(10_000, 99_999)}",
                "vat": f"{country}{world.random.randrange(10**9, 10**10)}",
            },
            {"subsidiary": row},
        )
        account = world.add(
            "bank_accounts",
            {
                "name": "Main account",
                "bank_name": "Zadružna banka",
                "currency": "GBP" if country == "GB" else "EUR",
                "iban": f"{country}{world.random.randrange(10**17, 10**18)}",
                "bic": f"ZABA{country}2X",
                "swift_code": f"ZABA{country}2X",
                "number": str(world.random.randrange(10**9, 10**10)),
            },
            {"subsidiary": row},
        )
        row.links |= {
            "bill_from": Ref("contact_entries", entry.id),
            "default_bank_account": Ref("bank_accounts", account.id),
        }
        rows.append(row)
    return rows


def _tax_rates(world: World, subsidiaries: list[Row]) -> list[Row]:
    rows = []
    for subsidiary, (name, percent) in zip(
        (*subsidiaries, subsidiaries[0]),
        (("PDV", 25), ("USt.", 19), ("VAT", 20), ("Reverse charge", 0)),
        strict=True,
    ):
        attributes = {
            "name": f"{name} {percent} %",
            "primary_component_name": name,
            "primary_component_value": f"{percent}.0",
        }
        row = world.add("tax_rates", attributes, {"subsidiary": subsidiary})
        if percent:
            subsidiary.links["default_tax_rate"] = Ref("tax_rates", row.id)
        rows.append(row)
    return rows


def _document_types(world: World, subsidiaries: list[Row]) -> list[Row]:
    styles = [
        world.add("document_styles", {"name": name, "styles": {"font": font, "color": "#1a1a2e"}})
        for name, font in (("House style", "Inter"), ("Plain", "Arial"), ("Festive", "Playfair"))
    ]
    rows = []
    for subsidiary in subsidiaries:
        for place, name in enumerate(("Proposal", "Budget", "Invoice")):
            row = world.add(
                "document_types",
                {
                    "name": name,
                    "exportable_type_id": place + 1,
                    "document_template_id": 1,
                    "locale": "de" if "GmbH" in subsidiary.attributes["name"] else "en",
                    "default": place == 0,
                    "tax1_name": "VAT",
                    "tax1_value": "25.0",
                    "footer": "<p>Thank you for your business</p>",
                    "email_subject": "{document} {number}",
                },
                {"subsidiary": subsidiary, "document_style": styles[place]},
            )
            subsidiary.links["default_document_type"] = Ref("document_types", row.id)
            rows.append(row)
    return rows


def _workflows(world: World) -> list[tuple[Row, list[Row]]]:
    result = []
    for name, statuses in (
        ("Default", (("To do", 1), ("In progress", 2), ("In review", 2), ("Done", 3))),
        ("Support", (("New", 1), ("Waiting", 2), ("Solved", 3))),
    ):
        workflow = world.add("workflows", {"name": name})
        rows = [
            world.add(
                "workflow_statuses",
                {"name": label, "category_id": category, "color_id": category * 3, "position": place + 1},
                {"workflow": workflow},
            )
            for place, (label, category) in enumerate(statuses)
        ]
        workflow.links["workflow_statuses"] = tuple(Ref("workflow_statuses", row.id) for row in rows)
        result.append((workflow, rows))
    return result


def _pipelines(world: World) -> list[tuple[Row, list[Row]]]:
    result = []
    for place, (name, statuses) in enumerate(
        (
            (
                "Sales",
                (
                    ("Lead", 1, 10),
                    ("Proposal", 1, 40),
                    ("Negotiation", 1, 70),
                    ("Won", 2, 100),
                    ("Lost", 3, 0),
                ),
            ),
            ("Production", (("Planned", 1, 90), ("Running", 2, 100), ("Delivered", 2, 100))),
        )
    ):
        pipeline = world.add(
            "pipelines",
            {
                "name": name,
                "pipeline_type_id": place + 1,
                "position": place,
                "default": place == 0,
                "icon_id": "funnel",
            },
        )
        rows = [
            world.add(
                "deal_statuses",
                {
                    "name": label,
                    "status_id": status,
                    "outcome": ("open", "won", "lost")[status - 1],
                    "probability": probability,
                    "probability_enabled": True,
                    "position": index + 1,
                    "color_id": index + 2,
                    "used": True,
                    "time_tracking_enabled": status == 2,
                    "booking_tracking_enabled": True,
                    "expense_tracking_enabled": status == 2,
                    "lost_reason_enabled": status == 3,
                },
                {"pipeline": pipeline},
            )
            for index, (label, status, probability) in enumerate(statuses)
        ]
        result.append((pipeline, rows))
    return result


def _holidays(world: World) -> list[Row]:
    rows = []
    for country in ("HR", "DE", "GB"):
        calendar = world.add(
            "holiday_calendars",
            {"name": f"Holidays {country}", "country": country, "autogenerate_holidays": True},
        )
        for year in range(world.today.year - 1, world.today.year + 2):
            for month, day, name in words.HOLIDAYS:
                world.add(
                    "holidays",
                    {"name": name, "date": iso(date(year, month, day))},
                    {"holiday_calendar": calendar},
                    at=world.at(date(year - 1, 12, 1)) if year <= world.today.year else None,
                )
        rows.append(calendar)
    return rows


def _custom_fields(world: World) -> dict[str, list[tuple[Row, list[Row]]]]:
    """Per kind of record a text, a number, a select, a date and a person field."""
    kinds = (("Reference", 1), ("Score", 2), ("Category", 3), ("Review on", 4), ("Sponsor", 7))
    result: dict[str, list[tuple[Row, list[Row]]]] = {}
    for owner in ("deals", "companies", "projects", "tasks", "people", "expenses", "budgets"):
        result[owner] = []
        for place, (name, data_type) in enumerate(kinds[: 3 if owner in ("expenses", "people") else 5]):
            field = world.add(
                "custom_fields",
                {
                    "name": name,
                    "data_type_id": data_type,
                    "customizable_type": owner,
                    "field_type": "custom",
                    "global": True,
                    "position": place + 1,
                    "filterable": True,
                    "show_in_add_edit_views": True,
                    "formatting_type_id": 1 if data_type == 2 else None,
                },
            )
            options = [
                world.add(
                    "custom_field_options",
                    {"name": label, "position": index + 1, "color_id": index},
                    {"custom_field": field},
                )
                for index, label in enumerate(("Gold", "Silver", "Öffentlich 🏛") if data_type == 3 else ())
            ]
            field.links["options"] = tuple(Ref("custom_field_options", option.id) for option in options)
            result[owner].append((field, options))
    return result


def _exchange_rates(world: World) -> None:
    for weeks in range(26, -1, -1):
        day = world.today - timedelta(weeks=weeks)
        for code, rate in RATES.items():
            if code != "EUR":
                drift = rate + world.random.randrange(-200, 200) / 10_000
                world.add(
                    "exchange_rates",
                    {
                        "date": iso(day),
                        "from_currency": code,
                        "to_currency": "EUR",
                        "rate": f"{drift:.6f}",
                        "rates": msgspec.json.encode({"EUR": f"{drift:.6f}"}).decode(),
                        "out_of_date": weeks > 0,
                    },
                )
