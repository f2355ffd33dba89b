"""What people write down: pages with their versions, discussions, files and e-mails."""

from __future__ import annotations

from typing import Any

import msgspec

from services.sandbox.storage import Ref, Row
from services.sandbox.world import words
from services.sandbox.world.builder import World
from services.sandbox.world.clients import Client
from services.sandbox.world.staff import Staff
from services.sandbox.zone import DAY, stamp


def build(world: World, staff: Staff, clients: list[Client], projects: list[Row]) -> None:
    """Pages per project and for the whole agency, and what hangs on them."""
    for project in (None, *projects):
        root = _page(world, staff, project, parent=None, number=0)
        for number in range(1, world.random.randrange(1, 4)):
            _page(world, staff, project, parent=root, number=number)
    _files(world, staff)
    _emails(world, staff, clients)


def _page(world: World, staff: Staff, project: Row | None, *, parent: Row | None, number: int) -> Row:
    created = world.now_us - world.random.randrange(20, 240) * DAY
    changed = created + int((world.now_us - created) * world.random.random())
    author = world.choice(staff.employees).row
    title = (
        f"{world.choice(words.ADJECTIVES)} {world.choice(words.NOUNS).lower()}" if number else "Handbook 📚"
    )
    page = world.add(
        "pages",
        {
            "title": title,
            "body": _body(world),
            "position": number,
            "edited_at": stamp(changed),
            "icon_id": "book",
            "version_number": 2,
            "public": False,
            "preferences": {"full_width": False},
            "parent_page_id": parent.id if parent else None,
            "root_page_id": parent.id if parent else None,
        },
        {
            "project": project,
            "creator": author,
            "updater": author,
            "parent_page": parent,
            "root_page": parent,
        },
        at=created,
        changed=changed,
    )
    previous = None
    for version in (1, 2):
        row = world.add(
            "page_versions",
            {
                "name": None if version == 1 else "Reviewed",
                "title_snapshot": title,
                "body_snapshot": page.attributes["body"],
                "version_number": version,
                "prosemirror_steps": [],
                "restored_from_version_id": previous.id if previous and world.chance(0.1) else None,
            },
            {"page": page, "person": author},
            at=created if version == 1 else changed,
        )
        previous = row
    if world.chance(0.3):
        _discussion(world, staff, page)
    return page


def _body(world: World) -> str:
    """A document of the editor as JSON text."""
    paragraphs: list[dict[str, Any]] = [
        {"type": "paragraph", "content": [{"type": "text", "text": world.choice(words.SENTENCES)}]}
        for _ in range(world.random.randrange(1, 5))
    ]
    return msgspec.json.encode({"type": "doc", "content": paragraphs}).decode()


def _discussion(world: World, staff: Staff, page: Row) -> None:
    people = [one.row for one in staff.employees]
    row = world.add(
        "discussions",
        {
            "title": "Is this still right?",
            "excerpt": world.choice(words.SENTENCES),
            "note": world.choice(words.SENTENCES),
            "subscriber_ids": [person.id for person in people[:2]],
        },
        {"page": page},
        at=page.created_us + DAY,
    )
    for _ in range(world.random.randrange(1, 4)):
        world.add(
            "comments",
            {
                "body": f"<p>{world.choice(words.SENTENCES)}</p>",
                "commentable_type": "discussion",
                "commentable_id": row.id,
                "version_number": 1,
            },
            {"discussion": row, "creator": world.choice(people)},
            at=row.created_us + DAY // 2,
        )


def _files(world: World, staff: Staff) -> None:
    """Attachments of tasks, comments, expenses and invoices; a record that lists them lists these."""
    for table, link, share in (
        ("tasks", "task", 9),
        ("comments", "comment", 15),
        ("expenses", "expense", 4),
        ("invoices", "invoice", 2),
    ):
        for owner in world.rows(table)[::share]:
            name = world.choice(("screenshot.png", "Übersicht.pdf", "texts final FINAL.docx", "data.csv"))
            row = world.add(
                "attachments",
                {
                    "name": name,
                    "content_type": "application/pdf" if name.endswith("pdf") else "application/octet-stream",
                    "attachable_type": link,
                    "attachment_type": "file",
                    "file_size": world.random.randrange(1_000, 9_000_000),
                    "size": world.random.randrange(1_000, 9_000_000),
                    "url": f"https://files.example.com/{link}/{owner.id}",
                    "thumb": None,
                },
                {link: owner, "creator": world.choice(staff.employees).row},
                at=owner.created_us,
            )
            if "attachments" in owner.links:
                owner.links["attachments"] = (Ref("attachments", row.id),)
            elif "attachment" in owner.links:
                owner.links["attachment"] = Ref("attachments", row.id)


def _emails(world: World, staff: Staff, clients: list[Client]) -> None:
    deals = [row for row in world.rows("deals") if not row.attributes["budget"]]
    for deal in deals[:: max(1, len(deals) // (world.people + 5))]:
        sender, receiver = world.choice(staff.employees).row, world.choice(clients).contacts[0]
        created = min(deal.created_us + DAY, world.now_us - DAY // 4)
        person = Ref("people", receiver.id)
        world.add(
            "emails",
            {
                "subject": f"Re: {deal.attributes['name']}",
                "body": "Hello,\n\nsee below.\n",
                "body_html": "<p>Hello,</p><p>see below.</p>",
                "snippet": "Hello, see below.",
                "from": sender.attributes["email"],
                "outgoing": True,
                "linked_type": "deal",
                "linked_id": deal.id,
                "delivered_at": stamp(created),
                "recipients": [{"email": receiver.attributes["email"]}],
                "participants": [
                    {"email": receiver.attributes["email"]},
                    {"email": sender.attributes["email"]},
                ],
            },
            {"deal": deal, "creator": sender, "to_recipients": (person,), "recipients": (person,)},
            at=created,
        )
