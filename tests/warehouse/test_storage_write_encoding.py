"""Every value that BigQuery would not take is found before it is sent, and nothing else is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog import load_catalog
from shared.catalog.model import ColumnType
from shared.record.model import OwnColumn, Source, Value
from shared.record.values import canonical_numeric
from shared.warehouse.bigquery.changes import ChangeRow
from shared.warehouse.bigquery.descriptor import describe
from shared.warehouse.bigquery.encoding import RowEncoder
from shared.warehouse.port import OWN_COLUMNS, RefusedRow
from tests.contracts.warehouse import EVERY_TYPE, EXTREMES, MISFITS

COLUMNS = (*EVERY_TYPE.columns, *((str(name), type_) for name, type_ in OWN_COLUMNS))
ENCODER = RowEncoder(COLUMNS)
TYPES = dict(COLUMNS)


def change(**values: Any) -> ChangeRow:
    return ChangeRow("UPSERT", "1/1", {"id": "7", **values})


def encode(*rows: ChangeRow) -> tuple[list[dict[str, Any]], list[RefusedRow]]:
    """The rows as a reader of the wire finds them, and those refused."""
    encoded = ENCODER.encode(rows, largest=1_000_000)
    message = describe(COLUMNS).message
    read = []
    for data in encoded.rows:
        set_fields = message.FromString(data).ListFields()
        row = {each.name: list(value) if each.is_repeated else value for each, value in set_fields}
        del row["_CHANGE_TYPE"], row["_CHANGE_SEQUENCE_NUMBER"]
        read.append(row)
    return read, list(encoded.refused)


@pytest.mark.parametrize(("column", "value"), EXTREMES)
def test_what_a_column_can_hold_arrives_as_it_was(column: str, value: Value) -> None:
    assert encode(change(**{column: value})) == ([{"id": "7", column: value}], [])


@pytest.mark.parametrize(("column", "value"), MISFITS)
def test_a_misfit_is_refused_with_its_column_and_the_rows_beside_it_go_on(column: str, value: Any) -> None:
    read, refused = encode(change(group="a"), change(**{column: value}), change(group="b"))
    assert [row["group"] for row in read] == ["a", "b"]
    assert [row.index for row in refused] == [1]
    assert f"column `{column}` " in refused[0].reason


@pytest.mark.parametrize(("column", "value"), [("group", "s3cret \ud800"), ("amount", "s3cret")])
def test_a_reason_does_not_quote_the_value(column: str, value: str) -> None:
    (refused,) = encode(change(**{column: value}))[1]
    assert "s3cret" not in refused.reason


def test_several_misfits_are_all_found_and_the_first_column_is_named() -> None:
    rows = [change(order="7"), change(group=7, amount="ten"), change(), change(id=None), change(id="\udfff")]
    read, refused = encode(*rows)
    assert len(read) == 1
    assert refused == [
        RefusedRow(0, "column `order` holds a value of type str and needs int"),
        RefusedRow(1, "column `amount` is not a decimal of at most 29 digits before and 9 after the point"),
        RefusedRow(3, "column `id` has no value"),
        RefusedRow(4, "column `id` is not valid Unicode text"),
    ]


def test_bytes_in_a_list_are_no_text() -> None:
    read, refused = encode(change(tag_ids=[b"a"]), change(tag_ids=["\ud800"]), change(tag_ids=("a",)))
    assert read == []
    assert [row.reason.partition(" ")[2][:9] for row in refused] == ["`tag_ids`"] * 3


def test_texts_and_numbers_of_a_kind_of_their_own_are_taken_for_what_they_are() -> None:
    assert encode(change(_source=Source.BACKFILL)) == ([{"id": "7", "_source": "backfill"}], [])


def test_json_nested_too_deeply_to_be_read_is_refused() -> None:
    refused = encode(change(params="[" * 100_000 + "]" * 100_000))[1]
    assert [row.reason for row in refused] == ["column `params` holds text that is not JSON"]


def test_an_empty_array_and_none_are_the_same() -> None:
    encoded = ENCODER.encode([change(tag_ids=[]), change(tag_ids=None), change()], largest=1_000)
    assert len(set(encoded.rows)) == 1


def test_a_deletion_needs_its_key_and_nothing_else() -> None:
    rows = [ChangeRow("DELETE", "1/1", {"id": "7", "order": "no number"}), ChangeRow("DELETE", "1/1", {})]
    assert encode(*rows) == ([{"id": "7"}], [RefusedRow(1, "column `id` has no value")])


@pytest.mark.parametrize("sequence", ["", "xyz", "1/2/3/4/5", "0" * 17, "1/", "-1"])
def test_a_number_that_orders_nothing_is_refused(sequence: str) -> None:
    encoded = ENCODER.encode([ChangeRow("UPSERT", sequence, {"id": "7"}), change()], largest=1_000)
    assert [row.index for row in encoded.refused] == [0]


def test_a_row_over_the_limit_is_refused_with_its_size() -> None:
    encoded = ENCODER.encode([change(group="x" * 2_000)], largest=1_000)
    assert [row.reason for row in encoded.refused] == [
        "takes 2,020 bytes, of which BigQuery takes 1,000 at once"
    ]


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_number_that_normalization_lets_through_fits(number: Decimal) -> None:
    text = canonical_numeric(number)
    if isinstance(text, str):
        assert encode(change(amount=text)) == ([{"id": "7", "amount": text}], [])


VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    ColumnType.STRING: st.text(max_size=20),
    ColumnType.INT64: st.integers(-(2**63), 2**63 - 1),
    ColumnType.BOOL: st.booleans(),
    ColumnType.TIMESTAMP: st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    ColumnType.DATE: st.integers(-719_162, 2_932_896),
    ColumnType.NUMERIC: st.decimals(-(10**20), 10**20, places=9).map(lambda number: format(number, "f")),
    ColumnType.JSON: st.sampled_from(["{}", "[1.50]", "null", '"é"']),
    ColumnType.STRING_ARRAY: st.lists(st.text(max_size=5), min_size=1, max_size=3),
}
ROWS = st.fixed_dictionaries(
    {}, optional={name: st.none() | VALUES[type_] for name, type_ in COLUMNS if name != "id"}
)
ANYTHING = st.one_of(*VALUES.values(), st.binary(max_size=5), st.floats(), st.text(alphabet="\ud800a"))


@settings(deadline=None)
@given(st.lists(ROWS, max_size=8))
def test_rows_with_any_values_missing_arrive_as_they_were(rows: list[dict[str, Any]]) -> None:
    sent = [change(**values) for values in rows]
    kept = [{name: value for name, value in row.values.items() if value is not None} for row in sent]
    assert encode(*sent) == (kept, [])


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(list(TYPES)), ANYTHING), max_size=6))
def test_whatever_comes_every_row_is_either_encoded_or_refused_and_each_as_if_it_were_alone(
    rows: list[dict[str, Any]],
) -> None:
    sent = [change(**values) for values in rows]
    together = ENCODER.encode(sent, largest=1_000_000)
    assert sorted([*together.indexes, *(row.index for row in together.refused)]) == list(range(len(sent)))
    alone = [ENCODER.encode([row], largest=1_000_000) for row in sent]
    assert together.rows == [each.rows[0] for each in alone if each.rows]


def test_every_table_of_the_catalog_can_be_described() -> None:
    for table in load_catalog().values():
        columns = tuple((column.name, column.type) for column in table.columns)
        encoder = RowEncoder((*columns, *((str(name), type_) for name, type_ in OWN_COLUMNS)))
        assert OwnColumn.UNPARSED in encoder.columns
