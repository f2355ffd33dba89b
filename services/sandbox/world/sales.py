"""Deals that were won or lost, the budgets that came of them, and the services that they sell."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from services.sandbox.storage import Row
from services.sandbox.world import words
from services.sandbox.world.builder import World, iso
from services.sandbox.world.clients import Client
from services.sandbox.world.custom import custom_values
from services.sandbox.world.setup import RATES, Setup
from services.sandbox.world.staff import Employee, Staff
from services.sandbox.zone import DAY, stamp


@dataclass
class Service:
    """A service with what is needed to price its hours; `price` is per hour in the deal's currency."""

    row: Row
    price: int
    billable: bool


@dataclass
class Budget:
    """A budget of a project with its services and the people who track time on it."""

    row: Row
    client: Client
    project: Row
    started: date
    ended: date | None
    currency: str
    rate: float
    services: list[Service] = field(default_factory=list)
    crew: list[Employee] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether work goes on."""
        return self.row.attributes["closed_at"] is None


def build(
    world: World, setup: Setup, staff: Staff, clients: list[Client], projects: list[Row]
) -> list[Budget]:
    """A budget or two for every project, the deals they came from, and deals that came to nothing."""
    budgets: list[Budget] = []
    by_id = {client.row.id: client for client in clients}
    for number, project in enumerate(projects):
        client = by_id[_linked(project, "company")]
        deal = _deal(world, setup, staff, client, number, won=True)
        for _ in range(1 + (number % 4 == 0)):
            budgets.append(
                _budget(world, setup, staff, client, project=project, deal=deal, number=len(budgets))
            )
    for number in range(len(projects)):
        _deal(world, setup, staff, world.choice(clients), len(projects) + number, won=False)
    return budgets


def _linked(row: Row, name: str) -> int:
    link = row.links[name]
    assert isinstance(link, tuple)  # noqa: S101 -- the builder has set it
    return int(link[1])  # type: ignore[arg-type]  # a Ref's id


def _deal(world: World, setup: Setup, staff: Staff, client: Client, number: int, *, won: bool) -> Row:
    pipeline, statuses = setup.pipelines[0]
    status = statuses[3] if won else world.choice([*statuses[:3], statuses[4]])
    kind = status.attributes["status_id"]
    started = world.day(ago=world.random.randrange(260, 500) if won else world.random.randrange(1, 300))
    created = world.at(started)
    closed = min(created + world.random.randrange(5, 40) * DAY, world.now_us) if kind > 1 else None
    value = world.random.randrange(50, 900) * 10_000
    row = world.add(
        "deals",
        {
            **_terms(world, client, started),
            **world.money(
                "deals", RATES[client.currency], deal_value_total=value, deal_value_per_period=value
            ),
            "name": world.choice(words.PROJECTS),
            "number": str(number + 1),
            "deal_number": str(number + 1),
            "deal_value": value,
            "budget": False,
            "is_budget": False,
            "deal_type_id": 2,
            "status_id": kind,
            "probability": status.attributes["probability"],
            "days_since_created": (world.today - started).days,
            "sales_closed_at": stamp(closed) if closed else None,
            "sales_closed_on": stamp(closed)[:10] if closed else None,
            "lost_at": stamp(closed) if closed and kind == 3 else None,
            "lost_comment": "They chose a bigger agency." if kind == 3 else None,
            "sales_status_updated_at": stamp(closed or created),
            "email_key": f"deal-{number:x}-8c1d",
            "note": world.choice((None, "<p>Warm lead from the fair</p>")),
        },
        {
            **_people(world, staff, client),
            "company": client.row,
            "pipeline": pipeline,
            "deal_status": status,
            "subsidiary": client.subsidiary,
            "tax_rate": client.tax_rate,
            "document_type": client.subsidiary.links["default_document_type"],
            "lost_reason": world.choice(setup.lost_reasons) if kind == 3 else None,
        },
        at=created,
        changed=closed or created + world.random.randrange(0, 10) * DAY,
    )
    row.attributes["custom_fields"] = custom_values(
        world, setup.fields["deals"], row, [one.row for one in staff.employees]
    )
    return row


def _budget(
    world: World, setup: Setup, staff: Staff, client: Client, *, project: Row, deal: Row, number: int
) -> Budget:
    pipeline, statuses = setup.pipelines[1]
    started = world.workday(world.day(ago=world.random.randrange(130, 250)))
    ended = world.day(ago=world.random.randrange(10, 60)) if world.chance(0.2) else None
    closed = ended if ended and world.chance(0.8) else None
    changed = world.at(closed) if closed else world.now_us - int(world.random.random() * 30 * DAY)
    row = world.add(
        "deals",
        {
            **_terms(world, client, started),
            "name": f"{project.attributes['name']} – budget",
            "number": str(5_000 + number),
            "deal_number": str(5_000 + number),
            "budget": True,
            "is_budget": True,
            "deal_type_id": 2,
            "status_id": 2,
            "probability": 100,
            "end_date": iso(ended),
            "delivered_on": iso(closed),
            "closed_at": stamp(world.at(closed)) if closed else None,
            "origin_deal_id": deal.id,
            "budget_warning": 80,
            "time_approval": True,
            "expense_approval": world.chance(0.5),
            "client_access": world.chance(0.3),
            "purchase_order_number": world.choice((None, f"PO-{number + 100}")),
            "email_key": f"budget-{number:x}-77aa",
            "tracking_type_id": 1,
        },
        {
            **_people(world, staff, client),
            "company": client.row,
            "project": project,
            "origin_deal": deal,
            "pipeline": pipeline,
            "deal_status": statuses[2] if closed else statuses[1],
            "subsidiary": client.subsidiary,
            "tax_rate": client.tax_rate,
            "document_type": client.subsidiary.links["default_document_type"],
        },
        at=world.at(started),
        changed=changed,
    )
    row.attributes["custom_fields"] = custom_values(
        world, setup.fields["budgets"], row, [one.row for one in staff.employees]
    )
    budget = Budget(row, client, project, started, ended, client.currency, RATES[client.currency])
    _services(world, setup, budget)
    return budget


def _terms(world: World, client: Client, started: date) -> dict[str, object]:
    return {
        **world.currency("deals", client.currency),
        "exchange_rate": str(RATES[client.currency]),
        "exchange_date": iso(started),
        "date": iso(started),
        "man_day_minutes": 480,
        "discount": world.choice(("0.0", "0.0", "0.0", "5.0")),
        "tag_list": sorted(world.random.sample(words.TAGS, world.random.randrange(0, 3))),
        "rounding_interval_id": 1,
        "rounding_method_id": 1,
        "revenue_distribution_type": "time",
    }


def _people(world: World, staff: Staff, client: Client) -> dict[str, Row]:
    return {
        "creator": world.choice(staff.employees).row,
        "responsible": world.choice(staff.active()).row,
        "primary_contact": client.contacts[0],
        "contact": client.contacts[-1],
    }


def _services(world: World, setup: Setup, budget: Budget) -> None:
    """Sections with services: by the hour, at a fixed price, or not billable at all."""
    created = budget.row.created_us
    for part, title in enumerate(("Concept", "Delivery")[: 1 + world.chance(0.6)]):
        section = world.add(
            "sections",
            {"name": title, "position": part + 1, "editor_config": {}},
            {"deal": budget.row},
            at=created,
        )
        for place in range(world.random.randrange(2, 4)):
            service_type = world.choice(setup.service_types)
            billing = world.choice((2, 2, 2, 1, 3))
            price = (9_000 + world.random.randrange(0, 12) * 500) if billing != 3 else 0
            quantity = world.random.randrange(2, 40) * 5
            total = price * quantity
            row = world.add(
                "services",
                {
                    **world.currency("services", budget.currency),
                    **world.money(
                        "services", budget.rate, price=price, budget_total=total, projected_revenue=total
                    ),
                    "name": f"{service_type.attributes['name']} {place + 1}",
                    "position": len(budget.services) + 1,
                    "billable": billing != 3,
                    "billing_type_id": billing,
                    "unit_id": 1,
                    "quantity": f"{quantity}.0",
                    "budgeted_time": quantity * 60,
                    "estimated_time": quantity * 60,
                    "time_tracking_enabled": True,
                    "booking_tracking_enabled": True,
                    "expense_tracking_enabled": world.chance(0.4),
                    "discount": None,
                    "markup": None,
                    "editor_config": None,
                },
                {"deal": budget.row, "section": section, "service_type": service_type},
                at=created,
                changed=min(created + (world.now_us - created) // 2, world.now_us),
            )
            budget.services.append(Service(row, price, billing != 3))
    for service in budget.services[1::2]:
        service.row.attributes["initial_service_id"] = budget.services[0].row.id


def crew(world: World, staff: Staff, budgets: list[Budget]) -> None:
    """Give every budget its people, and every person at least three budgets where there are as many."""
    for budget in budgets:
        budget.crew = world.random.sample(staff.employees, min(len(staff.employees), 3))
    for employee in staff.employees:
        mine = sum(employee in budget.crew for budget in budgets)
        others = [budget for budget in budgets if budget.open and employee not in budget.crew]
        for budget in world.random.sample(others, min(len(others), max(0, 3 - mine))):
            budget.crew.append(employee)
    for budget in budgets:
        for employee in budget.crew:
            world.add(
                "memberships",
                {"access_type_id": 1, "target_type": "deal", "type_id": 1, "options": {}},
                {"person": employee.row, "deal": budget.row},
                at=budget.row.created_us,
            )
        for service in budget.services[:1]:
            world.add(
                "service_assignments",
                {"billable": service.billable},
                {"person": budget.crew[0].row, "service": service.row},
                at=budget.row.created_us,
            )
