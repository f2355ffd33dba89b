"""Who belongs to a subject, and which columns lead to people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.purge.references import ABOUT, person_references
from services.purge.subject import Naming, Subject, is_person
from shared.catalog import load_catalog
from shared.catalog.model import ColumnType
from shared.record import Value

IDS = st.sampled_from(["1", "2", "3"])
TABLES = st.sampled_from(["people", "tasks", "deals"])
VALUES: st.SearchStrategy[Value] = st.one_of(IDS, st.lists(IDS, max_size=3), st.none(), st.integers())


def test_every_column_that_is_said_to_be_about_a_person_leads_to_one() -> None:
    known = {f"{one.table}.{one.column}" for one in person_references(load_catalog())}
    assert known >= ABOUT


def test_no_column_that_leads_to_people_or_users_is_overlooked() -> None:
    known = {(one.table, one.column) for one in person_references(load_catalog())}
    for table in load_catalog().values():
        for column in table.columns:
            if column.references in ("people", "users") and column.kind != "id":
                assert column.type in (ColumnType.STRING, ColumnType.STRING_ARRAY)
                assert (table.name, column.name) in known


def test_a_column_that_may_lead_to_anything_is_read_with_its_type() -> None:
    by_name = {f"{one.table}.{one.column}": one for one in person_references(load_catalog())}
    assert by_name["activities.item_id"].type_column == "item_type"
    assert by_name["deleted_items.item_id"].type_column == "item_type"
    assert by_name["deals.creator_id"].type_column is None
    assert by_name["sessions.user_id"].identities == ("users",)


@pytest.mark.parametrize("kind", ["person", "people", "Person", "users", "Productive::Person"])
def test_a_person_is_called_by_many_names(kind: str) -> None:
    assert is_person(kind)


@pytest.mark.parametrize("kind", ["task", "personal", None, 1, ["person"], ""])
def test_nothing_else_is_a_person(kind: Value) -> None:
    assert not is_person(kind)


@given(table=TABLES, record_id=IDS, value=VALUES)
def test_everything_holds_all_there_is(table: str, record_id: str, value: Value) -> None:
    assert Subject(everything=True).holds(table, record_id, {"person_id": value})
    assert Subject(everything=True).marked(b"")


@given(table=TABLES, record_id=IDS, value=VALUES, kind=st.sampled_from(["person", "task", None]))
def test_a_record_belongs_by_its_table_its_id_or_whom_it_names(
    table: str, record_id: str, value: Value, kind: Value
) -> None:
    subject = Subject(
        tables=frozenset(["people"]),
        rows={"tasks": frozenset(["1"])},
        naming={"deals": (Naming("item_id", frozenset(["2"]), "item_type"),)},
    )
    names = value == "2" or (isinstance(value, list) and "2" in value)
    expected = {
        "people": True,
        "tasks": record_id == "1",
        "deals": names and kind == "person",
    }[table]
    assert subject.holds(table, record_id, {"item_id": value, "item_type": kind}) is expected


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_what_cannot_be_read_belongs_when_it_holds_the_address(before: bytes, after: bytes) -> None:
    subject = Subject(rows={"people": frozenset(["1"])}, marks=(b"jane@example.com",))
    assert subject.marked(before + b"Jane@Example.com" + after)
    assert not Subject(rows={"people": frozenset(["1"])}).marked(before + after)
