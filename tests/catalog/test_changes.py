"""Columns that an organization added or dropped: kept for every service, whatever the catalog becomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from shared.catalog import Catalog, Column, ColumnType, load_catalog
from shared.catalog.changes import SchemaChanges, SchemaStore
from shared.catalog.selection import SelectedTable, SelectionRules, select
from shared.errors import BusyError, StorageError
from shared.objects import Objects, open_objects
from shared.productive import ListQuery
from shared.urls import url_of

CATALOG = load_catalog()
SCORE = Column("score", ColumnType.NUMERIC, "attribute", "score")
FRIEND = Column("friend_id", ColumnType.STRING, "to_one_id", "friend")


def deals(
    changes: SchemaChanges, rules: SelectionRules | None = None, catalog: Catalog = CATALOG
) -> SelectedTable:
    return select(changes.extended(catalog), changes.applied(rules or SelectionRules(only=("deals",))))[
        "deals"
    ]


def names(selected: SelectedTable) -> list[str]:
    return [column.name for column in selected.columns]


def test_an_added_column_is_selected_and_a_relationship_is_asked_for() -> None:
    selected = deals(SchemaChanges().with_added("deals", SCORE).with_added("deals", FRIEND))
    assert selected.columns[-2:] == (SCORE, FRIEND)
    assert "friend" in [include.name for include in ListQuery.of(selected.table, names(selected)).includes]
    assert "friend" not in [include.name for include in ListQuery.of(selected.table, ["id"]).includes]


def test_a_dropped_column_is_not_selected_but_its_type_is_still_known() -> None:
    changes = SchemaChanges().with_added("deals", SCORE).with_dropped("deals", "score")
    assert "score" not in names(deals(changes))
    assert SCORE in changes.extended(CATALOG)["deals"].columns
    assert names(deals(changes.with_named("deals", "score")))[-1] == "score"


def test_a_column_that_is_left_out_unless_named_can_be_named() -> None:
    table, secret = next(
        (t.name, c.name) for t in CATALOG.values() for c in t.columns if c.secret and t.listable
    )
    rules = SelectionRules(only=(table,))

    def has(changes: SchemaChanges) -> bool:
        return secret in names(select(changes.extended(CATALOG), changes.applied(rules))[table])

    named = SchemaChanges().with_named(table, secret)
    assert [has(SchemaChanges()), has(named), has(named.with_dropped(table, secret))] == [False, True, False]


def test_every_change_gives_the_table_another_shape_and_no_other_table_one() -> None:
    before = select(CATALOG, SelectionRules())
    changes = SchemaChanges().with_dropped("deals", "name").with_named("deals", "name")
    after = select(changes.extended(CATALOG), changes.applied(SelectionRules()))
    assert names(after["deals"]) == names(before["deals"])
    assert {name for name in before if before[name].shape != after[name].shape} == {"deals"}


def test_the_shape_tells_a_column_that_is_hashed_from_one_that_is_not() -> None:
    shapes = [
        select(CATALOG, SelectionRules(hash_columns=hashed))["people"].shape
        for hashed in ((), ("people.email",))
    ]
    assert shapes[0] != shapes[1]
    assert repr(shapes[1]) == repr(
        select(CATALOG, SelectionRules(hash_columns=("people.email",)))["people"].shape
    )


def test_a_later_catalog_changes_no_type_and_may_know_less() -> None:
    table = CATALOG["deals"]
    later = Column("score", ColumnType.INT64, "attribute", "score")
    newer = Catalog((msgspec.structs.replace(table, columns=(*table.columns, later)),))
    selected = deals(SchemaChanges().with_added("deals", SCORE), catalog=newer)
    assert [column for column in selected.columns if column.name == "score"] == [SCORE]
    gone = SchemaChanges().with_dropped("deals", "no_such_column").with_dropped("no_such_table", "x")
    assert names(deals(gone)) == names(deals(SchemaChanges()))


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[Objects]:
    store = await open_objects(url_of("file", tmp_path))
    yield store
    await store.close()


async def test_changes_outlive_the_process_and_are_their_organization_s_own(objects: Objects) -> None:
    store = SchemaStore(objects, "42")
    changes = (await store.load()).with_added("deals", SCORE).with_dropped("people", "email")
    await store.save(changes)
    assert await SchemaStore(objects, "42").load() == changes
    assert await SchemaStore(objects, "43").load() == SchemaChanges()


async def test_of_two_who_change_the_schema_at_once_the_second_is_told(objects: Objects) -> None:
    one, other = SchemaStore(objects, "42"), SchemaStore(objects, "42")
    first, second = await one.load(), await other.load()
    await one.save(first.with_added("deals", SCORE))
    with pytest.raises(BusyError, match="somebody else has changed the schema"):
        await other.save(second.with_dropped("deals", "name"))
    await other.save((await other.load()).with_dropped("deals", "name"))
    assert await one.load() == SchemaChanges().with_added("deals", SCORE).with_dropped("deals", "name")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"added": 1}', b'{"added":{"deals":[{"name":1}]}}', b"\xff"]
)
async def test_damaged_changes_stop_everything_rather_than_empty_columns(
    objects: Objects, data: bytes
) -> None:
    await objects.write("organizations/42/schema.json", data)
    with pytest.raises(StorageError) as caught:
        await SchemaStore(objects, "42").load()
    assert "schema.json" in caught.value.message
    assert "backup" in caught.value.advice
