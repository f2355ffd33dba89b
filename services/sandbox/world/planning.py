"""Who is planned where, and who is away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from services.sandbox.storage import Link, Ref, Row
from services.sandbox.world import words
from services.sandbox.world.builder import World, iso
from services.sandbox.world.sales import Budget
from services.sandbox.world.setup import Setup
from services.sandbox.world.staff import Employee, Staff
from services.sandbox.world.work import Work
from services.sandbox.zone import DAY, stamp


def absences(world: World, setup: Setup, staff: Staff) -> dict[int, set[date]]:
    """Bookings on events such as vacation; returns the days on which each person is away."""
    away: dict[int, set[date]] = {}
    for employee in staff.employees:
        for _ in range(3):
            first = world.today + timedelta(days=world.random.randrange(-150, 60))
            first += timedelta(days=(7 - first.weekday()) % 7)
            last = first + timedelta(days=world.choice((0, 1, 4, 4, 11)))
            event = world.choice(setup.events[:3])
            if employee.left and last > employee.left:
                continue
            days = _workdays(first, last)
            _booking(world, employee, (first, last), {"event": event}, minutes=len(days) * 480, draft=False)
            away.setdefault(employee.row.id, set()).update(days)
    return away


def build(world: World, staff: Staff, budgets: list[Budget], work: Work) -> None:
    """Bookings on services, past and future; some tentative, some canceled, some asked for first."""
    for employee in staff.active():
        mine = [budget for budget in budgets if employee in budget.crew and budget.open]
        for week in range(-8, 5):
            if not mine or world.chance(0.2):
                continue
            budget = world.choice(mine)
            monday = world.today - timedelta(days=world.today.weekday()) + timedelta(weeks=week)
            last = monday + timedelta(days=world.choice((2, 4, 4)))
            service = world.choice(budget.services)
            minutes = world.choice((120, 240, 360, 480)) * len(_workdays(monday, last))
            links: dict[str, Row | Link] = {"service": service.row}
            tasks = work.tasks.get(budget.project.id)
            if tasks and world.chance(0.4):
                links["task"] = world.choice(tasks)
            if world.chance(0.05):
                request = _request(world, employee, service.row, (monday, last), minutes=minutes)
                links |= {"resource_request": request, "origin": Ref("resource_requests", request.id)}
            draft = week > 0 and world.chance(0.35)
            _booking(world, employee, (monday, last), links, minutes=minutes, draft=draft)
            service.row.attributes["booked_time"] += minutes


def _booking(
    world: World,
    employee: Employee,
    span: tuple[date, date],
    links: Mapping[str, Row | Link],
    *,
    minutes: int,
    draft: bool,
) -> Row:
    first, last = span
    created = min(world.at(first - timedelta(days=world.random.randrange(5, 40))), world.now_us - DAY // 4)
    changed = min(created + world.random.randrange(0, 5) * DAY, world.now_us)
    days = len(_workdays(first, last))
    canceled = world.chance(0.03)
    approved = not draft and not canceled and "event" in links
    boss = employee.row.links["manager"]
    row = world.add(
        "bookings",
        {
            "started_on": iso(first),
            "ended_on": iso(last),
            "time": minutes // max(days, 1),
            "hours": minutes // max(days, 1) // 60,
            "total_time": minutes,
            "total_working_days": days,
            "booking_method_id": 1,
            "draft": draft,
            "canceled": canceled,
            "canceled_at": stamp(changed) if canceled else None,
            "approved": approved,
            "approved_at": stamp(changed) if approved else None,
            "note": world.choice((None, None, world.choice(words.SENTENCES))),
            "percentage": None,
        },
        {
            **links,
            "person": employee.row,
            "creator": employee.row,
            "updater": employee.row,
            "approver": boss if approved else None,
            "canceler": employee.row if canceled else None,
        },
        at=created,
        changed=changed,
    )
    if approved:
        status = world.add(
            "approval_statuses",
            {"approved_at": stamp(changed), "target_type": "booking", "approver_group_key": "1"},
            {"booking": row, "approver": boss, "actual_approver": boss},
            at=changed,
        )
        row.links["approval_statuses"] = (Ref("approval_statuses", status.id),)
    return row


def _request(world: World, employee: Employee, service: Row, span: tuple[date, date], *, minutes: int) -> Row:
    first, last = span
    created = min(world.at(first - timedelta(days=20)), world.now_us - DAY)
    return world.add(
        "resource_requests",
        {
            "title": f"Somebody for {service.attributes['name']}",
            "status": "resolved",
            "start_date": iso(first),
            "started_on": iso(first),
            "end_date": iso(last),
            "ended_on": iso(last),
            "requested_hours": minutes // 60,
            "total_time": minutes,
            "time": minutes,
            "booking_method_id": 1,
            "resolved_at": stamp(created + DAY // 2),
            "fields": {},
        },
        {"service": service, "creator": employee.row, "resolver": employee.row},
        at=created,
    )


def _workdays(first: date, last: date) -> list[date]:
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [day for day in days if day.weekday() < 5]
