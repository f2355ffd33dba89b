"""A believable agency, made from a seed: one module per domain, and one that fills in the rest."""

from __future__ import annotations

from services.sandbox.organization import Organization
from services.sandbox.schema import load_schema
from services.sandbox.settings import SandboxSettings
from services.sandbox.storage import Ref
from services.sandbox.world import rest
from services.sandbox.world.builder import World
from shared.clock import Clock


def build(settings: SandboxSettings, clock: Clock) -> Organization:
    """The whole organization. The same settings give the same one."""
    schema = load_schema()
    world = World(settings, schema)
    home = world.add("organizations")
    world.home = Ref("organizations", home.id)
    person = world.add("people")
    world.caller = Ref("people", person.id)
    rest.fill(world)
    for table, count in settings.bulk.items():
        world.tables[table].grow(count, newest_us=world.now_us)
    return Organization(world.tables, schema, clock, caller=world.caller, home=world.home)
