"""Who works at the agency: the organization, its people, what they earn, and when they are away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec

from services.sandbox.storage import Link, Ref, Row
from services.sandbox.world import words
from services.sandbox.world.builder import World, iso
from services.sandbox.world.custom import custom_values
from services.sandbox.world.setup import Setup
from services.sandbox.zone import DAY, stamp

_WEEK = [8, 8, 8, 8, 8, 0, 0]


@dataclass(frozen=True)
class Employee:
    """A person with what the hours cost, in minor units of the organization's currency."""

    row: Row
    subsidiary: Row
    hourly_cost: float
    joined: date
    left: date | None


@dataclass(frozen=True)
class Staff:
    """All who work or worked here; the first is the caller of the API."""

    employees: list[Employee]

    def active(self) -> list[Employee]:
        """Those who are still here."""
        return [employee for employee in self.employees if employee.left is None]


def organization(world: World) -> None:
    """The organization itself, and who asks the API."""
    row = world.add(
        "organizations",
        {
            "name": "Kocka Studio",
            "currency": "EUR",
            "subdomain": "kocka",
            "locale": "en",
            "time_zone": "Europe/Zagreb",
            "timezone": "Europe/Zagreb",
            "working_hours": _WEEK,
            "man_day_minutes": 480,
            "week_start_day_id": 1,
            "overhead": True,
            "payment_terms_type": "days",
            "due_days": 14,
            "fiscal_year_start": f"{world.today.year}-01-01",
            "expense_markup": "0.0",
            "email_key": "org-4d2c",
            "scim_bearer_token": "sandbox-scim-token",
            "invitation_token": "sandbox-invitation",
            "verified_at": None,
            "subsidiary_count": 3,
        },
        at=world.at(world.day(ago=1_600)),
        changed=world.at(world.day(ago=3)),
    )
    world.home = Ref("organizations", row.id)


def build(world: World, setup: Setup) -> Staff:
    """Employees with salaries and entitlements, teams, and the one user that the API shows."""
    employees = [_employee(world, setup, number) for number in range(world.people)]
    world.caller = Ref("people", employees[0].row.id)
    _reports_to(world, employees)
    _caller(world, setup, employees[0])
    _teams(world, employees)
    for employee in employees:
        _salaries(world, setup, employee)
        _entitlements(world, setup, employee)
        _assignments(world, setup, employee)
    for service_type in setup.service_types:
        assigned = world.random.sample(employees, min(len(employees), 3))
        service_type.links["assignees"] = tuple(Ref("people", one.row.id) for one in assigned)
    return Staff(employees)


def _employee(world: World, setup: Setup, number: int) -> Employee:
    title, salary = words.JOBS[number % len(words.JOBS)]
    first, last = world.choice(words.FIRST_NAMES), world.choice(words.LAST_NAMES)
    joined = world.workday(world.day(ago=world.random.randrange(150, 1_400)))
    left = world.day(ago=world.random.randrange(5, 80)) if number > 3 and world.chance(0.08) else None
    subsidiary = setup.subsidiaries[0] if number < 2 else world.choice(setup.subsidiaries)
    is_user = left is None or world.chance(0.5)
    role = setup.roles[0 if number == 0 else world.random.randrange(1, 4)]
    attributes: dict[str, Any] = {
        "first_name": first,
        "last_name": last,
        "nickname": world.choice((None, None, first[:3].lower())),
        "email": f"person{number + 1}@kocka.example",
        "title": title,
        "role_id": role.id,
        "is_user": is_user,
        "user_id": 50_000 + number if is_user else None,
        "joined_at": _stamp(world, joined),
        "last_seen_at": _stamp(world, left or world.day(ago=world.random.randrange(0, 4))),
        "deactivated_at": _stamp(world, left) if left else None,
        "hrm_type_id": 1,
        "color_id": number % 20,
        "contact": {
            "phones": [{"phone": f"+385 1 {world.random.randrange(10**6, 10**7)}"}],
            "addresses": [{"city": words.CITIES[number % 10][0]}],
        },
        "availabilities": _availabilities(world, joined, number),
        "status_emoji": world.choice((None, None, "🏖", "🤒")),
        "tag_list": sorted(world.random.sample(words.TAGS, world.random.randrange(0, 3))),
        "autotracking": world.chance(0.2),
        "time_tracking_policy_id": setup.tracking_policies[number % 9 == 8].id,
    }
    links: dict[str, Link | Row] = {
        "subsidiary": subsidiary,
        "custom_role": role,
        "job_role": setup.job_roles[number % len(setup.job_roles)],
        "time_tracking_policy": setup.tracking_policies[number % 9 == 8],
        "service_types": tuple(
            Ref("service_types", row.id) for row in world.random.sample(setup.service_types, 1 + number % 2)
        ),
    }
    changed = world.at(left) if left else world.now_us - int(world.random.random() * 60 * DAY)
    row = world.add("people", attributes, links, at=world.at(joined), changed=changed)
    row.attributes["custom_fields"] = custom_values(world, setup.fields["people"], row, [])
    # A year of 1,800 working hours: twelve monthly costs by 1,800, rarely a round number.
    monthly = (salary + world.random.randrange(-600, 900)) * 100
    return Employee(row, subsidiary, round(monthly * 12 / 1_800, 5), joined, left)


