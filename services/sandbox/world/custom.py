"""Values of custom fields: an object by field id, as Productive's guide shows it, or null."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from services.sandbox.storage import Ref, Row
from services.sandbox.world.builder import World, iso


def custom_values(
    world: World, fields: list[tuple[Row, list[Row]]], row: Row, people: list[Row]
) -> dict[str, Any] | None:
    """Some values for a row; a person field is linked as well. Selects hold lists of option ids."""
    if not world.chance(0.4):
        return None
    values: dict[str, Any] = {}
    for field, options in fields:
        if world.chance(0.4):
            continue
        match field.attributes["data_type_id"]:
            case 1:
                values[str(field.id)] = f"Ref. {world.random.randrange(100, 999)} – ä/ß"
            case 2:
                values[str(field.id)] = world.choice((world.random.randrange(0, 100), 12.5))
            case 3:
                values[str(field.id)] = [str(world.choice(options).id)]
            case 4:
                values[str(field.id)] = iso(world.today + timedelta(days=world.random.randrange(-90, 90)))
            case _ if people:
                person = world.choice(people)
                values[str(field.id)] = str(person.id)
                row.links["custom_field_people"] = (Ref("people", person.id),)
            case _:
                pass
    return values or None
