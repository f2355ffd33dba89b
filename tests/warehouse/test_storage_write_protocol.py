"""What goes over the wire to the Storage Write API, byte by byte."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.model import ColumnType
from shared.record.model import Value, Version
from shared.warehouse.bigquery.append_settings import AppendSettings
from shared.warehouse.bigquery.changes import ChangeRow, sequence_of
from shared.warehouse.bigquery.descriptor import describe
from shared.warehouse.bigquery.encoding import RowEncoder
from shared.warehouse.bigquery.parcels import ROW_OVERHEAD, Packer
from tests.google.storage_write_harness import COLUMNS, DEALS, PEOPLE, Town, deletion, many, town, upsert

INT64 = st.integers(-(2**63), 2**63 - 1)
SEQUENCE = "8000000000000001/8000000000000001"
MARK = b"\x06UPSERT"


@pytest.fixture
async def place() -> AsyncIterator[Town]:
    async with town() as it:
        yield it


def fields(*columns: tuple[str, ColumnType]) -> list[tuple[str, int, str, str]]:
    types = {3: "int64", 5: "int32", 8: "bool", 9: "string"}
    labels = {1: "optional", 3: "repeated"}
    described = describe(columns).proto.field
    return [(each.name, each.number, types[each.type], labels[each.label]) for each in described]


# The descriptor


def test_each_type_of_column_has_its_type_of_field_and_the_pseudo_columns_come_last() -> None:
    columns = tuple((f"c_{type_.name.lower()}", type_) for type_ in ColumnType)
    assert fields(*columns) == [
        ("c_string", 1, "string", "optional"),
        ("c_int64", 2, "int64", "optional"),
        ("c_bool", 3, "bool", "optional"),
        ("c_timestamp", 4, "int64", "optional"),
        ("c_date", 5, "int32", "optional"),
        ("c_numeric", 6, "string", "optional"),
        ("c_json", 7, "string", "optional"),
        ("c_string_array", 8, "string", "repeated"),
        ("_CHANGE_TYPE", 9, "string", "optional"),
        ("_CHANGE_SEQUENCE_NUMBER", 10, "string", "optional"),
    ]


def test_the_descriptor_has_these_very_bytes() -> None:
    columns = (("id", ColumnType.STRING), ("default", ColumnType.BOOL), ("_tags", ColumnType.STRING_ARRAY))
    assert RowEncoder(columns).schema == (
        b"\n\x03Row"
        b"\x12\n\n\x02id\x18\x01 \x01(\t"
        b"\x12\x0f\n\x07default\x18\x02 \x01(\x08"
        b"\x12\r\n\x05_tags\x18\x03 \x03(\t"
        b"\x12\x14\n\x0c_CHANGE_TYPE\x18\x04 \x01(\t"
        b"\x12\x1f\n\x17_CHANGE_SEQUENCE_NUMBER\x18\x05 \x01(\t"
    )


def test_columns_called_like_keywords_keep_their_names() -> None:
    names = ["default", "order", "group", "message", "None", "self", "class", "_synced_at", "__x"]
    described = fields(*((name, ColumnType.STRING) for name in names))
    assert [each[0] for each in described[: len(names)]] == names


def test_names_that_differ_only_in_underscores_and_case_are_two_columns() -> None:
    names = ["line2", "line_2", "_line2", "lineB", "line_b", "LineB"]
    row = {name: name for name in names}
    encoder = RowEncoder((("id", ColumnType.STRING), *((name, ColumnType.STRING) for name in names)))
    encoded = encoder.encode([ChangeRow("UPSERT", SEQUENCE, {"id": "1", **row})], largest=1_000)
    assert all(name.encode() in encoded.rows[0] for name in names)


def test_a_name_that_is_no_identifier_is_told_beside_the_field() -> None:
    described = describe((("column_2", ColumnType.STRING), ("größe 2", ColumnType.INT64))).proto.field
    assert [each.name for each in described[:2]] == ["column_2", "column_2_"]
    assert described[0].options.SerializeToString() == b""
    assert described[1].options.SerializeToString() == b"\xaa\x9b\xbc\xc7\r\tgr\xc3\xb6\xc3\x9fe 2"


def test_no_field_gets_a_number_that_protobuf_keeps_for_itself() -> None:
    numbers = [each[1] for each in fields(*((f"c{index}", ColumnType.BOOL) for index in range(19_100)))]
    assert numbers[18_998:19_000] == [18_999, 20_000]
    assert len(set(numbers)) == len(numbers)


# Rows

WIRE: tuple[tuple[ColumnType, Value, bytes], ...] = (
    (ColumnType.STRING, "é", b"\x12\x02\xc3\xa9"),
    (ColumnType.STRING, "", b"\x12\x00"),
    (ColumnType.STRING, "a\0b", b"\x12\x03a\0b"),
    (ColumnType.STRING, None, b""),
    (ColumnType.INT64, 0, b"\x10\x00"),
    (ColumnType.INT64, 300, b"\x10\xac\x02"),
    (ColumnType.INT64, -1, b"\x10" + b"\xff" * 9 + b"\x01"),
    (ColumnType.INT64, 2**63 - 1, b"\x10" + b"\xff" * 8 + b"\x7f"),
    (ColumnType.BOOL, True, b"\x10\x01"),
    (ColumnType.BOOL, False, b"\x10\x00"),
    (ColumnType.TIMESTAMP, 1_767_225_600_000_000, b"\x10\x80\x80\x81\xb1\x84\xe9\x91\x03"),
    (ColumnType.DATE, 20_000, b"\x10\xa0\x9c\x01"),
    (ColumnType.DATE, -1, b"\x10" + b"\xff" * 9 + b"\x01"),
    (ColumnType.NUMERIC, "-1234.5", b"\x12\x07-1234.5"),
    (ColumnType.JSON, '{"a":1}', b'\x12\x07{"a":1}'),
    (ColumnType.STRING_ARRAY, ["1", "", "é"], b"\x12\x011\x12\x00\x12\x02\xc3\xa9"),
    (ColumnType.STRING_ARRAY, [], b""),
    (ColumnType.STRING_ARRAY, None, b""),
)


@pytest.mark.parametrize(("type_", "value", "wire"), WIRE)
def test_a_value_has_these_very_bytes(type_: ColumnType, value: Value, wire: bytes) -> None:
    encoder = RowEncoder((("id", ColumnType.STRING), ("value", type_)))
    row = ChangeRow("UPSERT", SEQUENCE, {"id": "7", "value": value})
    assert encoder.encode([row], largest=1_000).rows == [
        b"\x0a\x017" + wire + b"\x1a" + MARK + b"\x22\x21" + SEQUENCE.encode()
    ]


def test_a_deletion_is_its_key_and_its_marks() -> None:
    row = ChangeRow("DELETE", SEQUENCE, {"id": "7", "name": "gone", "amount": "not even a number"})
    assert RowEncoder(COLUMNS).encode([row], largest=1_000).rows == [
        b"\x0a\x017" + b"\x2a\x06DELETE" + b"\x32\x21" + SEQUENCE.encode()
    ]


def test_what_a_row_lacks_or_has_too_much_is_left_out() -> None:
    row = ChangeRow("UPSERT", SEQUENCE, {"id": "7", "brand_new": "x"})
    assert RowEncoder(COLUMNS).encode([row], largest=1_000).rows == [
        b"\x0a\x017" + b"\x2a" + MARK + b"\x32\x21" + SEQUENCE.encode()
    ]


# The order of changes


def sections(sequence: str) -> tuple[int, ...]:
    return tuple(int(section, 16) for section in sequence.split("/"))


@settings(deadline=None)
@given(st.tuples(INT64, INT64), st.tuples(INT64, INT64))
def test_sequence_numbers_are_in_the_order_of_versions(one: tuple[int, int], other: tuple[int, int]) -> None:
    left, right = sequence_of(Version(*one)), sequence_of(Version(*other))
    assert (sections(left) < sections(right)) == (one < other)
    assert (left < right) == (one < other)


def test_sequence_numbers_have_two_sections_of_sixteen_digits_and_times_before_1970_come_first() -> None:
    times = (-(2**63), -1, 0, 1, 2**63 - 1)
    assert [sequence_of(Version(time, 0)) for time in times] == [
        "0000000000000000/8000000000000000",
        "7FFFFFFFFFFFFFFF/8000000000000000",
        "8000000000000000/8000000000000000",
        "8000000000000001/8000000000000000",
        "FFFFFFFFFFFFFFFF/8000000000000000",
    ]


def test_a_time_beyond_64_bits_counts_as_the_last_one() -> None:
    assert sequence_of(Version(2**70, -(2**70))) == "FFFFFFFFFFFFFFFF/0000000000000000"


# Requests


async def test_the_first_request_says_who_and_what_and_the_later_ones_only_where(place: Town) -> None:
    for number in range(3):
        await place.append(upsert(str(number)))
    stream = f"{DEALS}/streams/_default"
    assert [seen.write_stream for seen in place.server.seen] == [stream] * 3
    assert [seen.trace_id for seen in place.server.seen] == ["productive-ingest", "", ""]
    assert [bool(seen.descriptor) for seen in place.server.seen] == [True, False, False]
    assert place.server.seen[0].descriptor == RowEncoder(COLUMNS).schema
    assert place.server.connections == 1


async def test_the_call_names_the_stream_for_routing(place: Town) -> None:
    await place.append(upsert("1"))
    escaped = f"{DEALS}/streams/_default".replace("/", "%2F")
    assert place.server.seen[0].routing in (
        f"write_stream={DEALS}/streams/_default",
        f"write_stream={escaped}",
    )


async def test_other_columns_send_a_new_descriptor_on_the_same_connection(place: Town) -> None:
    for columns in (COLUMNS, COLUMNS[:2], COLUMNS[:2], COLUMNS):
        await place.appender.append(DEALS, columns, [upsert("1", name="a")])
    schemas = [RowEncoder(COLUMNS).schema, RowEncoder(COLUMNS[:2]).schema, b"", RowEncoder(COLUMNS).schema]
    assert [seen.descriptor for seen in place.server.seen] == schemas
    assert place.server.connections == 1


async def test_every_table_has_a_connection_of_its_own(place: Town) -> None:
    await place.append(upsert("1"), table=DEALS)
    await place.append(upsert("1"), table=PEOPLE)
    await place.append(upsert("2"), table=DEALS)
    assert [seen.connection for seen in place.server.seen] == [1, 2, 1]


async def test_nothing_to_send_opens_nothing(place: Town) -> None:
    assert await place.append() == []
    assert place.server.connections == 0


async def test_rows_fill_requests_up_to_the_chosen_size() -> None:
    async with town(AppendSettings(request_bytes=20_000)) as place:
        assert await place.append(*many(1_000, name="x" * 100)) == []
        assert len(place.deals.rows) == 1_000
        sizes = [sum(map(len, seen.rows)) for seen in place.server.seen]
        assert all(17_000 < size <= 20_000 for size in sizes[:-1])


async def test_a_large_row_travels_alone_and_one_too_large_for_any_request_is_refused(place: Town) -> None:
    rows = [upsert("1"), upsert("2", name="x" * 9_400_000), upsert("3", name="x" * 9_600_000), upsert("4")]
    refused = await place.append(*rows)
    assert [row.index for row in refused] == [2]
    assert refused[0].reason.startswith("takes 9,600,")
    assert place.ids_sent == [1, 1, 1]
    assert sorted(place.deals.rows) == ["1", "2", "4"]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(0, 3_000), max_size=60), fill=st.integers(100, 5_000))
def test_parcels_hold_every_row_once_in_order_and_are_as_full_as_they_may_be(
    sizes: list[int], fill: int
) -> None:
    packer = Packer(fill)
    rows = [(b"x" * size, index) for index, size in enumerate(sizes)]
    parcels = [*packer.add(rows), *packer.rest()]
    assert [
        (row, index) for each in parcels for row, index in zip(each.rows, each.indexes, strict=True)
    ] == rows
    assert all(parcel.size <= fill or len(parcel.rows) == 1 for parcel in parcels)
    for left, right in itertools.pairwise(parcels):
        assert left.size + len(right.rows[0]) + ROW_OVERHEAD > fill


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=8,
)
@given(megabytes=st.lists(st.floats(0.001, 9.4), min_size=1, max_size=6))
async def test_no_request_reaches_the_limit_whatever_the_rows(place: Town, megabytes: list[float]) -> None:
    place.server.seen.clear()
    place.deals.stored.clear()
    rows = [upsert(str(index), name="x" * round(size * 1e6)) for index, size in enumerate(megabytes)]
    assert await place.append(*rows) == []
    assert max(seen.size for seen in place.server.seen) < 10_000_000
    assert len(place.deals.rows) == len(rows)


# Changes


async def test_an_upsert_replaces_an_older_one_loses_to_a_newer_one_and_a_deletion_deletes(
    place: Town,
) -> None:
    await place.append(
        upsert("1", 2, name="new"), upsert("1", 1, name="old"), upsert("2", 1), deletion("2", 2)
    )
    assert place.deals.rows == {"1": {"id": "1", "name": "new"}}
    await place.append(deletion("1", 1), upsert("2", 1), upsert("1", 3, amount="1.5"))
    assert place.deals.rows == {"1": {"id": "1", "amount": "1.5"}}
