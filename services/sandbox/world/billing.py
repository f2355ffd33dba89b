"""Invoices made from the hours of a month, their lines, what they are attributed to, and who paid."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from services.sandbox.storage import Ref, Row
from services.sandbox.world.builder import World, iso, plain
from services.sandbox.world.hours import Entry, Hours
from services.sandbox.world.sales import Budget
from services.sandbox.world.staff import Staff
from services.sandbox.zone import DAY, stamp


def build(world: World, staff: Staff, budgets: list[Budget], hours: Hours) -> None:
    """One invoice per budget and finished month with billable hours; the older ones are paid."""
    sequence = _reminders(world, staff)
    numbers: dict[int, int] = {}
    by_month: dict[tuple[str, int], list[Entry]] = {}
    for entry in hours.entries:
        if entry.service.billable:
            by_month.setdefault((entry.day.isoformat()[:7], entry.budget.row.id), []).append(entry)
    owners = {budget.row.id: budget for budget in budgets}
    this_month = world.today.isoformat()[:7]
    for (month, budget_id), entries in sorted(by_month.items(), key=lambda pair: pair[0]):
        if month < this_month:
            budget = owners[budget_id]
            invoice = _invoice(world, staff, budget, entries, numbers)
            _pay(world, budget, invoice, sequence)


def _invoice(
    world: World, staff: Staff, budget: Budget, entries: list[Entry], numbers: dict[int, int]
) -> Row:
    last = entries[-1].day
    invoiced_on = (last.replace(day=1) + timedelta(days=32)).replace(day=1) + timedelta(
        days=world.random.randrange(0, 5)
    )
    invoiced_on = min(invoiced_on, world.today)
    due = invoiced_on + timedelta(days=budget.client.row.attributes["due_days"] or 14)
    numbers[invoiced_on.year] = numbers.get(invoiced_on.year, 0) + 1
    created = min(world.at(invoiced_on), world.now_us - DAY // 6)
    tax = budget.client.tax_rate
    percent = float(tax.attributes["primary_component_value"])
    sender = world.choice(staff.active()).row
    row = world.add(
        "invoices",
        {
            **world.currency("invoices", budget.currency),
            "number": f"{invoiced_on.year}/{numbers[invoiced_on.year]:03d}",
            "subject": f"{budget.row.attributes['name']}, {last:%B %Y}",
            "invoiced_on": iso(invoiced_on),
            "date": iso(invoiced_on),
            "finalized_on": iso(invoiced_on),
            "finalized_at": stamp(created),
            "sent_on": iso(invoiced_on),
            "pay_on": iso(due),
            "due_date": iso(due),
            "delivery_on": iso(last),
            "status": "sent",
            "invoice_type_id": 1,
            "payment_terms_type": "days",
            "payment_terms_days": (due - invoiced_on).days,
            "payment_terms": (due - invoiced_on).days,
            "exchange_rate": str(budget.rate),
            "exchange_date": iso(invoiced_on),
            "tax1_name": tax.attributes["primary_component_name"],
            "tax1_value": tax.attributes["primary_component_value"],
            "note": "<p>Thank you!</p>",
            "creation_options": {
                "budget_ids": [str(budget.row.id)],
                "service_ids": [],
                "group_by": "service",
            },
            "bank_account_details": {"bank": "Zadružna banka"},
            "email_key": f"invoice-{budget.row.id:x}-{last.month}",
            "purchase_order_number": budget.row.attributes["purchase_order_number"],
        },
        {
            "company": budget.client.row,
            "creator": sender,
            "issuer": sender,
            "bill_to": budget.client.billing,
            "bill_from": budget.client.subsidiary.links["bill_from"],
            "bank_account": budget.client.subsidiary.links["default_bank_account"],
            "subsidiary": budget.client.subsidiary,
            "document_type": budget.client.subsidiary.links["default_document_type"],
        },
        at=created,
        changed=min(created + world.random.randrange(0, 20) * DAY, world.now_us),
    )
    net, taxes = _lines(world, budget, row, entries, percent)
    row.attributes |= _sums(world, budget, net=net, tax=taxes)
    _attribute(world, budget, row, entries, net=net, created=created)
    return row


def _lines(
    world: World, budget: Budget, invoice: Row, entries: list[Entry], percent: float
) -> tuple[int, float]:
    """A line per service: hours × price in whole cents, and the tax on it. Returns the sums."""
    minutes: dict[int, int] = {}
    for entry in entries:
        minutes[entry.service.row.id] = minutes.get(entry.service.row.id, 0) + entry.minutes
    net, taxes = 0, 0.0
    tax = budget.client.tax_rate
    services = {service.row.id: service for service in budget.services}
    for place, (service_id, worked) in enumerate(sorted(minutes.items())):
        service = services[service_id]
        amount = round(worked * service.price / 60)
        tax_amount = round(amount * percent / 100, 5)
        world.add(
            "line_items",
            {
                **world.currency("line_items", budget.currency),
                **world.money(
                    "line_items",
                    budget.rate,
                    amount=amount,
                    amount_tax=tax_amount,
                    amount_with_tax=amount + tax_amount,
                    unit_price=service.price,
                    total_price=amount,
                ),
                "name": service.row.attributes["name"],
                "quantity": str(worked / 60),
                "unit": "hour",
                "unit_id": 1,
                "position": place + 1,
                "discount": None,
                "tax_name": tax.attributes["primary_component_name"],
                "tax_value": tax.attributes["primary_component_value"],
                "tax_rate": tax.attributes["primary_component_value"],
            },
            {
                "invoice": invoice,
                "service": service.row,
                "service_type": service.row.links["service_type"],
                "tax_rate": tax,
            },
            at=invoice.created_us,
        )
        net, taxes = net + amount, taxes + tax_amount
    return net, round(taxes, 5)


def _sums(world: World, budget: Budget, *, net: int, tax: float, paid: float = 0) -> dict[str, Any]:
    gross = round(net + tax, 5)
    return {
        **world.money(
            "invoices",
            budget.rate,
            amount=net,
            amount_tax=tax,
            amount_with_tax=gross,
            amount_paid=paid,
            amount_unpaid=round(gross - paid, 5),
            subtotal=net,
            total=gross,
        ),
        "tax": plain(tax),
    }


def _attribute(
    world: World, budget: Budget, invoice: Row, entries: list[Entry], *, net: int, created: int
) -> None:
    """Tie the invoice to its budget, and the entries to it."""
    row = world.add(
        "invoice_attributions",
        {
            **world.currency("invoice_attributions", budget.currency),
            **world.money("invoice_attributions", budget.rate, amount=net),
            "date_from": iso(entries[0].day),
            "date_to": iso(entries[-1].day),
            "attributed_at": stamp(created),
        },
        {"invoice": invoice, "budget": budget.row},
        at=created,
    )
    invoice.links["invoice_attributions"] = (Ref("invoice_attributions", row.id),)
    for entry in entries:
        entry.row.attributes["invoiced"] = True
        entry.row.links["invoice_attribution"] = Ref("invoice_attributions", row.id)
    before = budget.row.attributes["invoiced"] or 0
    budget.row.attributes |= world.money("deals", budget.rate, invoiced=before + net)


def _pay(world: World, budget: Budget, invoice: Row, sequence: Row) -> None:
    """Pay what is due: mostly at once, sometimes in two parts, not at all, or written off."""
    due = date.fromisoformat(invoice.attributes["pay_on"])
    if due > world.today:
        return
    gross = invoice.attributes["amount_with_tax"]
    roll = world.random.random()
    if roll < 0.1:
        world.add(
            "payment_reminders",
            {
                "subject": f"Invoice {invoice.attributes['number']} is due",
                "body": "<p>Just a reminder.</p>",
                "from": "billing@kocka.example",
                "to": [f"office@{budget.client.row.attributes['domain']}"],
                "cc": [],
                "bcc": [],
                "reminder_period": "7.0",
                "before_due_date": False,
            },
            {"invoice": invoice, "payment_reminder_sequence": sequence},
            at=min(world.at(due + timedelta(days=1)), world.now_us - DAY // 5),
        )
        return
    half = round(gross / 2)
    parts = [half, gross - half] if roll < 0.3 else [gross]
    written_off = roll > 0.97
    for place, part in enumerate(parts):
        day = min(due + timedelta(days=place * 5), world.today)
        world.add(
            "payments",
            {
                **world.currency("payments", budget.currency),
                **world.money("payments", budget.rate, amount=part),
                "paid_on": None if written_off else iso(day),
                "written_off_on": iso(day) if written_off else None,
                "note": world.choice((None, "Überweisung")),
            },
            {"invoice": invoice},
            at=min(world.at(day), world.now_us - DAY // 6),
        )
    paid = 0 if written_off else gross
    invoice.attributes |= world.money(
        "invoices",
        budget.rate,
        amount_paid=paid,
        amount_unpaid=0,
        amount_written_off=gross if written_off else 0,
    )
    invoice.attributes |= {"paid_on": None if written_off else iso(due), "status": "paid"}


def _reminders(world: World, staff: Staff) -> Row:
    links = {"creator": staff.employees[0].row, "updater": staff.employees[0].row}
    first = world.add(
        "payment_reminder_sequences", {"name": "Friendly", "default": True, "default_sequence": True}, links
    )
    world.add("payment_reminder_sequences", {"name": "Strict", "default": False}, links)
    return first
