"""What the agency buys for its projects: expenses, purchase orders and bills."""

from __future__ import annotations

from services.sandbox.storage import Ref
from services.sandbox.world import words
from services.sandbox.world.builder import World, iso
from services.sandbox.world.clients import Client
from services.sandbox.world.custom import custom_values
from services.sandbox.world.sales import Budget
from services.sandbox.world.setup import Setup
from services.sandbox.world.staff import Staff
from services.sandbox.zone import DAY, stamp


def build(world: World, setup: Setup, staff: Staff, clients: list[Client], budgets: list[Budget]) -> None:
    """Expenses of all budgets; some are drafts, some come with a purchase order or a bill."""
    for number in range(world.people * 5):
        budget = world.choice(budgets)
        _expense(world, setup, staff, clients, budget)
        if number % 20 == 0:
            _purchase_order(world, staff, clients, budget, number)


def _expense(world: World, setup: Setup, staff: Staff, clients: list[Client], budget: Budget) -> None:
    name, price = world.choice(words.EXPENSES)
    employee = world.choice(staff.active())
    service = world.choice(budget.services)
    day = world.day(ago=world.random.randrange(0, 120))
    quantity = world.choice((1, 1, 1, 2, 3))
    amount = price * quantity
    billable = world.chance(0.6)
    charged = round(amount * 1.1) if billable else 0
    percent = float(budget.client.tax_rate.attributes["primary_component_value"])
    taxed = amount + amount * percent / 100
    draft = world.chance(0.08)
    approved = not draft and world.chance(0.8)
    created = min(world.at(day, 15), world.now_us - DAY // 8)
    changed = min(created + world.random.randrange(0, 9) * DAY, world.now_us)
    row = world.add(
        "expenses",
        {
            **world.currency("expenses", budget.currency),
            **world.money(
                "expenses",
                budget.rate,
                amount=price,
                total_amount=amount,
                amount_with_tax=price + price * percent / 100,
                total_amount_with_tax=taxed,
                billable_amount=charged,
                recognized_revenue=charged,
                profit=charged - amount,
            ),
            "name": name,
            "date": iso(day),
            "quantity": f"{quantity}.0",
            "markup": "10.0" if billable else "-100.0",
            "exchange_rate": str(budget.rate),
            "exchange_rate_normalized": "1.0",
            "exchange_date": iso(day),
            "billable": billable,
            "draft": draft,
            "status": "draft" if draft else "approved" if approved else "pending",
            "approved": approved,
            "approved_at": stamp(changed) if approved else None,
            "reimbursable": world.chance(0.3),
            "pay_on": iso(day.fromordinal(day.toordinal() + 14)),
            "paid_on": iso(day) if world.chance(0.4) else None,
            "position": 1,
        },
        {
            "person": employee.row,
            "creator": employee.row,
            "updater": employee.row,
            "approver": budget.row.links["responsible"] if approved else None,
            "deal": budget.row,
            "service": service.row,
            "service_type": service.row.links["service_type"],
            "tax_rate": budget.client.tax_rate,
            "vendor": world.choice(clients).row if world.chance(0.5) else None,
        },
        at=created,
        changed=changed,
    )
    row.attributes["custom_fields"] = custom_values(
        world, setup.fields["expenses"], row, [one.row for one in staff.employees]
    )
    if world.chance(0.1):
        item = world.add(
            "expense_line_items",
            {"name": name, "quantity": f"{quantity}.0", "unit_price": price, "currency": budget.currency},
            {"expense": row, "tax_rate": budget.client.tax_rate},
            at=created,
        )
        row.links["expense_line_items"] = (Ref("expense_line_items", item.id),)
        row.attributes["line_items_count"] = 1


def _purchase_order(world: World, staff: Staff, clients: list[Client], budget: Budget, number: int) -> None:
    vendor = world.choice(clients)
    day = world.day(ago=world.random.randrange(20, 200))
    cost = world.random.randrange(100, 900) * 100
    created = world.at(day)
    order = world.add(
        "purchase_orders",
        {
            **world.currency("purchase_orders", budget.currency),
            **world.money(
                "purchase_orders", budget.rate, total_cost=cost, total_cost_with_tax=cost, total_received=0
            ),
            "number": f"PO-{number + 1:04d}",
            "subject": "Materials",
            "amount": str(cost),
            "date": iso(day),
            "issued_on": iso(day),
            "status": "sent",
            "status_id": 2,
            "payment_status_id": 1,
            "exchange_rate": str(budget.rate),
            "exchange_date": iso(day),
            "email_key": f"po-{number:x}",
        },
        {
            "deal": budget.row,
            "vendor": vendor.row,
            "creator": staff.employees[0].row,
            "bill_from": vendor.billing,
            "bill_to": budget.client.billing,
            "document_type": vendor.subsidiary.links["default_document_type"],
        },
        at=created,
    )
    world.add(
        "bills",
        {
            **world.currency("bills", budget.currency),
            **world.money("bills", budget.rate, total_cost=cost, total_received=0),
            "name": "Materials",
            "invoice_number": f"V-{number}",
            "amount": str(cost),
            "date": iso(day),
            "due_date": iso(day.fromordinal(day.toordinal() + 30)),
            "status": "open",
        },
        {"deal": budget.row, "purchase_order": order, "creator": staff.employees[0].row},
        at=created,
    )