def _stamp(world: World, day: date) -> str:
    return stamp(world.at(day))


def _availabilities(world: World, joined: date, number: int) -> str:
    """JSON in a string, as measured: an end, two weeks of hours, and the holiday calendar's id."""
    if number % 7 == 6:
        return "[]"
    part_time = [8, 8, 8, 8, 0, 0, 0]
    week = part_time if number % 9 == 8 else _WEEK
    calendars = world.tables["holiday_calendars"].ids
    return msgspec.json.encode([[joined.isoformat(), None, week * 2, calendars[0]]]).decode()


def _reports_to(world: World, employees: list[Employee]) -> None:
    for employee in employees[1:]:
        boss = employees[0] if world.chance(0.3) else world.choice(employees)
        if boss is not employee:
            employee.row.links["manager"] = Ref("people", boss.row.id)


def _caller(world: World, setup: Setup, caller: Employee) -> None:
    """The one user and the one membership that the API shows: the caller's own."""
    attributes = caller.row.attributes
    user = world.add(
        "users",
        {
            "first_name": attributes["first_name"],
            "last_name": attributes["last_name"],
            "email": attributes["email"],
            "locale": "en",
            "time_zone": "Europe/Zagreb",
            "default_organization_id": world.home.id,
            "default_organization_slug": f"{world.home.id}-kocka-studio",
            "ical_token": "sandbox-ical-token",
            "intercom_hash": "5e1f",
            "two_factor_auth": True,
        },
    )
    attributes["user_id"] = user.id
    world.add(
        "organization_memberships",
        {"position": 1, "time_reminders": True, "email_notifications": True, "weekly_emails": True},
        {
            "person": caller.row,
            "user": user,
            "time_tracking_policy": setup.tracking_policies[0],
            "organization": world.home,
        },
    )
    home = world.tables["organizations"].row(world.home.id)
    home.links["owner"] = Ref("people", caller.row.id)
    for place in range(4):
        day = world.day(ago=place * 9)
        world.add(
            "sessions",
            {
                "name": world.choice((None, "CI token")),
                "browser": world.choice(("Firefox", "Chrome", "Safari")),
                "platform": world.choice(("Linux", "macOS")),
                "last_ip": f"192.0.2.{place + 10}",
                "location": "Zagreb, HR",
                "token": f"sandbox-session-{place}",
                "user_id": user.id,
                "two_factor_auth": True,
            },
            {"user": user},
            at=world.at(day),
        )


def _teams(world: World, employees: list[Employee]) -> None:
    for place, name in enumerate(("Product", "Brand", "Accounts", "Night owls 🦉")):
        team = world.add("teams", {"name": name, "color_id": place + 1, "icon_id": "people"})
        members = [one for number, one in enumerate(employees) if number % 4 == place or world.chance(0.1)]
        team.links["members"] = tuple(Ref("people", one.row.id) for one in members)
        for one in members:
            world.add("team_memberships", {}, {"team": team, "person": one.row})
            teams = one.row.links["teams"]
            one.row.links["teams"] = (*(teams if isinstance(teams, tuple) else ()), Ref("teams", team.id))


def _salaries(world: World, setup: Setup, employee: Employee) -> None:
    """One or two in a row; the last one's hourly rate is what time entries cost."""
    raised = employee.joined + timedelta(days=200)
    steps = [(employee.joined, employee.hourly_cost)]
    if raised < world.today - timedelta(days=250):
        steps = [(employee.joined, round(employee.hourly_cost * 0.93, 5)), (raised, employee.hourly_cost)]
    for place, (start, hourly) in enumerate(steps):
        end = steps[place + 1][0] - timedelta(days=1) if place + 1 < len(steps) else employee.left
        world.add(
            "salaries",
            {
                "cost": round(hourly * 1_800 / 12),
                "hourly_rate": f"{hourly:.5f}",
                "salary_type_id": 1,
                "started_on": iso(start),
                "ended_on": iso(end),
                "working_hours": _WEEK * 2,
                "overhead": True,
                "exchange_date": iso(start),
                "default_salary": place == 0,
                "note": None,
            },
            {"person": employee.row, "holiday_calendar": world.choice(setup.holiday_calendars)},
            at=world.at(start),
        )


def _entitlements(world: World, setup: Setup, employee: Employee) -> None:
    for year in (world.today.year - 1, world.today.year):
        if employee.joined.year <= year:
            world.add(
                "entitlements",
                {
                    "start_date": f"{year}-01-01",
                    "end_date": f"{year}-12-31",
                    "allocated": 25.0,
                    "used": world.random.randrange(0, 40) / 2,
                    "pending": 0.0,
                },
                {"person": employee.row, "event": setup.events[0]},
                at=world.at(date(year, 1, 2)),
            )


def _assignments(world: World, setup: Setup, employee: Employee) -> None:
    for link in employee.row.links["service_types"] or ():
        if isinstance(link, Ref):
            world.add("service_type_assignments", {}, {"person": employee.row, "service_type": link})
    if world.chance(0.3):
        world.add(
            "approval_policy_assignments",
            {"target_type": "person"},
            {"person": employee.row, "approval_policy": world.choice(setup.approval_policies)},
        )
