"""Deals, budgets, and the people and companies they are made with."""

from __future__ import annotations

from typing import Any

from services.sandbox.load.agency import Agency, LoadEvent
from services.sandbox.storage import Row
from services.sandbox.world import words
from services.sandbox.zone import stamp

_WON, _LOST = 2, 3


def _kind(*, budget: bool) -> Any:
    return lambda row: bool(row.attributes["budget"]) is budget


def create_deal(agency: Agency) -> LoadEvent | None:
    """Somebody wants an offer."""
    model = agency.pick("deals", _kind(budget=False))
    first = agency.pick("deal_statuses", lambda row: row.attributes["probability"] == 10)
    if model is None or first is None:
        return None
    name = agency.choice(words.PROJECTS)
    values: dict[str, Any] = {"name": name, "date": agency.day(), "probability": 10, "status_id": 1}
    values |= {"lost_at": None, "sales_closed_at": None, "sales_closed_on": None}
    values |= agency.scaled(model, "deal_value", 0.5 + agency.random.random())
    links = {"deal_status": first, "responsible": agency.colleague(), "lost_reason": None, "next_todo": None}
    new = agency.create_like("deals", model, values, links)
    text = f"{agency.name(agency.end(model, 'company'))} asked for an offer: '{name}'"
    return LoadEvent("create", "deals", new, text) if new else None


def move_deal(agency: Agency) -> LoadEvent | None:
    """A deal goes on to another stage, is won or lost."""
    deal = agency.pick("deals", _kind(budget=False))
    current = agency.end(deal, "deal_status") if deal else None
    if deal is None or current is None:
        return None
    status = agency.pick(
        "deal_statuses",
        lambda row: row.links["pipeline"] == current.links["pipeline"] and row.id != current.id,
    )
    if status is None:
        return None
    meaning, now = status.attributes["status_id"], stamp(agency.organization.now_us())
    values = {
        "status_id": meaning,
        "previous_probability": deal.attributes["probability"],
        "probability": status.attributes["probability"],
        "sales_status_updated_at": now,
        "sales_closed_at": now if meaning in (_WON, _LOST) else None,
        "lost_at": now if meaning == _LOST else None,
    }
    agency.change("deals", deal, values, {"deal_status": status})
    text = f"'{agency.name(deal)}' moved to {agency.name(status)}"
    return LoadEvent("update", "deals", str(deal.id), text)


def value_deal(agency: Agency) -> LoadEvent | None:
    """A deal turns out to be worth more, or less."""
    deal = agency.pick("deals", _kind(budget=False))
    if deal is None:
        return None
    agency.change("deals", deal, agency.scaled(deal, "deal_value", 0.8 + agency.random.random() * 0.5))
    return LoadEvent("update", "deals", str(deal.id), f"'{agency.name(deal)}' has a new value")


def delete_deal(agency: Agency) -> LoadEvent | None:
    """A deal that nothing hangs on is deleted."""
    deal = agency.unneeded("deals", _kind(budget=False))
    return None if deal is None else agency.remove("deals", deal, f"'{agency.name(deal)}' was deleted")


def create_budget(agency: Agency) -> LoadEvent | None:
    """A project gets one more budget."""
    model = agency.pick("deals", _kind(budget=True))
    if model is None:
        return None
    project = agency.end(model, "project")
    name = f"{agency.name(project, 'Internal')} – budget {agency.day()}"
    values: dict[str, Any] = {"name": name, "date": agency.day()}
    for amount in ("budget_used", "invoiced", "revenue", "cost", "profit", "worked_time", "billable_time"):
        values |= agency.scaled(model, amount, 0)
    new = agency.create_like("deals", model, values, {"origin_deal": None})
    text = f"'{name}' was set up"
    if new is None:
        return None
    return LoadEvent("create", "deals", new, text)


def change_budget(agency: Agency) -> LoadEvent | None:
    """A budget is raised or cut."""
    budget = agency.pick("deals", _kind(budget=True))
    if budget is None:
        return None
    factor = agency.choice((0.9, 1.1, 1.25))
    agency.change("deals", budget, agency.scaled(budget, "budget_total", factor))
    text = f"'{agency.name(budget)}' was {'raised' if factor > 1 else 'cut'}"
    return LoadEvent("update", "deals", str(budget.id), text)


def delete_budget(agency: Agency) -> LoadEvent | None:
    """A budget that nothing hangs on is deleted."""
    budget = agency.unneeded("deals", _kind(budget=True))
    return None if budget is None else agency.remove("deals", budget, f"'{agency.name(budget)}' was deleted")


def add_company(agency: Agency) -> LoadEvent | None:
    """A new client."""
    model = agency.pick("companies")
    if model is None:
        return None
    name = f"{agency.choice(words.COMPANY_STEMS)} {agency.choice(words.COMPANY_FORMS)}"
    code = f"C-{agency.organization.count('companies') + 1:04d}"
    values = {"name": name, "billing_name": name, "company_code": code}
    new = agency.create_like("companies", model, values, {"parent_company": None})
    return LoadEvent("create", "companies", new, f"{name} became a client") if new else None


def change_company(agency: Agency) -> LoadEvent | None:
    """A client gets other terms."""
    company = agency.pick("companies")
    if company is None:
        return None
    days = agency.choice((8, 14, 30, 45, 60))
    agency.change("companies", company, {"due_days": days})
    return LoadEvent(
        "update", "companies", str(company.id), f"{agency.name(company)} now pays within {days} days"
    )


def archive_company(agency: Agency) -> LoadEvent | None:
    """A client is put away."""
    return _archive(agency, "companies", lambda _row: True)


def add_contact(agency: Agency) -> LoadEvent | None:
    """Somebody new at a client."""
    model = agency.pick("people", _is_contact)
    if model is None:
        return None
    first, last = agency.choice(words.FIRST_NAMES), agency.choice(words.LAST_NAMES)
    email = f"contact{agency.organization.count('people') + 1}@client.example"
    values = {"first_name": first, "last_name": last, "email": email}
    new = agency.create_like("people", model, values, {"custom_role": None})
    text = f"{first} {last} is a new contact at {agency.name(agency.end(model, 'company'), 'a client')}"
    return LoadEvent("create", "people", new, text) if new else None


def change_person(agency: Agency) -> LoadEvent | None:
    """Somebody has another title."""
    person = agency.pick("people", lambda row: row.attributes["archived_at"] is None)
    if person is None:
        return None
    title = agency.choice(words.JOBS)[0]
    agency.change("people", person, {"title": title})
    return LoadEvent("update", "people", str(person.id), f"{agency.name(person)} is now {title}")


def archive_person(agency: Agency) -> LoadEvent | None:
    """A contact has left the client."""
    return _archive(agency, "people", _is_contact)


def _archive(agency: Agency, table: str, wanted: Any) -> LoadEvent | None:
    row = agency.pick(table, lambda row: row.attributes["archived_at"] is None and wanted(row))
    # Some have to stay, or the rest of the agency would run out of them.
    if row is None or row.id == agency.organization.rows(table).ids[0]:
        return None
    agency.change(table, row, {"archived_at": stamp(agency.organization.now_us())})
    return LoadEvent("update", table, str(row.id), f"{agency.name(row)} was archived")


def _is_contact(row: Row) -> bool:
    return not row.attributes["is_user"] and row.attributes["archived_at"] is None
