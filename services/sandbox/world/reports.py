"""Reports as lists: the hours of each person and week, and the bookings as they would be grouped."""

from __future__ import annotations

from datetime import date

from services.sandbox.storage import Ref
from services.sandbox.world.builder import World, iso
from services.sandbox.world.hours import Hours
from services.sandbox.zone import stamp

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def build(world: World, hours: Hours) -> None:
    """The default grouping of both reports."""
    _timesheets(world, hours)
    _bookings(world)


def _timesheets(world: World, hours: Hours) -> None:
    weeks: dict[tuple[int, date], list[int]] = {key: [0] * 7 for key in hours.sheets}
    for entry in hours.entries:
        sheet = entry.row.links["timesheet"]
        person = entry.row.links["person"]
        if isinstance(sheet, Ref) and isinstance(person, Ref):
            monday = entry.day.fromordinal(entry.day.toordinal() - entry.day.weekday())
            weeks[(person.id, monday)][entry.day.weekday()] += entry.minutes
    for (person_id, monday), minutes in weeks.items():
        sheet_row = hours.sheets[(person_id, monday)]
        values: dict[str, object] = {
            "group": "person,week",
            "week": f"{monday:%G-W%V}",
            "week_starting": iso(monday),
            "status": sheet_row.attributes["status"],
            "week_submission_status": sheet_row.attributes["status"],
            "submitted_at": sheet_row.attributes["submitted_at"],
            "approved_at": sheet_row.attributes["approved_at"],
            "total_time": sum(minutes),
            "count": 1,
        }
        for place, day in enumerate(_DAYS):
            values[f"{day}_time"] = minutes[place]
            values[f"{day}_capacity"] = values[f"{day}_available"] = 480 if place < 5 else 0
        world.add("timesheet_reports", values, {"person": Ref("people", person_id)}, at=sheet_row.created_us)


def _bookings(world: World) -> None:
    budgets = world.tables["deals"]
    for booking in world.rows("bookings"):
        attributes = booking.attributes
        service = booking.links["service"]
        service_row = world.tables["services"].row(service.id) if isinstance(service, Ref) else None
        deal = service_row.links["deal"] if service_row else None
        project = budgets.row(deal.id).links["project"] if isinstance(deal, Ref) else None
        company = budgets.row(deal.id).links["company"] if isinstance(deal, Ref) else None
        person = booking.links["person"]
        world.add(
            "booking_reports",
            {
                "group": "booking",
                "count": 1,
                "created_at": stamp(booking.created_us)[:10],
                "started_on": attributes["started_on"],
                "ended_on": attributes["ended_on"],
                "start_date": attributes["started_on"],
                "end_date": attributes["ended_on"],
                "time": attributes["total_time"],
                "total_time": attributes["total_time"],
                "total_working_days": attributes["total_working_days"],
                "billable_time": attributes["total_time"] if service else 0,
                "mandays": attributes["total_time"] / 480,
                "draft": int(attributes["draft"]),
                "person_id": person.id if isinstance(person, Ref) else None,
                "project_id": project.id if isinstance(project, Ref) else None,
                "service_id": service.id if isinstance(service, Ref) else None,
            },
            {
                "booking": booking,
                "person": person,
                "event": booking.links["event"],
                "service": service,
                "service_type": service_row.links["service_type"] if service_row else None,
                "budget": deal,
                "project": project,
                "company": company,
                "task": booking.links["task"],
            },
            at=booking.created_us,
        )
