"""A resource becomes a record: nothing lost, nothing invented."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import load_catalog
from shared.catalog.model import Column, ColumnType, Include, Table
from shared.record import Drift, Normalizer, Record, Rejected, Version

OBSERVED = 1_800_000_000_000_000

THINGS = Table(
    name="things",
    path="things",
    type="things",
    set="core",
    columns=(
        Column("id", ColumnType.STRING, "id", "id"),
        Column("owner_id", ColumnType.STRING, "to_one_id", "owner", references="people"),
        Column("origin_id", ColumnType.STRING, "to_one_id", "origin"),
        Column("origin_type", ColumnType.STRING, "to_one_type", "origin"),
        Column("amount", ColumnType.NUMERIC, "attribute", "amount"),
        Column("count", ColumnType.INT64, "attribute", "count"),
        Column("id_attribute", ColumnType.STRING, "attribute", "id"),
        Column("name", ColumnType.STRING, "attribute", "name"),
        Column("settings", ColumnType.JSON, "attribute", "settings"),
        Column("token", ColumnType.STRING, "attribute", "token", secret=True),
        Column("updated_at", ColumnType.TIMESTAMP, "attribute", "updated_at"),
        Column("tags_ids", ColumnType.STRING_ARRAY, "to_many_ids", "tags"),
    ),
    includes=(Include("owner", "people"), Include("origin")),
    change_column="updated_at",
)


def normalize(resource: Any, drift: Drift | None = None) -> Record | Rejected:
    columns = [column for column in THINGS.columns if not column.secret]
    return Normalizer(THINGS, columns).normalize(resource, OBSERVED, drift if drift is not None else Drift())


def record_of(resource: Any, drift: Drift | None = None) -> Record:
    result = normalize(resource, drift)
    assert isinstance(result, Record)
    return result


def thing(relationships: dict[str, Any] | None = None, /, **attributes: Any) -> dict[str, Any]:
    return {"id": "1", "type": "things", "attributes": attributes, "relationships": relationships or {}}


def test_attributes_and_relationships_become_columns() -> None:
    record = record_of(
        thing(
            {
                "owner": {"data": {"type": "people", "id": "7"}},
                "origin": {"data": {"type": "tasks", "id": 9}},
                "tags": {"data": [{"type": "tags", "id": "3"}, {"type": "tags", "id": "4"}]},
            },
            amount=Decimal("12.50"),
            name="x",
            settings={"a": [1]},
        )
    )
    assert record.data == {
        "id": "1",
        "owner_id": "7",
        "origin_id": "9",
        "origin_type": "tasks",
        "amount": "12.5",
        "name": "x",
        "settings": '{"a":[1]}',
        "tags_ids": ["3", "4"],
    }


def test_a_relationship_that_was_not_asked_for_or_is_empty_gives_no_value() -> None:
    record = record_of(thing({"owner": {"meta": {"included": False}}, "origin": {"data": None}}))
    assert record.data == {"id": "1"}


def test_an_attribute_called_id_keeps_its_value_beside_the_record_s_own() -> None:
    assert record_of(thing(id=55)).data == {"id": "1", "id_attribute": "55"}


def test_the_version_is_the_change_time_and_the_observation() -> None:
    assert record_of(thing(updated_at="2026-01-01T00:00:00Z")).version == Version(
        1_767_225_600_000_000, OBSERVED
    )
    assert (
        record_of(thing(last_activity_at="2026-01-01T00:00:00Z")).version.changed_us == 1_767_225_600_000_000
    )
    assert record_of(thing(updated_at=None)).version == Version(OBSERVED, OBSERVED)


def test_what_does_not_fit_is_null_and_kept_as_it_came() -> None:
    drift = Drift()
    record = record_of(
        thing({"owner": "7"}, amount="12 EUR", count=2**70, settings={"n": Decimal("0.10")}, name="fine"),
        drift,
    )
    unparsed = record.data.pop("_unparsed")
    assert record.data == {"id": "1", "name": "fine", "settings": '{"n":0.10}'}
    assert json.loads(str(unparsed)) == {"amount": "12 EUR", "count": 2**70, "owner_id": "7"}
    assert drift.unparsed == {"amount": 1, "count": 1, "owner_id": 1}


def test_unknown_fields_are_counted_and_never_added() -> None:
    drift = Drift()
    resource = thing({"friend": {"data": None}}, brand_new=1, other={"a": 1}, token="s3cret")
    assert record_of(resource, drift).data == {"id": "1"}
    assert drift.unknown == {
        ("brand_new", "integer"): 1,
        ("other", "object"): 1,
        ("friend", "relationship"): 1,
    }


def test_a_credential_is_not_read_unless_it_was_selected() -> None:
    assert "token" not in record_of(thing(token="s3cret")).data


def test_ids_of_every_spelling_are_text_and_missing_ones_are_rejected() -> None:
    assert record_of({"id": 17}).id == "17"
    assert record_of({"id": "1-projects", "attributes": None}).id == "1-projects"
    for nonsense in ({"id": ""}, {"id": None}, {"id": True}, {}, None, "x", ["id"]):
        assert isinstance(normalize(nonsense), Rejected)


any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([column.field for column in THINGS.columns] + ["unknown"])


@given(
    attributes=st.dictionaries(names, any_json),
    relationships=st.dictionaries(names, any_json | st.fixed_dictionaries({"data": any_json})),
)
def test_whatever_comes_every_selected_value_is_in_its_column_or_in_unparsed(
    attributes: dict[str, Any], relationships: dict[str, Any]
) -> None:
    record = record_of({"id": "1", "attributes": attributes, "relationships": relationships})
    kept = json.loads(str(record.data.get("_unparsed", "{}")))
    for column in THINGS.columns:
        if column.kind == "attribute" and not column.secret and attributes.get(column.field) is not None:
            assert (column.name in record.data) != (column.name in kept)


def test_every_table_of_the_catalog_can_be_normalized() -> None:
    for table in load_catalog().values():
        resource = {"id": "1", "attributes": {c.field: {} for c in table.columns if c.kind == "attribute"}}
        result = Normalizer(table, table.columns).normalize(resource, OBSERVED, Drift())
        assert isinstance(result, Record)
        kept = json.loads(str(result.data.get("_unparsed", "{}")))
        in_json = {c.name for c in table.columns if c.kind == "attribute" and c.type is ColumnType.JSON}
        assert set(kept) == {c.name for c in table.columns if c.kind == "attribute"} - in_json
