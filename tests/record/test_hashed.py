"""Hashed columns: pseudonyms that can be joined, and nothing in clear beside them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.reading.wholeness import Wholeness
from shared.catalog import load_catalog
from shared.catalog.hashing import ColumnHasher, HashedColumn, hashed
from shared.catalog.model import Column, ColumnType
from shared.catalog.selection import SelectedTable, SelectionRules, select
from shared.errors import ConfigError
from shared.record import Drift, Normalizer, Record, Rejected
from shared.record.hashed import canonical_text, hashed_parser
from shared.secrets import Secret

KEY = "k" * 64
HASHER = ColumnHasher(Secret(KEY))
OBSERVED = 1_800_000_000_000_000


def people(*rules: str, hasher: ColumnHasher | None = HASHER) -> SelectedTable:
    return select(
        load_catalog(),
        SelectionRules(only=("people",), hash_columns=tuple(f"people.{r}" for r in rules)),
        hasher,
    )["people"]


def record_of(selected: SelectedTable, drift: Drift | None = None, **attributes: Any) -> Record:
    resource = {"id": "1", "type": "people", "attributes": attributes}
    result = Normalizer(selected.table, selected.columns).normalize(resource, OBSERVED, drift or Drift())
    assert isinstance(result, Record)
    return result


def test_a_pseudonym_is_the_keyed_hash_that_anybody_with_the_key_can_make_again() -> None:
    # echo -n ada@example.com | openssl dgst -sha256 -hmac kkkk… (64 of them)
    assert record_of(people("email"), email="ada@example.com").data["email"] == (
        "584b06a75e40b2fb2939dae59a90a44876ec61e546f0d4d93af729079a272165"
    )


def test_equal_values_have_equal_pseudonyms_in_every_table_and_others_differ() -> None:
    selected = select(
        load_catalog(),
        SelectionRules(
            only=("people", "contact_entries"), hash_columns=("people.email", "contact_entries.email")
        ),
        HASHER,
    )
    values = []
    for table in selected.values():
        resource = {"id": "1", "attributes": {"email": "ada@example.com"}}
        record = Normalizer(table.table, table.columns).normalize(resource, OBSERVED, Drift())
        assert isinstance(record, Record)
        values.append(record.data["email"])
    assert len(set(values)) == 1
    assert record_of(people("email"), email="Ada@example.com").data["email"] != values[0]


def test_another_key_gives_other_pseudonyms() -> None:
    other = people("email", hasher=ColumnHasher(Secret("x" * 64)))
    assert record_of(other, email="a").data["email"] != record_of(people("email"), email="a").data["email"]


def test_null_stays_null_and_a_column_of_any_type_becomes_text() -> None:
    selected = people("email", "joined_at", "contact", "is_user")
    types = dict(selected.typed_columns)
    assert {types[name] for name in ("email", "joined_at", "contact", "is_user")} == {ColumnType.STRING}
    assert selected.hashed_columns == ("contact", "email", "is_user", "joined_at")
    assert record_of(selected, email=None, joined_at=None, contact=None).data == {"id": "1"}
    assert len(str(record_of(selected, contact={"emails": []}).data["contact"])) == 64


def test_a_value_that_does_not_fit_is_hashed_and_kept_nowhere_in_clear() -> None:
    drift = Drift()
    record = record_of(people("email", "joined_at"), drift, email={"x": "ada"}, joined_at="ada was here")
    assert "_unparsed" not in record.data
    assert "ada" not in json.dumps(record.data)
    assert not drift.unparsed


def test_the_time_of_the_last_change_comes_from_what_productive_said() -> None:
    selected = select(
        load_catalog(),
        SelectionRules(
            only=("deals",), hash_columns=("deals.name",), skip_columns=("deals.last_activity_at",)
        ),
        HASHER,
    )["deals"]
    resource = {"id": "1", "attributes": {"name": "x", "last_activity_at": "2026-01-01T00:00:00Z"}}
    record = Normalizer(selected.table, selected.columns).normalize(resource, OBSERVED, Drift())
    assert isinstance(record, Record)
    assert record.version.changed_us == 1_767_225_600_000_000


@pytest.mark.parametrize(
    ("type_", "spellings"),
    [
        (ColumnType.STRING, ["17", 17, Decimal(17)]),
        (ColumnType.NUMERIC, ["12.50", Decimal("12.5"), "1.25e1"]),
        (ColumnType.INT64, [3, "3", Decimal("3.0")]),
        (ColumnType.TIMESTAMP, ["2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000Z"]),
        (ColumnType.JSON, [{"a": 1, "b": [{"c": None, "d": 2}]}, {"b": [{"d": 2, "c": None}], "a": 1}]),
    ],
)
def test_all_spellings_of_one_value_have_one_pseudonym(type_: ColumnType, spellings: list[Any]) -> None:
    assert len({canonical_text(value, type_) for value in spellings}) == 1


any_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(value=any_json, type_=st.sampled_from([t for t in ColumnType if t is not ColumnType.STRING_ARRAY]))
def test_whatever_comes_only_a_pseudonym_is_left(value: Any, type_: ColumnType) -> None:
    column = hashed(Column("x", type_, "attribute", "x"), HASHER)
    pseudonym = hashed_parser(column)(value)
    assert isinstance(pseudonym, str)
    assert len(pseudonym) == 64
    assert set(pseudonym) <= set("0123456789abcdef")


def test_a_rejected_resource_keeps_no_value_that_is_hashed_skipped_or_not_synced() -> None:
    selected = select(
        load_catalog(),
        SelectionRules(only=("people",), hash_columns=("people.email",), skip_columns=("people.contact",)),
        HASHER,
    )["people"]
    attributes = {"email": "ada@x", "contact": {"phone": "55"}, "brand_new": "ada", "title": "CTO"}
    resource = {"type": "people", "attributes": attributes, "relationships": {"odd": {"data": "ada"}}}
    normalizer = Normalizer(selected.table, selected.columns)
    result = normalizer.normalize(resource, OBSERVED, Drift())
    assert isinstance(result, Rejected)
    assert normalizer.redacted(result.resource) == {
        "type": "people",
        "attributes": {
            "email": "[not kept]",
            "contact": "[not kept]",
            "brand_new": "[not kept]",
            "title": "CTO",
        },
        "relationships": {"odd": "[not kept]"},
    }
    assert normalizer.redacted("nonsense") == "nonsense"


def test_without_a_key_nothing_is_read_at_all() -> None:
    selected = people("email", hasher=None)
    with pytest.raises(ConfigError, match="no key to hash 'email' with"):
        Normalizer(selected.table, selected.columns)


def test_the_key_is_not_shown_and_must_be_long() -> None:
    assert KEY not in repr(people("email").columns)
    assert KEY not in repr(HASHER)
    with pytest.raises(ConfigError, match="shorter than 32 characters") as caught:
        ColumnHasher(Secret("hunter2"))
    assert "hunter2" not in caught.value.message + caught.value.advice


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"hash_columns": ("people.id",)}, "people.id cannot be hashed: rows are found and joined"),
        ({"hash_columns": ("people.company_id",)}, "people.company_id cannot be hashed"),
        ({"hash_columns": ("tasks.updated_at",)}, "tasks.updated_at cannot be hashed: `_changed_at`"),
        (
            {"hash_columns": ("people.email",), "skip_columns": ("people.email",)},
            "people.email is in `hash` and in `skip`",
        ),
        ({"hash_columns": ("people.emial",)}, "the table 'people' has no column 'emial'"),
        ({"hash_columns": ("people",)}, "'people' does not name a column"),
    ],
)
def test_what_cannot_be_hashed_is_refused_with_the_reason(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        select(load_catalog(), SelectionRules(**rules), HASHER)
    assert message in caught.value.message
    assert caught.value.advice


def test_credentials_are_hashed_only_where_they_are_asked_for() -> None:
    catalog = load_catalog()
    name = next(f"{t.name}.{c.name}" for t in catalog.values() for c in t.columns if c.secret and t.listable)
    table, _, column = name.partition(".")
    with pytest.raises(ConfigError, match="holds credentials and is not synced"):
        select(catalog, SelectionRules(hash_columns=(name,)), HASHER)
    rules = SelectionRules(only=(table,), hash_columns=(name,), add_columns=(name,))
    chosen = {c.name: c for c in select(catalog, rules, HASHER)[table].columns}
    assert isinstance(chosen[column], HashedColumn)


def test_a_webhook_s_payload_is_hashed_as_a_crawl_s_record_is() -> None:
    selected = select(load_catalog(), SelectionRules(only=("deals",), hash_columns=("deals.name",)), HASHER)[
        "deals"
    ]
    attributes: dict[str, Any] = {c.field: None for c in selected.columns if c.kind == "attribute"}
    resource = {
        "id": "1",
        "type": "deals",
        "attributes": attributes | {"name": {"odd": "Secret deal"}, "updated_at": "2026-01-01T00:00:00Z"},
        "relationships": {c.field: {"data": None} for c in selected.columns if c.kind != "attribute"},
    }
    told = Wholeness(selected).record(resource, "1", observed_us=OBSERVED)
    crawled = Normalizer(selected.table, selected.columns).normalize(resource, OBSERVED, Drift())
    assert told == crawled
    assert told is not None
    assert "Secret" not in json.dumps(told.data)
    assert len(str(told.data["name"])) == 64


MARKER = "9f-never-in-clear-9f"
private = st.sampled_from(["email", "contact", "joined_at", "two_factor_auth", "last_name", "brand_new"])
wrapped = st.recursive(
    st.just(MARKER),
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(st.just("x"), inner, min_size=1),
    max_leaves=3,
) | st.builds(lambda value: {MARKER: value}, st.integers())


@given(
    attributes=st.dictionaries(private, wrapped, max_size=6),
    relationships=st.dictionaries(st.sampled_from(["brand_new", "subsidiary"]), wrapped, max_size=2),
    id_=st.none() | st.just("1"),
)
def test_wherever_a_private_value_hides_nothing_that_is_published_or_set_aside_holds_it(
    attributes: dict[str, Any], relationships: dict[str, Any], id_: str | None
) -> None:
    rules = SelectionRules(
        only=("people",),
        hash_columns=("people.email", "people.contact", "people.joined_at", "people.two_factor_auth"),
        skip_columns=("people.last_name", "people.subsidiary_id"),
    )
    selected = select(load_catalog(), rules, HASHER)["people"]
    normalizer, drift = Normalizer(selected.table, selected.columns), Drift()
    resource = {"id": id_, "attributes": attributes, "relationships": relationships}
    result = normalizer.normalize(resource, OBSERVED, drift)
    drift.look([resource])
    kept = result.data if isinstance(result, Record) else normalizer.redacted(result.resource)
    assert MARKER not in json.dumps(kept)
    assert MARKER not in repr(drift)
