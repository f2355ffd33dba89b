"""The uncommon things that happen in every agency, so that nobody learns of them in production."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.sandbox.history import name_of
from services.sandbox.storage import Ref, Row
from services.sandbox.world import words
from services.sandbox.world.builder import World
from services.sandbox.world.staff import Staff
from services.sandbox.zone import DAY, stamp

_SUMS = ("amount", "amount_tax", "amount_with_tax", "amount_unpaid", "subtotal", "tax", "total")
_TIMES = ("created_at", "updated_at", "last_activity_at")


def build(world: World, staff: Staff) -> None:
    """Rejections, credit notes, repeating tasks, partial plans, reactions, archived things, files."""
    _contacts(world)
    _rejections(world, staff)
    _repetitions(world)
    _percentages(world)
    _talk(world, staff)
    _archived(world)
    _credit_notes(world)
    _files(world, staff)
    _mail_activities(world)
    for sequence in world.rows("payment_reminder_sequences"):
        sequence.links["payment_reminders"] = tuple(
            Ref("payment_reminders", row.id)
            for row in world.rows("payment_reminders")
            if row.links["payment_reminder_sequence"] == Ref("payment_reminder_sequences", sequence.id)
        )


def _contacts(world: World) -> None:
    for deal in world.rows("deals"):
        ends = dict.fromkeys((deal.links["primary_contact"], deal.links["contact"]))
        deal.links["contacts"] = tuple(end for end in ends if isinstance(end, Ref))


def _rejections(world: World, staff: Staff) -> None:
    boss = Ref("people", staff.employees[0].row.id)
    pending = [row for row in world.rows("time_entries") if not row.attributes["approved"]]
    for row in pending[::40]:
        row.links["rejecter"] = boss
        row.attributes |= {
            "rejected": True,
            "rejected_at": stamp(row.changed_us),
            "rejected_reason": "Wrong budget?",
        }
    for place, row in enumerate(world.rows("time_entries")[::90]):
        row.attributes |= {
            "jira_issue_id": f"WEB-{100 + place}",
            "jira_issue_summary": world.choice(words.THINGS),
            "jira_issue_status": "In Progress",
            "jira_organization": "kocka",
        }


def _repetitions(world: World) -> None:
    for row in world.rows("tasks")[::60]:
        row.attributes |= {
            "repeat_schedule_id": 2,
            "repeat_on_interval": 1,
            "repeat_on_weekday": [1, 3],
            "repeat_origin_id": row.id,
            "due_time": "14:30",
        }


def _percentages(world: World) -> None:
    """Some are booked for a share of their day instead of hours; amounts of it need not be whole."""
    for row in world.rows("bookings")[::17]:
        row.attributes |= {"booking_method_id": 2, "percentage": world.choice((50, 80, 12.5)), "hours": None}


def _talk(world: World, staff: Staff) -> None:
    people = [one.row for one in staff.employees]
    for table, link in (
        ("deals", "deal"),
        ("companies", "company"),
        ("invoices", "invoice"),
        ("projects", "project"),
    ):
        for subject in world.rows(table)[::6]:
            author = world.choice(people)
            row = world.add(
                "comments",
                {
                    "body": f"<p>{world.choice(words.SENTENCES)}</p>",
                    "commentable_type": link,
                    "commentable_id": subject.id,
                    "version_number": 2,
                    "reactions": {"👍": [world.choice(people).id], "🎉": []},
                    "hidden": world.chance(0.2),
                },
                {link: subject, "creator": author},
                at=subject.created_us + DAY // 3,
            )
            row.attributes["edited_at"] = stamp(row.changed_us)
            if world.chance(0.2):
                row.attributes["pinned_at"] = stamp(row.changed_us)
                row.links["pinned_by"] = Ref("people", author.id)


def _archived(world: World) -> None:
    for table, share in (
        ("task_lists", 30),
        ("custom_field_options", 9),
        ("rate_cards", 8),
        ("service_types", 8),
    ):
        for row in world.rows(table)[share - 1 :: share]:
            row.attributes["archived_at"] = stamp(world.now_us - 40 * DAY)


def _credit_notes(world: World) -> None:
    """Now and then an invoice is taken back: the same lines with the sign turned."""
    unpaid = [row for row in world.rows("invoices") if row.attributes["amount_unpaid"] > 0]
    for number, invoice in enumerate(unpaid[::6]):
        day = world.today - timedelta(days=3)
        attributes = dict(invoice.attributes)
        note = world.add(
            "invoices",
            {
                **_negative(attributes, *_SUMS),
                "number": f"{day.year}/CN-{number + 1}",
                "invoice_type_id": 2,
                "subject": f"Credit note for {attributes['number']}",
                "invoiced_on": day.isoformat(),
                "email_key": f"credit-{invoice.id:x}",
            },
            {**invoice.links, "parent_invoice": invoice, "invoice_attributions": ()},
            at=world.at(day),
        )
        for line in _lines(world, invoice):
            values = dict(line.attributes)
            world.add(
                "line_items",
                {
                    **_negative(values, "amount", "amount_tax", "amount_with_tax", "total_price"),
                    "quantity": f"-{values['quantity']}",
                },
                {**line.links, "invoice": note},
                at=note.created_us,
            )
        invoice.attributes |= {
            "credited": True,
            **{
                f"amount_credited{tax}{variant}": attributes[f"amount{tax}{variant}"]
                for tax in ("", "_with_tax")
                for variant in ("", "_default", "_normalized")
                if f"amount_credited{tax}{variant}" in attributes
            },
        }


def _lines(world: World, invoice: Row) -> list[Row]:
    end = Ref("invoices", invoice.id)
    return [row for row in world.rows("line_items") if row.links["invoice"] == end]


def _negative(attributes: dict[str, Any], *names: str) -> dict[str, Any]:
    """The attributes with the named amounts, in all their variants, turned around."""
    turned = {f"{name}{variant}" for name in names for variant in ("", "_default", "_normalized")}
    return {
        name: -value if name in turned else value for name, value in attributes.items() if name not in _TIMES
    }


def _files(world: World, staff: Staff) -> None:
    for table, link, share in (("deals", "deal", 12), ("pages", "page", 10), ("emails", "email", 10)):
        for owner in world.rows(table)[::share]:
            row = world.add(
                "attachments",
                {
                    "name": f"{name_of(owner.attributes)}.pdf",
                    "content_type": "application/pdf",
                    "attachable_type": link,
                    "attachment_type": "file",
                    "file_size": 48_211,
                    "size": 48_211,
                    "url": f"https://files.example.com/{link}/{owner.id}",
                },
                {link: owner, "creator": world.choice(staff.employees).row},
                at=owner.created_us,
            )
            if "attachments" in owner.links:
                owner.links["attachments"] = (Ref("attachments", row.id),)


def _mail_activities(world: World) -> None:
    for email in world.rows("emails"):
        deal, creator = email.links["deal"], email.links["creator"]
        if isinstance(deal, Ref) and isinstance(creator, Ref):
            world.add(
                "activities",
                {
                    "event": "create",
                    "item_type": "email",
                    "item_id": email.id,
                    "item_name": email.attributes["subject"],
                    "root_type": "deal",
                    "root_id": deal.id,
                    "deal_id": deal.id,
                    "deal_is_budget": False,
                    "person_id": creator.id,
                    "changeset": [],
                },
                {"email": email, "creator": creator},
                at=email.created_us,
            )
