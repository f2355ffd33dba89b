"""Whom the agency works for: companies, their contacts, and what their hours cost."""

from __future__ import annotations

from dataclasses import dataclass

from services.sandbox.storage import Ref, Row
from services.sandbox.world import words
from services.sandbox.world.builder import World
from services.sandbox.world.custom import custom_values
from services.sandbox.world.setup import Setup
from services.sandbox.world.staff import Staff
from services.sandbox.zone import DAY, stamp


@dataclass(frozen=True)
class Client:
    """A company with its people, its billing address, and the currency it pays in."""

    row: Row
    contacts: list[Row]
    billing: Row
    subsidiary: Row
    tax_rate: Row
    currency: str


def build(world: World, setup: Setup, staff: Staff) -> list[Client]:
    """All clients; some belong to a group, some are archived, some are vendors only."""
    clients = [_client(world, setup, staff, number) for number in range(max(3, world.people * 4 // 5))]
    for client in clients[5::9]:
        client.row.links["parent_company"] = Ref("companies", clients[0].row.id)
    world.tables["organizations"].row(world.home.id).links["company"] = Ref("companies", clients[0].row.id)
    _rate_cards(world, setup, staff, clients)
    return clients


def _client(world: World, setup: Setup, staff: Staff, number: int) -> Client:
    stem = words.COMPANY_STEMS[number % len(words.COMPANY_STEMS)]
    suffix = f" {number // len(words.COMPANY_STEMS) + 1}" if number >= len(words.COMPANY_STEMS) else ""
    name = f"{stem}{suffix} {world.choice(words.COMPANY_FORMS)}"
    city, country = world.choice(words.CITIES)
    place = number % len(setup.subsidiaries)
    currency = world.choice(("EUR", "EUR", "EUR", "EUR", "USD", "GBP"))
    created = world.now_us - world.random.randrange(120, 1_500) * DAY
    changed = created + int((world.now_us - created) * world.random.random())
    domain = f"client{number + 1}.example"
    subsidiary = setup.subsidiaries[place]
    row = world.add(
        "companies",
        {
            "name": name,
            "billing_name": name,
            "company_code": f"C-{number + 1:04d}",
            "domain": domain,
            "domains": [domain],
            "vat": f"{country}{world.random.randrange(10**8, 10**9)}",
            "default_currency": currency,
            "due_days": world.choice((None, 14, 30)),
            "payment_terms_type": "days",
            "contact": {
                "phones": [{"phone": f"+49 30 {world.random.randrange(10**6, 10**7)}"}],
                "emails": [{"email": f"office@{domain}"}],
                "websites": [{"website": f"https://{domain}"}],
                "addresses": [{"city": city, "country": country}],
            },
            "archived_at": stamp(changed) if world.chance(0.07) else None,
            "tag_list": sorted(world.random.sample(words.TAGS, world.random.randrange(0, 3))),
            "projectless_budgets": world.chance(0.1),
            "avatar_url": f"https://files.example.com/companies/{number + 1}.png",
        },
        {
            "default_subsidiary": subsidiary,
            "default_tax_rate": setup.tax_rates[place],
            "default_document_type": subsidiary.links["default_document_type"],
        },
        at=created,
        changed=changed,
    )
    row.attributes["custom_fields"] = custom_values(
        world, setup.fields["companies"], row, [one.row for one in staff.employees]
    )
    billing = world.add(
        "contact_entries",
        {
            "name": name,
            "type": "billing_address",
            "contactable_type": "company",
            "billing_address": True,
            "address": f"{world.choice(words.STREETS)} {world.random.randrange(1, 200)}",
            "city": city,
            "country": country,
            "zipcode": f"{world.random.randrange(1_000, 99_999)}",
            "vat": row.attributes["vat"],
        },
        {"company": row},
        at=created,
    )
    contacts = [_contact(world, row, setup, domain, created) for _ in range(world.random.randrange(1, 3))]
    return Client(row, contacts, billing, subsidiary, setup.tax_rates[place], currency)


def _contact(world: World, company: Row, setup: Setup, domain: str, created: int) -> Row:
    first, last = world.choice(words.FIRST_NAMES), world.choice(words.LAST_NAMES)
    person = world.add(
        "people",
        {
            "first_name": first,
            "last_name": last,
            "email": f"contact{world.random.randrange(10**6)}@{domain}",
            "title": world.choice(("CEO", "Marketing lead", "Product owner", "Buchhaltung", None)),
            "role_id": None,
            "user_id": None,
            "contact": {"emails": [{"email": f"{first[0].lower()}@{domain}"}]},
            "last_activity_at": None if world.chance(0.2) else stamp(created + 20 * DAY),
        },
        {"company": company, "custom_role": None},
        at=created + world.random.randrange(0, 20) * DAY,
    )
    person.attributes["custom_fields"] = custom_values(world, setup.fields["people"], person, [])
    world.add(
        "contact_entries",
        {
            "name": "Work",
            "type": "email",
            "contactable_type": "person",
            "email": person.attributes["email"],
            "billing_email": world.chance(0.3),
        },
        {"person": person},
        at=person.created_us,
    )
    return person


def _rate_cards(world: World, setup: Setup, staff: Staff, clients: list[Client]) -> None:
    for client in (None, *clients[::4]):
        links = {"creator": staff.employees[0].row, "company": client.row if client else None}
        card = world.add(
            "rate_cards",
            {
                "name": f"Rates {client.row.attributes['name']}" if client else "Standard rates",
                "currency": client.currency if client else "EUR",
                "prices_count": len(setup.service_types),
            },
            links,
        )
        for place, service_type in enumerate(setup.service_types):
            world.add(
                "prices",
                {
                    "name": service_type.attributes["name"],
                    "rate": 8_500 + place * 750,
                    "billing_type_id": 2,
                    "unit_id": 1,
                    "quantity": "1.0",
                    "time_tracking_enabled": True,
                    "booking_tracking_enabled": True,
                    "estimated_cost": 4_000 + place * 333.3,
                    "discount": "0.0",
                    "currency": card.attributes["currency"],
                },
                {
                    "rate_card": card,
                    "service_type": service_type,
                    "company": client.row if client else None,
                    "updater": staff.employees[0].row,
                },
            )
