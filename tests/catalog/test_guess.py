"""A field that nobody described becomes a column by its name and by what it was seen with."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import Column, ColumnType, load_catalog
from shared.catalog.columns import name_problems
from shared.catalog.drift import NewField, Retyped, table_drift, types_by_field
from shared.catalog.guess import guessed_column
from shared.catalog.selection import SelectionRules, select
from shared.errors import ConfigError

DEALS = load_catalog()["deals"]


@pytest.mark.parametrize(
    ("field", "seen", "type_"),
    [
        ("renewal_on", {"string": 3}, ColumnType.DATE),
        ("renewed_at", {"string": 3, "null": 9}, ColumnType.TIMESTAMP),
        ("renewal_amount", {"integer": 3}, ColumnType.NUMERIC),
        ("external_thing_id", {"integer": 3}, ColumnType.STRING),
        ("score", {"integer": 3}, ColumnType.INT64),
        ("score", {"integer": 3, "number": 1}, ColumnType.NUMERIC),
        ("score", {"integer": 3, "string": 1}, ColumnType.JSON),
        ("hot", {"boolean": 2}, ColumnType.BOOL),
        ("motto", {"string": 2}, ColumnType.STRING),
        ("weights", {"array": 2}, ColumnType.JSON),
        ("weights", {"object": 2}, ColumnType.JSON),
        ("weights", {"null": 2}, ColumnType.JSON),
        ("weights", {}, ColumnType.JSON),
    ],
)
def test_the_type_follows_from_the_name_and_the_values(
    field: str, seen: Mapping[str, int], type_: ColumnType
) -> None:
    column = guessed_column(DEALS, field, seen)
    assert column == Column(field, type_, "attribute", field, guessed=True)


def test_a_type_that_a_person_names_is_taken() -> None:
    column = guessed_column(DEALS, "score", {"integer": 3}, ColumnType.NUMERIC)
    assert (column.type, column.guessed) == (ColumnType.NUMERIC, False)


def test_a_relationship_becomes_an_id_or_a_list_of_ids() -> None:
    seen = {"relationship": 5}
    assert guessed_column(DEALS, "friend", seen) == Column(
        "friend_id", ColumnType.STRING, "to_one_id", "friend"
    )
    assert guessed_column(DEALS, "friends", seen, ColumnType.STRING_ARRAY) == Column(
        "friends_ids", ColumnType.STRING_ARRAY, "to_many_ids", "friends"
    )


@pytest.mark.parametrize(
    ("field", "seen", "type_"),
    [
        ("friend", {"relationship": 1}, ColumnType.INT64),
        ("friend", {"string": 1}, ColumnType.STRING_ARRAY),
        ("name", {"string": 1}, None),
        ("NAME", {"string": 1}, None),
        ("_mine", {"string": 1}, None),
        ("_change_type", {"string": 1}, None),
        ("a b", {"string": 1}, None),
        ('x"; drop table deals; --', {"string": 1}, None),
        ("", {"string": 1}, None),
        ("x" * 301, {"string": 1}, None),
    ],
)
def test_what_cannot_be_a_column_is_refused(
    field: str, seen: Mapping[str, int], type_: ColumnType | None
) -> None:
    with pytest.raises(ConfigError):
        guessed_column(DEALS, field, seen, type_)


json_types = st.sampled_from(
    ["string", "integer", "number", "boolean", "array", "object", "null", "relationship"]
)


@given(
    field=st.text(max_size=20) | st.from_regex(r"[a-z]+(_at|_on|_id|_ids)?"),
    seen=st.dictionaries(json_types, st.integers(1)),
)
def test_every_column_that_is_guessed_can_be_made_beside_the_others(field: str, seen: dict[str, int]) -> None:
    try:
        column = guessed_column(DEALS, field, seen)
    except ConfigError:
        return
    assert name_problems([column.name, *(known.name for known in DEALS.columns)]) == []


def test_what_drifted_is_told_by_kind_and_what_was_added_since_is_not() -> None:
    selected = select(load_catalog(), SelectionRules(only=("deals",), skip_columns=("deals.note",)))["deals"]
    types = {name: str(type_) for name, type_ in selected.typed_columns}
    drift = table_drift(
        selected,
        unknown={"score: integer": 2, "odd: name: string": 1, "note: string": 4},
        unfit={"name": 3, "note": 1},
        absent=("date", "note"),
        stored={**types, "name": "INT64", "note": "STRING"},
    )
    assert [new.field for new in drift.new] == ["odd: name", "score"]
    assert drift.new[0] == NewField("odd: name", {"string": 1})
    assert drift.new[1] == NewField("score", {"integer": 2}, "score", "INT64")
    assert drift.unfit == {"name": 3}
    assert drift.absent == ("date",)
    assert drift.left_behind == ("note",)
    assert drift.retyped == (Retyped("name", "INT64", "STRING"),)
    assert not table_drift(selected, unknown={}, unfit={}, absent=(), stored=types)


def test_counts_are_gathered_by_field() -> None:
    assert types_by_field({"a: string": 1, "a: null": 2, "b: c: object": 3}) == {
        "a": {"null": 2, "string": 1},
        "b: c": {"object": 3},
    }
