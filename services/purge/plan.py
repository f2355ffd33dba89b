"""What a purge would do to the warehouse, as a value that can be shown before anything happens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from services.purge.references import IDENTITIES, Reference, person_references
from services.purge.subject import Naming, Subject, is_person
from shared.catalog.loader import Catalog
from shared.catalog.model import ColumnType
from shared.errors import ConfigError
from shared.warehouse.port import TableSchema, Warehouse

_FETCHED_AT_ONCE = 5_000


class Fate(StrEnum):
    """What happens to rows: they go, or stay as they are."""

    DELETED = "deleted"
    LEFT = "left"


class Step(msgspec.Struct, frozen=True):
    """Rows of one table that were found by one column (`id`: the rows themselves), and their fate.

    Records that are gone from the table and still in its history count as rows.
    """

    table: str
    column: str
    rows: int
    fate: Fate
    reason: str


class Plan(msgspec.Struct, frozen=True):
    """A purge: `what` for people, its steps in the warehouse, and the subject for all other places.

    `identities` are the ids of the rows that say who the person is; empty unless it is about a person.
    """

    what: str
    steps: tuple[Step, ...]
    subject: Subject
    identities: dict[str, tuple[str, ...]] = {}

    @property
    def rows(self) -> int:
        """How many rows of the warehouse go; rows that are found by two columns count twice."""
        return sum(step.rows for step in self.steps if step.fate is Fate.DELETED)


async def plan_record(warehouse: Warehouse, catalog: Catalog, table: str, record_id: str) -> Plan:
    """One record; `ConfigError` for a table that does not exist. A row need not be there."""
    name = catalog.table(table).name
    there = len(await _matching(warehouse, name, "id", [record_id]))
    step = Step(name, "id", there, Fate.DELETED, "the record")
    return Plan(f"the record {record_id} of {name}", (step,), Subject(rows={name: frozenset([record_id])}))


async def plan_table(warehouse: Warehouse, catalog: Catalog, table: str) -> Plan:
    """A whole table; `ConfigError` for one that does not exist."""
    name = catalog.table(table).name
    steps = tuple([step async for step in _whole(warehouse, [name])])
    return Plan(f"the table {name}", steps, Subject(tables=frozenset([name])))


async def plan_everything(warehouse: Warehouse, catalog: Catalog) -> Plan:
    """Every table that there is."""
    steps = tuple([step async for step in _whole(warehouse, catalog)])
    return Plan("everything", steps, Subject(everything=True))


async def _whole(warehouse: Warehouse, tables: Iterable[str]) -> AsyncIterator[Step]:
    for name in tables:
        if state := await warehouse.state(name):
            yield Step(name, "", state.rows, Fate.DELETED, "the whole table")


async def plan_person(
    warehouse: Warehouse,
    catalog: Catalog,
    who: str,
    *,
    also: Collection[str] = (),
    pseudonym: Callable[[str], str] | None = None,
) -> Plan:
    """A person, by the id in `people` or by an address that `people` or `users` has.

    The person's own rows go, those about the person (see `references.ABOUT`), and all rows of the tables in
    `also` that name the person. `pseudonym` is what hashed columns hold of a text. `ConfigError` for an
    address that nobody has.
    """

    def written(texts: Iterable[str]) -> frozenset[str]:
        plain = frozenset(texts)
        return plain | frozenset(map(pseudonym, plain)) if pseudonym else plain

    more = {catalog.table(name).name for name in also}
    addresses = written({who, who.lower()}) if "@" in who else frozenset[str]()
    identities = await _identities(warehouse, catalog, who, addresses)
    steps = [
        Step(table, "id", len(await _matching(warehouse, table, "id", sorted(ids))), Fate.DELETED, reason)
        for table, ids, reason in (
            ("people", identities["people"], "the person"),
            ("users", identities["users"], "the person's account"),
        )
        if ids
    ]
    rows = {table: set(ids) for table, ids in identities.items()}
    naming: dict[str, list[Naming]] = {}
    columns = {name: await _columns(warehouse, name) for name in catalog}
    for reference in person_references(catalog):
        ids = written(frozenset().union(*(identities[identity] for identity in reference.identities)))
        goes = reference.is_about or reference.table in more
        if not ids:
            continue
        there = reference.column in columns[reference.table]
        found = await _rows_naming(warehouse, reference, ids) if there else ()
        if goes:
            rows.setdefault(reference.table, set()).update(found)
            naming.setdefault(reference.table, []).append(
                Naming(reference.column, ids, reference.type_column)
            )
        if found:
            steps.append(_step(reference, len(found), goes=goes))
    subject = Subject(
        rows={table: frozenset(ids) for table, ids in rows.items() if ids},
        naming={table: tuple(namings) for table, namings in naming.items()},
        marks=await _marks(warehouse, identities, who),
    )
    kept = {table: tuple(sorted(ids)) for table, ids in identities.items() if ids}
    return Plan(f"the person {who}", tuple(steps), subject, kept)


def _step(reference: Reference, count: int, *, goes: bool) -> Step:
    if reference.is_about:
        reason = "about the person"
    elif goes:
        reason = "names the person, and was asked for"
    else:
        reason = "names the person: the id stays, and leads nowhere"
    return Step(reference.table, reference.column, count, Fate.DELETED if goes else Fate.LEFT, reason)


async def _identities(
    warehouse: Warehouse, catalog: Catalog, who: str, addresses: Collection[str]
) -> Mapping[str, frozenset[str]]:
    """The person's ids in `people` and in `users`, however they are linked to each other."""
    found: dict[str, set[str]] = {identity: set() for identity in IDENTITIES}
    if addresses:
        for table in IDENTITIES:
            for kept in (table, _history(table)):
                found[table].update(await warehouse.matching(kept, "email", sorted(addresses)))
        found["people"].update(await warehouse.matching("people", "user_id", sorted(found["users"])))
        if not any(found.values()):
            raise ConfigError(
                f"nobody in the warehouse has the address {who}",
                advice="Give the person's id: it is the number in the web address of the person's page.",
            )
    else:
        found["people"].add(who)
    people = sorted(found["people"])
    found["users"].update(await _values(warehouse, catalog, "people", "user_id", people))
    members = await warehouse.matching("organization_memberships", "person_id", people)
    found["users"].update(await _values(warehouse, catalog, "organization_memberships", "user_id", members))
    return {table: frozenset(ids) for table, ids in found.items()}


