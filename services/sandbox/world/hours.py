"""The hours: what people tracked on which service, day by day, and what that cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from services.sandbox.storage import Ref, Row
from services.sandbox.world import words
from services.sandbox.world.builder import World, iso, plain
from services.sandbox.world.sales import Budget, Service
from services.sandbox.world.staff import Employee, Staff
from services.sandbox.world.work import Work
from services.sandbox.zone import DAY, stamp

_WORKDAYS = 85
_LONGEST_DAY = 600


@dataclass(frozen=True)
class Entry:
    """A time entry with what billing needs to know of it."""

    row: Row
    day: date
    budget: Budget
    service: Service
    minutes: int
    cost: float


@dataclass
class Hours:
    """All time entries, in the order of their days, and the weeks they make up."""

    entries: list[Entry] = field(default_factory=list)
    sheets: dict[tuple[int, date], Row] = field(default_factory=dict)


def build(world: World, staff: Staff, budgets: list[Budget], work: Work, away: dict[int, set[date]]) -> Hours:
    """Entries for the last seventeen weeks of everybody who tracks time, except while they are away."""
    hours = Hours()
    mine = {one.row.id: [budget for budget in budgets if one in budget.crew] for one in staff.employees}
    for day in _workdays(world):
        for employee in staff.employees:
            if day < employee.joined or (employee.left and day > employee.left):
                continue
            if day in away.get(employee.row.id, ()) or world.chance(0.05):
                continue
            running = [
                budget
                for budget in mine[employee.row.id]
                if budget.started <= day and (budget.ended is None or day <= budget.ended)
            ]
            if running:
                _day(world, hours, work, employee, day, budgets=running)
    _timers(world, hours)
    _versions(world, hours)
    return hours


def _workdays(world: World) -> list[date]:
    days: list[date] = []
    day = world.today
    while len(days) < _WORKDAYS:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def _day(
    world: World, hours: Hours, work: Work, employee: Employee, day: date, *, budgets: list[Budget]
) -> None:
    """One person's day: one to three entries in quarters of an hour, hardly ever above nine hours."""
    left = world.choice((360, 420, 450, 480, 480, 495, 540))
    assert left <= _LONGEST_DAY  # noqa: S101 -- the choice above
    while left > 0:
        minutes = min(left, world.choice((120, 180, 240, 240, 300, 480)))
        budget = world.choice(budgets)
        hours.entries.append(_entry(world, hours, work, employee, day, budget=budget, minutes=minutes))
        left -= minutes


def _entry(
    world: World, hours: Hours, work: Work, employee: Employee, day: date, *, budget: Budget, minutes: int
) -> Entry:
    service = world.choice(budget.services)
    tasks = work.tasks.get(budget.project.id, [])
    created = min(world.at(day, 10 + world.random.random() * 6), world.now_us - 60_000_000)
    settled = day < world.today - timedelta(days=10)
    cost = round(minutes / 60 * employee.hourly_cost, 5)
    monday = day - timedelta(days=day.weekday())
    started = world.chance(0.15)
    changed = created if not settled else min(created + 6 * DAY, world.now_us)
    row = world.add(
        "time_entries",
        {
            **world.money("time_entries", cost=cost, work_cost=cost),
            "date": iso(day),
            "time": minutes,
            "billable_time": minutes if service.billable else 0,
            "recognized_time": minutes if service.billable else 0,
            "note": world.choice(words.NOTES) if world.chance(0.5) else None,
            "track_method_id": 2 if started else 1,
            "approved": settled,
            "approved_at": stamp(changed) if settled else None,
            "submitted": settled,
            "started_at": stamp(created - minutes * 60_000_000) if started else None,
        },
        {
            "person": employee.row,
            "creator": employee.row,
            "updater": employee.row,
            "last_actor": employee.row,
            "service": service.row,
            "task": world.choice(tasks) if tasks and world.chance(0.7) else None,
            "timesheet": _sheet(world, hours, employee, monday, settled=settled),
            "person_subsidiary": employee.subsidiary,
            "deal_subsidiary": budget.client.subsidiary,
            "approver": budget.row.links["responsible"] if settled else None,
        },
        at=created,
        changed=changed,
    )
    return Entry(row, day, budget, service, minutes, cost)


