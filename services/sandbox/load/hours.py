"""Time: logged, corrected, approved, thrown away; and planned ahead."""

from __future__ import annotations

from datetime import timedelta

from services.sandbox.load.agency import Agency, LoadEvent
from services.sandbox.storage import Row
from services.sandbox.world import words
from services.sandbox.zone import stamp

_MINUTES = (15, 30, 45, 60, 90, 120, 180, 240)


def _spoken(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return " ".join([*([f"{hours}h"] if hours else []), *([f"{rest}m"] if rest or not hours else [])])


def _subject(agency: Agency, entry: Row) -> str:
    return agency.name(agency.end(entry, "task") or agency.end(entry, "service"), "something")


def log_time(agency: Agency) -> LoadEvent | None:
    """Somebody logs time on what they have worked on before."""
    model = agency.pick("time_entries", lambda row: agency.end(row, "person") is not None)
    if model is None:
        return None
    minutes = agency.choice(_MINUTES)
    before = int(model.attributes["time"] or 0)
    costs = agency.scaled(model, "cost", minutes / before if before else 0)
    costs |= agency.scaled(model, "work_cost", minutes / before if before else 0)
    billable = minutes if model.attributes["billable_time"] else 0
    new = agency.create_like(
        "time_entries",
        model,
        {
            "date": agency.day(),
            "time": minutes,
            "billable_time": billable,
            "note": agency.choice(words.NOTES),
            "approved": False,
            "approved_at": None,
            "invoiced": False,
            **costs,
        },
        {"approver": None, "invoice_attribution": None, "timesheet": None},
    )
    who = agency.name(agency.end(model, "person"))
    text = f"{who} logged {_spoken(minutes)} on '{_subject(agency, model)}'"
    return LoadEvent("create", "time_entries", new, text) if new else None


def edit_time(agency: Agency) -> LoadEvent | None:
    """Somebody corrects an entry."""
    entry = agency.pick("time_entries")
    if entry is None:
        return None
    before = int(entry.attributes["time"] or 0)
    minutes = agency.choice([one for one in _MINUTES if one != before])
    billable = minutes if entry.attributes["billable_time"] else 0
    agency.change("time_entries", entry, {"time": minutes, "billable_time": billable})
    who = agency.name(agency.end(entry, "person"))
    text = f"{who} corrected {_spoken(before)} to {_spoken(minutes)} on '{_subject(agency, entry)}'"
    return LoadEvent("update", "time_entries", str(entry.id), text)


def approve_time(agency: Agency) -> LoadEvent | None:
    """Somebody approves another one's entry."""
    entry = agency.pick("time_entries", lambda row: not row.attributes["approved"])
    who = agency.colleague()
    if entry is None or who is None:
        return None
    approved = {"approved": True, "approved_at": stamp(agency.organization.now_us()), "submitted": True}
    agency.change("time_entries", entry, approved, {"approver": who})
    owner, spent = agency.name(agency.end(entry, "person")), _spoken(int(entry.attributes["time"] or 0))
    text = f"{agency.name(who)} approved {spent} of {owner}"
    return LoadEvent("update", "time_entries", str(entry.id), text)


def delete_time(agency: Agency) -> LoadEvent | None:
    """Somebody throws an entry away."""
    entry = agency.unneeded("time_entries", lambda row: not row.attributes["invoiced"])
    if entry is None:
        return None
    who, spent = agency.name(agency.end(entry, "person")), _spoken(int(entry.attributes["time"] or 0))
    return agency.remove("time_entries", entry, f"{who} deleted {spent} on '{_subject(agency, entry)}'")


def book(agency: Agency) -> LoadEvent | None:
    """Somebody is planned in."""
    model = agency.pick("bookings", lambda row: agency.end(row, "service") is not None)
    if model is None:
        return None
    ahead, days = 1 + int(agency.random.random() * 30), agency.choice((1, 2, 3, 5))
    per_day = int(model.attributes["time"] or 480)
    new = agency.create_like(
        "bookings",
        model,
        {
            "started_on": agency.day(ahead=ahead),
            "ended_on": agency.day(ahead=ahead + days - 1),
            "total_working_days": days,
            "total_time": days * per_day,
            "draft": False,
            "canceled": False,
            "canceled_at": None,
        },
        {"canceler": None, "origin": None},
    )
    who, what = agency.name(agency.end(model, "person")), agency.name(agency.end(model, "service"))
    text = f"{who} was booked on '{what}' from {agency.day(ahead=ahead)}"
    return LoadEvent("create", "bookings", new, text) if new else None


def move_booking(agency: Agency) -> LoadEvent | None:
    """A booking is moved by some days."""
    today = agency.day()
    booking = agency.pick(
        "bookings",
        lambda row: (row.attributes["started_on"] or "") > today and not row.attributes["draft"],
    )
    if booking is None:
        return None
    shift = timedelta(days=agency.choice((-7, -1, 1, 2, 7)))
    moved = {
        name: (agency.today.fromisoformat(booking.attributes[name]) + shift).isoformat()
        for name in ("started_on", "ended_on")
        if booking.attributes[name]
    }
    agency.change("bookings", booking, moved)
    who = agency.name(agency.end(booking, "person"))
    text = f"A booking of {who} was moved to {moved['started_on']}"
    return LoadEvent("update", "bookings", str(booking.id), text)


def delete_booking(agency: Agency) -> LoadEvent | None:
    """A booking is dropped."""
    booking = agency.unneeded("bookings")
    if booking is None:
        return None
    who = agency.name(agency.end(booking, "person"))
    return agency.remove("bookings", booking, f"A booking of {who} was deleted")