async def _marks(
    warehouse: Warehouse, identities: Mapping[str, Collection[str]], who: str
) -> tuple[bytes, ...]:
    """The person's addresses in lower case."""
    addresses = {who} if "@" in who else set[str]()
    for table in IDENTITIES:
        schema = TableSchema(table, (("id", ColumnType.STRING), ("email", ColumnType.STRING)))
        addresses.update(await _column(warehouse, schema, "email", sorted(identities[table])))
    return tuple(sorted(address.lower().encode() for address in addresses if "@" in address))


async def _values(
    warehouse: Warehouse, catalog: Catalog, table: str, column: str, ids: Collection[str]
) -> set[str]:
    types = {one.name: one.type for one in catalog[table].columns}
    if column not in types:
        return set()
    schema = TableSchema(table, (("id", ColumnType.STRING), (column, types[column])))
    return await _column(warehouse, schema, column, ids)


async def _column(warehouse: Warehouse, schema: TableSchema, column: str, ids: Collection[str]) -> set[str]:
    """What a text column holds in these rows; nothing where the table or the column is not there."""
    if not ids or column not in await _columns(warehouse, schema.name):
        return set()
    rows = await warehouse.fetch(schema, list(ids))
    return {value for row in rows.values() if isinstance(value := row.get(column), str) and value}


async def _matching(warehouse: Warehouse, table: str, column: str, values: Sequence[str]) -> Collection[str]:
    """The ids of rows, and of records that only the history still knows.

    What a row that is there once was does not count: it is about somebody else by now.
    """
    now = await warehouse.matching(table, column, values)
    past = set(await warehouse.matching(_history(table), column, values)) - set(now)
    gone = past - set(await warehouse.matching(table, "id", sorted(past))) if past else past
    return sorted({*now, *gone})


def _history(table: str) -> str:
    """The view with all versions of the table's records, if they are kept; see `Warehouse.ensure_table`."""
    return f"{table}_history"


async def _columns(warehouse: Warehouse, table: str) -> Collection[str]:
    """The columns that a table has; none where there is no table."""
    state = await warehouse.state(table)
    return state.columns if state else ()


async def _rows_naming(warehouse: Warehouse, reference: Reference, ids: Collection[str]) -> Collection[str]:
    if reference.type_column is None:
        return await _matching(warehouse, reference.table, reference.column, sorted(ids))
    found = await warehouse.matching(reference.table, reference.column, sorted(ids))
    if not found:
        return found
    if reference.type_column not in await _columns(warehouse, reference.table):
        return ()  # without its type the id may be anything's
    schema = TableSchema(
        reference.table, (("id", ColumnType.STRING), (reference.type_column, ColumnType.STRING))
    )
    people: list[str] = []
    for start in range(0, len(found), _FETCHED_AT_ONCE):
        rows = await warehouse.fetch(schema, found[start : start + _FETCHED_AT_ONCE])
        people += [id_ for id_, row in rows.items() if is_person(row.get(reference.type_column))]
    return people