def _sheet(world: World, hours: Hours, employee: Employee, monday: date, *, settled: bool) -> Row:
    key = (employee.row.id, monday)
    if key not in hours.sheets:
        sunday = min(monday + timedelta(days=6), world.today)
        when = stamp(min(world.at(sunday, 17), world.now_us)) if settled else None
        hours.sheets[key] = world.add(
            "timesheets",
            {
                "date": iso(monday),
                "week_starting": iso(monday),
                "status": "approved" if settled else "draft",
                "submitted_at": when,
                "approved_at": when,
            },
            {"person": employee.row, "creator": employee.row},
            at=world.at(monday),
        )
    return hours.sheets[key]


def total(world: World, hours: Hours) -> None:
    """Sum the entries up into their timesheets, tasks, services and budgets."""
    for entry in hours.entries:
        billable = entry.minutes if entry.service.billable else 0
        sheet, task = entry.row.links["timesheet"], entry.row.links["task"]
        if isinstance(sheet, Ref):
            world.tables["timesheets"].rows[sheet.id].attributes["total_time"] += entry.minutes
        rows = [entry.service.row, entry.budget.row]
        if isinstance(task, Ref):
            rows.append(world.tables["tasks"].rows[task.id])
        for row in rows:
            row.attributes["worked_time"] += entry.minutes
            row.attributes["billable_time"] += billable


def settle(world: World, hours: Hours, budgets: list[Budget]) -> None:
    """Revenue, cost and profit of services and budgets: billable hours × price, and the entries' costs."""
    costs: dict[int, float] = {}
    for entry in hours.entries:
        # People cost euros; the service counts in its own currency.
        costs[entry.service.row.id] = costs.get(entry.service.row.id, 0.0) + entry.cost / entry.budget.rate
    for budget in budgets:
        revenue_sum = cost_sum = total_sum = 0.0
        for service in budget.services:
            attributes = service.row.attributes
            revenue = attributes["billable_time"] * service.price / 60
            cost = round(costs.get(service.row.id, 0.0), 5)
            attributes |= world.money(
                "services",
                budget.rate,
                revenue=revenue,
                budget_used=revenue,
                cost=cost,
                work_cost=cost,
                profit=round(revenue - cost, 5),
            )
            margin = f"{(revenue - cost) / revenue * 100:.1f}" if revenue else 0.0
            attributes["profit_margin"] = margin
            revenue_sum, cost_sum = revenue_sum + revenue, cost_sum + cost
            total_sum += attributes["budget_total"]
        budget.row.attributes |= world.money(
            "deals",
            budget.rate,
            revenue=revenue_sum,
            services_revenue=revenue_sum,
            budget_used=revenue_sum,
            cost=cost_sum,
            profit=revenue_sum - cost_sum,
            budget_total=total_sum,
            projected_revenue=total_sum,
        )
        margin = plain((revenue_sum - cost_sum) / revenue_sum * 100) if revenue_sum else 0
        budget.row.attributes["profit_margin"] = margin


def _timers(world: World, hours: Hours) -> None:
    for entry in hours.entries[:: max(1, len(hours.entries) // 60)]:
        person = entry.row.links["person"]
        if not isinstance(person, Ref):
            continue
        stopped = entry.row.created_us
        world.add(
            "timers",
            {
                "person_id": person.id,
                "started_at": stamp(stopped - entry.minutes * 60_000_000),
                "stopped_at": stamp(stopped),
                "total_time": entry.minutes,
            },
            {"time_entry": entry.row},
            at=stopped,
        )


def _versions(world: World, hours: Hours) -> None:
    for entry in hours.entries[::15]:
        for event, before, after in (
            ("create", None, entry.minutes + 15),
            ("update", entry.minutes + 15, entry.minutes),
        ):
            world.add(
                "time_entry_versions",
                {
                    "event": event,
                    "item_type": "time_entry",
                    "item_id": entry.row.id,
                    "changeset": {"time": [before, after]},
                    "object_changes": {"time": [before, after]},
                },
                {
                    "person": entry.row.links["person"],
                    "creator": entry.row.links["creator"],
                    "service": entry.service.row,
                    "deal": entry.budget.row,
                },
                at=entry.row.created_us + (3_600_000_000 if event == "update" else 0),
            )
