"""Invoices, payments and expenses."""

from __future__ import annotations

from typing import Any

from services.sandbox.load.agency import Agency, LoadEvent
from services.sandbox.storage import Row
from services.sandbox.world import words
from services.sandbox.zone import stamp


def _invoice(invoice: Row | None) -> str:
    number = invoice.attributes["number"] if invoice else None
    return f"invoice {number}" if number else "a draft"


def draft_invoice(agency: Agency) -> LoadEvent | None:
    """A draft, like the last invoice to that client."""
    model = agency.pick("invoices", lambda row: row.links["parent_invoice"] is None)
    if model is None:
        return None
    values: dict[str, Any] = dict.fromkeys(
        ("number", "finalized_at", "finalized_on", "sent_on", "paid_on", "exported_at", "invoiced_on")
    )
    values |= {"date": agency.day(), "due_date": agency.day(ahead=30), "status": "draft", "exported": False}
    for amount in ("amount_paid", "amount_unpaid", "amount_credited", "amount_written_off"):
        values |= agency.scaled(model, amount, 0)
    new = agency.create_like("invoices", model, values, {"attachment": None, "parent_invoice": None})
    text = f"An invoice for {agency.name(agency.end(model, 'company'))} was drafted"
    return LoadEvent("create", "invoices", new, text) if new else None


def send_invoice(agency: Agency) -> LoadEvent | None:
    """A draft is finalized and sent."""
    invoice = agency.pick("invoices", lambda row: row.attributes["sent_on"] is None)
    if invoice is None:
        return None
    number = f"{agency.today.year}/{agency.organization.count('invoices'):03d}"
    values = {
        "number": number,
        "status": "sent",
        "sent_on": agency.day(),
        "finalized_on": agency.day(),
        "finalized_at": stamp(agency.organization.now_us()),
        "invoiced_on": agency.day(),
    }
    agency.change("invoices", invoice, values)
    text = f"Invoice {number} was sent to {agency.name(agency.end(invoice, 'company'))}"
    return LoadEvent("update", "invoices", str(invoice.id), text)


def note_invoice(agency: Agency) -> LoadEvent | None:
    """Somebody writes a note on an invoice."""
    invoice = agency.pick("invoices")
    if invoice is None:
        return None
    agency.change("invoices", invoice, {"note": agency.choice(words.NOTES)})
    text = f"There is a new note on {_invoice(invoice)}"
    return LoadEvent("update", "invoices", str(invoice.id), text)


def delete_invoice(agency: Agency) -> LoadEvent | None:
    """A draft is thrown away."""
    invoice = agency.unneeded("invoices", lambda row: row.attributes["sent_on"] is None)
    if invoice is None:
        return None
    who = agency.name(agency.end(invoice, "company"))
    return agency.remove("invoices", invoice, f"A draft for {who} was deleted")


def receive_payment(agency: Agency) -> LoadEvent | None:
    """A client has paid."""
    model = agency.pick("payments", lambda row: agency.end(row, "invoice") is not None)
    if model is None:
        return None
    share = agency.choice((0.25, 0.5, 1))
    values = {"paid_on": agency.day(), **agency.scaled(model, "amount", share)}
    new = agency.create_like("payments", model, values)
    amount = f"{values['amount'] / 100:,.2f} {model.attributes['currency']}"
    text = f"{amount} came in for {_invoice(agency.end(model, 'invoice'))}"
    return LoadEvent("create", "payments", new, text) if new else None


def correct_payment(agency: Agency) -> LoadEvent | None:
    """The date of a payment was wrong."""
    payment = agency.pick("payments")
    if payment is None:
        return None
    day = agency.day(ahead=-int(agency.random.random() * 10))
    agency.change("payments", payment, {"paid_on": day})
    text = f"A payment for {_invoice(agency.end(payment, 'invoice'))} was dated {day}"
    return LoadEvent("update", "payments", str(payment.id), text)


def delete_payment(agency: Agency) -> LoadEvent | None:
    """A payment was none."""
    payment = agency.unneeded("payments")
    if payment is None:
        return None
    what = _invoice(agency.end(payment, "invoice"))
    return agency.remove("payments", payment, f"A payment for {what} was deleted")


def spend(agency: Agency) -> LoadEvent | None:
    """Somebody has spent something."""
    model = agency.pick("expenses", lambda row: agency.end(row, "person") is not None)
    if model is None:
        return None
    name, _ = agency.choice(words.EXPENSES)
    values: dict[str, Any] = dict.fromkeys(("approved_at", "paid_on", "reimbursed_on", "rejected_at"))
    values |= {"name": name, "date": agency.day(), "status": "pending", "approved": False, "draft": False}
    values |= {"invoiced": False, "line_items_count": 0}
    links = {"approver": None, "attachment": None, "invoice_attribution": None, "purchase_order": None}
    new = agency.create_like("expenses", model, values, links)
    who = agency.name(agency.end(model, "person"))
    return LoadEvent("create", "expenses", new, f"{who} handed in '{name}'") if new else None


def approve_expense(agency: Agency) -> LoadEvent | None:
    """An expense is approved."""
    expense, who = agency.pick("expenses", lambda row: not row.attributes["approved"]), agency.colleague()
    if expense is None or who is None:
        return None
    now = stamp(agency.organization.now_us())
    values = {"status": "approved", "approved": True, "approved_at": now, "draft": False}
    agency.change("expenses", expense, values, {"approver": who})
    text = f"{agency.name(who)} approved '{agency.name(expense)}'"
    return LoadEvent("update", "expenses", str(expense.id), text)


def delete_expense(agency: Agency) -> LoadEvent | None:
    """An expense is withdrawn."""
    expense = agency.unneeded("expenses", lambda row: not row.attributes["invoiced"])
    if expense is None:
        return None
    who = agency.name(agency.end(expense, "person"))
    return agency.remove("expenses", expense, f"{who} withdrew '{agency.name(expense)}'")
