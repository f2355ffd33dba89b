"""A believable agency, made from a seed: one module per domain, and one that fills in the rest."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from services.sandbox.organization import Organization
from services.sandbox.schema import load_schema
from services.sandbox.settings import SandboxSettings
from services.sandbox.storage import Ref, Table
from services.sandbox.world import (
    billing,
    clients,
    costs,
    edges,
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
from services.sandbox.world.builder import World, evening
from shared.clock import Clock


def build(settings: SandboxSettings, clock: Clock) -> Organization:
    """The whole organization. The same settings give the same one; ValueError for an unknown bulk table."""
    tables, caller, home = _finished(settings.seed, settings.people, settings.today)
    copies: dict[int, Table] = {}
    mine = {name: copies.setdefault(id(table), table.copy()) for name, table in tables.items()}
    for name, count in settings.bulk.items():
        if name not in mine:
            raise ValueError(f"there is no table {name!r} to blow up")
        mine[name].grow(count, newest_us=evening(settings.today))
    return Organization(mine, load_schema(), clock, caller=caller, home=home)


@lru_cache(maxsize=4)
def _finished(seed: int, people: int, today: date) -> tuple[dict[str, Table], Ref, Ref]:
    """A world as it is before anybody changes it, kept because tests and demos want the same ones again.

    Its rows are shared by all copies: from here on they are replaced, never changed.
    """
    world = World(load_schema(), seed=seed, people=people, today=today)
    _populate(world)
    _echo_links(world)
    return world.tables, world.caller, world.home


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
    edges.build(world, agency)
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
