"""A believable agency, made from a seed: one module per domain, and one that fills in the rest."""

from __future__ import annotations

from services.sandbox.organization import Organization
from services.sandbox.schema import load_schema
from services.sandbox.settings import SandboxSettings
from services.sandbox.storage import Ref
from services.sandbox.world import (
    billing,
    clients,
    costs,
    feed,
    hours,
    knowledge,
    planning,
    reports,
    rest,
    sales,
    setup,
    staff,
    work,
)
from services.sandbox.world.builder import World
from shared.clock import Clock


def build(settings: SandboxSettings, clock: Clock) -> Organization:
    """The whole organization. The same settings give the same one; ValueError for an unknown bulk table."""
    schema = load_schema()
    world = World(settings, schema)
    _populate(world)
    _echo_links(world)
    for table, count in settings.bulk.items():
        if table not in world.tables:
            raise ValueError(f"there is no table {table!r} to blow up")
        world.tables[table].grow(count, newest_us=world.now_us)
    return Organization(world.tables, schema, clock, caller=world.caller, home=world.home)


def _populate(world: World) -> None:
    """Domain by domain, in the order in which they need each other."""
    staff.organization(world)
    configured = setup.build(world)
    agency = staff.build(world, configured)
    customers = clients.build(world, configured, agency)
    projects = work.projects(world, configured, agency, customers)
    budgets = sales.build(world, configured, agency, customers, projects)
    sales.crew(world, agency, budgets)
    tasks = work.build(world, configured, agency, projects)
    away = planning.absences(world, configured, agency)
    planning.build(world, agency, budgets, tasks)
    tracked = hours.build(world, agency, budgets, tasks, away)
    hours.total(world, tracked)
    hours.settle(world, tracked, budgets)
    costs.build(world, configured, agency, customers, budgets)
    billing.build(world, agency, budgets, tracked)
    knowledge.build(world, agency, customers, projects)
    feed.build(world, agency)
    reports.build(world, tracked)
    rest.fill(world)


def _echo_links(world: World) -> None:
    """Where a foreign key is both an attribute and a relationship, let them say the same."""
    for name, table in world.tables.items():
        resource = world.schema[name]
        shared = [
            (field, field.removesuffix("_id"))
            for field in resource.references
            if field.removesuffix("_id") in resource.relations
        ]
        for row in table.rows.values() if shared else ():
            for field, relation in shared:
                link = row.links[relation]
                row.attributes[field] = link.id if isinstance(link, Ref) else None
