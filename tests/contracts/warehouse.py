"""What every warehouse must do, whatever it is made of.

Subclass `WarehouseContract` in the tests of an adapter and give it a `connect` fixture; pytest then runs
the whole suite on that adapter. The class attributes say where a store may be less exact than ours.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.model import ColumnType
from shared.errors import ConfigError
from shared.record.model import OwnColumn, Record, Source, Value, Version
from shared.warehouse.port import OWN_COLUMNS, Row, SchemaChange, TableSchema, Warehouse, WriteOutcome

Connect = Callable[[], Awaitable[Warehouse]]

DEALS = TableSchema(
    "deals",
    (("id", ColumnType.STRING), ("name", ColumnType.STRING), ("position", ColumnType.INT64)),
)

KEPT = replace(DEALS, history=True)

EVERY_TYPE = TableSchema(
    "filters",
    (
        ("id", ColumnType.STRING),
        ("default", ColumnType.BOOL),
        ("order", ColumnType.INT64),
        ("amount", ColumnType.NUMERIC),
        ("time", ColumnType.TIMESTAMP),
        ("date", ColumnType.DATE),
        ("params", ColumnType.JSON),
        ("tag_ids", ColumnType.STRING_ARRAY),
        ("group", ColumnType.STRING),
    ),
)

FIRST_TIMESTAMP, LAST_TIMESTAMP = -62_135_596_800_000_000, 253_402_300_799_999_999
FIRST_DATE, LAST_DATE = -719_162, 2_932_896
LARGEST_NUMERIC = f"{'9' * 29}.{'9' * 9}"

EXTREMES: tuple[tuple[str, Value], ...] = (
    ("default", True),
    ("default", False),
    ("order", 0),
    ("order", -(2**63)),
    ("order", 2**63 - 1),
    ("amount", "0"),
    ("amount", "10000"),
    ("amount", "0.5"),
    ("amount", "-3.25"),
    ("amount", "0.000000001"),
    ("amount", LARGEST_NUMERIC),
    ("amount", f"-{LARGEST_NUMERIC}"),
    ("time", 0),
    ("time", -1),
    ("time", FIRST_TIMESTAMP),
    ("time", LAST_TIMESTAMP),
    ("date", 0),
    ("date", FIRST_DATE),
    ("date", LAST_DATE),
    ("params", "{}"),
    ("params", "[]"),
    ("params", "null"),
    ("params", '"text"'),
    ("params", '{"a":{"b":[1,2.5,true,null,{"c":"\\u0000 \\"quoted\\" é 🦆"}]}}'),
    ("tag_ids", ["1"]),
    ("tag_ids", ["", "b\0c", "🦆", "b\0c"]),
    ("group", ""),
    ("group", "a\0b"),
    ("group", "é 🦆 \u202e \u200b ﷽"),
    ("group", "'; DROP TABLE filters; --"),
    ("group", "x" * 100_000),
)

MISFITS: tuple[tuple[str, Any], ...] = (
    ("order", 2**63),
    ("order", "7"),
    ("order", True),
    ("order", 1.5),
    ("default", 1),
    ("amount", f"1{'0' * 29}"),
    ("amount", "0.0000000001"),
    ("amount", "ten"),
    ("amount", ""),
    ("amount", 5),
    ("time", LAST_TIMESTAMP + 1),
    ("time", FIRST_TIMESTAMP - 1),
    ("time", "2024-01-01T00:00:00Z"),
    ("date", LAST_DATE + 1),
    ("date", FIRST_DATE - 1),
    ("params", "{"),
    ("params", ""),
    ("params", '"\\ud800"'),
    ("params", {}),
    ("tag_ids", "abc"),
    ("tag_ids", ["a", None]),
    ("tag_ids", [1]),
    ("group", "\ud800"),
    ("group", 7),
    ("group", b"bytes"),
    ("_unparsed", "not json"),
)


def row(
    id_: str, version: tuple[int, int] | int, op: Literal["upsert", "delete"] = "upsert", /, **data: Any
) -> Row:
    """A row of a backfill; a version of one number stands for the same twice."""
    pair = (version, version) if isinstance(version, int) else version
    return Row(Record(id_, op, Version(*pair), data), Source.BACKFILL, "run-1")


def deletion(id_: str, version: tuple[int, int] | int) -> Row:
    """A row that deletes."""
    return row(id_, version, "delete")


async def everything(warehouse: Warehouse, schema: TableSchema) -> Mapping[str, Mapping[str, Value]]:
    """The whole table by id, and proof that no id is there twice."""
    ids = [id_ async for chunk in warehouse.ids(schema.name) for id_ in chunk]
    assert len(ids) == len(set(ids)), "an id is there more than once"
    state = await warehouse.state(schema.name)
    assert state is not None
    assert state.rows == len(ids)
    return await warehouse.fetch(schema, ids)


async def versions(
    warehouse: Warehouse, *, observed_before_us: int | None = None
) -> set[tuple[str, int, int]]:
    """All versions of `deals`."""
    chunks = warehouse.versions("deals", observed_before_us=observed_before_us)
    return {(each.id, each.changed_us, each.observed_us) async for chunk in chunks for each in chunk}


async def tombstones(
    warehouse: Warehouse, *, observed_before_us: int | None = None
) -> set[tuple[str, int, int]]:
    """All remembered deletions of `deals`."""
    chunks = warehouse.tombstones("deals", observed_before_us=observed_before_us)
    return {(each.id, each.changed_us, each.observed_us) async for chunk in chunks for each in chunk}


class WarehouseContract:
    """The suite; `connect` opens the same store each time it is called, and its opener closes it."""

    tells_stale_rows = True
    """Whether the counts of an outcome say which rows lost; a store that merges later cannot know."""
    keeps_null_arrays = True
    """Whether an array that is NULL is told from an empty one; if not, an empty one is left out too."""
    keeps_json_text = True
    """Whether JSON comes back to the character, with every digit of its numbers."""
    forgets_purges_at_once = True
    """Whether a purged row may come back with the version that it had, or an older one, at once and not only
    after a time for which the store remembers by itself that something was deleted."""

    @pytest.fixture
    def connect(self) -> Connect:
        raise NotImplementedError

    @pytest.fixture
    async def warehouse(self, connect: Connect) -> AsyncIterator[Warehouse]:
        warehouse = await connect()
        yield warehouse
        await warehouse.close()

    @pytest.fixture
    async def deals(self, warehouse: Warehouse) -> Warehouse:
        await warehouse.ensure_table(DEALS)
        return warehouse

    def expect(self, outcome: WriteOutcome, *, applied: int, stale: int = 0) -> None:
        assert outcome.refused == ()
        if self.tells_stale_rows:
            assert (outcome.applied, outcome.stale) == (applied, stale)
        else:
            assert outcome.applied + outcome.stale == applied + stale

    # Tables

    async def test_a_table_that_nobody_made_has_no_state_no_ids_and_no_rows(
        self, warehouse: Warehouse
    ) -> None:
        assert await warehouse.state("deals") is None
        assert [chunk async for chunk in warehouse.ids("deals")] == []
        assert await warehouse.fetch(DEALS, ["1"]) == {}

    async def test_a_new_table_is_empty_and_has_the_schemas_columns_and_our_own(
        self, warehouse: Warehouse
    ) -> None:
        assert await warehouse.ensure_table(EVERY_TYPE) == SchemaChange(created=True)
        state = await warehouse.state(EVERY_TYPE.name)
        assert state is not None
        assert (state.rows, state.last_synced_us, state.last_changed_us, state.unparsed_rows) == (
            0,
            None,
            None,
            0,
        )
        assert dict(state.columns) == {
            str(name): str(type_) for name, type_ in (*EVERY_TYPE.columns, *OWN_COLUMNS)
        }

    async def test_ensuring_a_table_again_changes_nothing(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="a")])
        assert await deals.ensure_table(DEALS) == SchemaChange()
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "a"}}

    async def test_columns_are_added_to_a_table_that_keeps_its_rows(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="a", position=3)])
        wider = TableSchema(
            "deals", (*DEALS.columns, ("amount", ColumnType.NUMERIC), ("tags", ColumnType.STRING_ARRAY))
        )
        assert await deals.ensure_table(wider) == SchemaChange(added=("amount", "tags"))
        await deals.write(wider, [row("2", 1, amount="7.5", tags=["x"])])
        rows = await everything(deals, wider)
        assert rows["1"]["name"] == "a"
        assert rows["1"]["position"] == 3
        assert "amount" not in rows["1"]
        assert rows["2"] == {"id": "2", "amount": "7.5", "tags": ["x"]}

    async def test_columns_that_a_schema_leaves_out_stay_in_the_table(self, deals: Warehouse) -> None:
        narrower = TableSchema("deals", DEALS.columns[:2])
        assert await deals.ensure_table(narrower) == SchemaChange()
        state = await deals.state("deals")
        assert state is not None
        assert "position" in state.columns

    async def test_a_writer_that_knows_fewer_columns_leaves_the_others_empty_in_its_rows_only(
        self, deals: Warehouse
    ) -> None:
        wider = TableSchema("deals", (*DEALS.columns, ("amount", ColumnType.NUMERIC)))
        await deals.ensure_table(wider)
        await deals.write(wider, [row("1", 1, name="a", amount="7.5"), row("2", 1, name="b", amount="8")])
        await deals.ensure_table(DEALS)
        await deals.write(DEALS, [row("1", 2, name="A"), row("3", 1, name="c")])
        await deals.write(wider, [row("3", 2, name="C", amount="9")])
        assert await everything(deals, wider) == {
            "1": {"id": "1", "name": "A"},
            "2": {"id": "2", "name": "b", "amount": "8"},
            "3": {"id": "3", "name": "C", "amount": "9"},
        }

    async def test_values_that_the_schema_has_no_column_for_are_not_written(self, deals: Warehouse) -> None:
        self.expect(await deals.write(DEALS, [row("1", 1, name="a", brand_new="x")]), applied=1)
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "a"}}

    async def test_columns_may_come_in_another_order_than_the_tables(self, deals: Warehouse) -> None:
        other = TableSchema("deals", (DEALS.columns[0], *DEALS.columns[:0:-1]))
        assert await deals.ensure_table(other) == SchemaChange()
        await deals.write(other, [row("1", 1, name="a", position=2)])
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "a", "position": 2}}

    # Versions

    async def test_a_record_is_written_and_read_back(self, deals: Warehouse) -> None:
        self.expect(await deals.write(DEALS, [row("17", 5, name="Website", position=2)]), applied=1)
        assert await deals.fetch(DEALS, ["17"]) == {"17": {"id": "17", "name": "Website", "position": 2}}

    async def test_nothing_to_write_is_no_error(self, deals: Warehouse) -> None:
        assert await deals.write(DEALS, []) == WriteOutcome(applied=0, stale=0)

    async def test_a_newer_state_replaces_an_older_one(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="old")])
        self.expect(await deals.write(DEALS, [row("1", 2, name="new")]), applied=1)
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "new"}}

    async def test_an_older_state_is_ignored(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 2, name="new")])
        self.expect(await deals.write(DEALS, [row("1", 1, name="old")]), applied=0, stale=1)
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "new"}}

    async def test_versions_are_compared_by_change_first_and_then_by_observation(
        self, deals: Warehouse
    ) -> None:
        cases = {
            "later observation": ((5, 1), (5, 2), "incoming"),
            "earlier observation": ((5, 2), (5, 1), "stored"),
            "later change, earlier observation": ((5, 9), (6, 1), "incoming"),
            "earlier change, later observation": ((6, 1), (5, 9), "stored"),
        }
        await deals.write(DEALS, [row(id_, stored, name="stored") for id_, (stored, _, _) in cases.items()])
        await deals.write(DEALS, [row(id_, later, name="incoming") for id_, (_, later, _) in cases.items()])
        names = {id_: values["name"] for id_, values in (await everything(deals, DEALS)).items()}
        assert names == {id_: winner for id_, (_, _, winner) in cases.items()}

    async def test_the_same_version_again_changes_nothing(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="a")])
        self.expect(await deals.write(DEALS, [row("1", 1, name="a")]), applied=0, stale=1)
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "a"}}

    async def test_of_one_id_given_several_times_the_newest_counts_in_any_order(
        self, deals: Warehouse
    ) -> None:
        orders = list(itertools.permutations((1, 2, 3)))
        for order in orders:
            rows = [row(f"{order}", version, name=f"state {version}") for version in order]
            self.expect(await deals.write(DEALS, rows), applied=1, stale=2)
        names = {id_: values["name"] for id_, values in (await everything(deals, DEALS)).items()}
        assert names == {f"{order}": "state 3" for order in orders}

    async def test_the_same_row_twice_in_one_write_is_one_row(self, deals: Warehouse) -> None:
        self.expect(await deals.write(DEALS, [row("1", 1, name="a")] * 2), applied=1, stale=1)
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "a"}}

    async def test_new_newer_and_older_rows_of_one_write_are_told_apart(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 5, name="one"), row("2", 5, name="two")])
        outcome = await deals.write(
            DEALS, [row("1", 6, name="ONE"), row("2", 4, name="TWO"), row("3", 1, name="three")]
        )
        self.expect(outcome, applied=2, stale=1)
        names = {id_: values["name"] for id_, values in (await everything(deals, DEALS)).items()}
        assert names == {"1": "ONE", "2": "two", "3": "three"}

    async def test_an_update_replaces_the_whole_row(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="a", position=4, _unparsed='{"x":1}')])
        await deals.write(DEALS, [row("1", 2, name="b")])
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "b"}}

    async def test_tables_do_not_share_ids(self, deals: Warehouse) -> None:
        people = TableSchema("people", DEALS.columns)
        await deals.ensure_table(people)
        await deals.write(DEALS, [deletion("1", 9)])
        self.expect(await deals.write(people, [row("1", 1, name="Ana")]), applied=1)
        assert await everything(deals, people) == {"1": {"id": "1", "name": "Ana"}}
        assert await everything(deals, DEALS) == {}

    # Deletions

    async def test_a_deletion_takes_the_row_away(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="a"), row("2", 1, name="b")])
        self.expect(await deals.write(DEALS, [deletion("1", 2)]), applied=1)
        assert await everything(deals, DEALS) == {"2": {"id": "2", "name": "b"}}

    async def test_a_deletion_older_than_the_row_is_ignored(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 3, name="a")])
        self.expect(await deals.write(DEALS, [deletion("1", 2)]), applied=0, stale=1)
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "a"}}

    async def test_an_older_state_does_not_bring_a_deleted_row_back(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="a")])
        await deals.write(DEALS, [deletion("1", 3)])
        self.expect(await deals.write(DEALS, [row("1", 2, name="late")]), applied=0, stale=1)
        assert await everything(deals, DEALS) == {}

    async def test_a_newer_state_brings_a_deleted_row_back(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="a")])
        await deals.write(DEALS, [deletion("1", 2)])
        self.expect(await deals.write(DEALS, [row("1", 3, name="again")]), applied=1)
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "again"}}
        self.expect(await deals.write(DEALS, [deletion("1", 2)]), applied=0, stale=1)
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "again"}}

    async def test_the_deletion_of_an_unknown_id_is_remembered(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [deletion("1", 5)])
        self.expect(await deals.write(DEALS, [row("1", 4, name="late")]), applied=0, stale=1)
        assert await everything(deals, DEALS) == {}

    async def test_a_state_and_a_deletion_of_one_change_are_ordered_by_their_observation(
        self, deals: Warehouse
    ) -> None:
        await deals.write(
            DEALS, [deletion("back", (5, 1)), deletion("gone", (5, 1)), deletion("same", (5, 1))]
        )
        await deals.write(DEALS, [row("back", (5, 2)), row("gone", (5, 0)), row("same", (5, 1))])
        assert (await everything(deals, DEALS)).keys() == {"back"}
        self.expect(await deals.write(DEALS, [deletion("back", (5, 3))]), applied=1)
        assert await everything(deals, DEALS) == {}

    async def test_of_two_deletions_the_newer_one_is_remembered(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [deletion("1", 2)])
        await deals.write(DEALS, [deletion("1", 8), deletion("1", 5)])
        await deals.write(DEALS, [deletion("1", 3)])
        await deals.write(DEALS, [row("1", 7, name="late")])
        assert await everything(deals, DEALS) == {}

    @pytest.mark.parametrize("deletion_first", [True, False])
    async def test_a_row_and_its_later_deletion_in_one_write_leave_no_row(
        self, deals: Warehouse, deletion_first: bool
    ) -> None:
        rows = [deletion("1", 2), row("1", 1, name="a")]
        await deals.write(DEALS, rows if deletion_first else rows[::-1])
        assert await everything(deals, DEALS) == {}

    # Values

    async def test_values_come_back_as_they_were_written(self, warehouse: Warehouse) -> None:
        await warehouse.ensure_table(EVERY_TYPE)
        rows = [row(str(number), 1, **{column: value}) for number, (column, value) in enumerate(EXTREMES)]
        self.expect(await warehouse.write(EVERY_TYPE, rows), applied=len(EXTREMES))
        fetched = await everything(warehouse, EVERY_TYPE)
        for number, (column, value) in enumerate(EXTREMES):
            assert fetched[str(number)] == {"id": str(number), column: value}

    async def test_all_values_of_a_row_come_back_together(self, warehouse: Warehouse) -> None:
        await warehouse.ensure_table(EVERY_TYPE)
        data = dict(EXTREMES)
        await warehouse.write(EVERY_TYPE, [row("1", 1, **data)])
        assert await everything(warehouse, EVERY_TYPE) == {"1": {"id": "1", **data}}

    async def test_decimals_come_back_in_their_canonical_text(self, warehouse: Warehouse) -> None:
        await warehouse.ensure_table(EVERY_TYPE)
        await warehouse.write(
            EVERY_TYPE, [row("1", 1, amount="1.500"), row("2", 1, amount="-0.0"), row("3", 1, amount="100")]
        )
        rows = await everything(warehouse, EVERY_TYPE)
        assert [rows[id_]["amount"] for id_ in "123"] == ["1.5", "0", "100"]

    async def test_long_numbers_in_json_keep_every_digit(self, warehouse: Warehouse) -> None:
        if not self.keeps_json_text:
            pytest.skip("this store keeps JSON as values and not as text")
        await warehouse.ensure_table(EVERY_TYPE)
        text = '{ "n": 1234567890123456789012345678901234567890.00, "deep": [[[[[[-0.10e-30]]]]]] }'
        await warehouse.write(EVERY_TYPE, [row("1", 1, params=text, _unparsed=text)])
        fetched = (await warehouse.fetch(EVERY_TYPE, ["1"]))["1"]
        assert fetched["params"] == text
        assert fetched[OwnColumn.UNPARSED] == text

    async def test_an_empty_array_is_not_a_missing_one(self, warehouse: Warehouse) -> None:
        if not self.keeps_null_arrays:
            pytest.skip("this store knows no array that is NULL")
        await warehouse.ensure_table(EVERY_TYPE)
        await warehouse.write(EVERY_TYPE, [row("1", 1, tag_ids=[]), row("2", 1, tag_ids=None), row("3", 1)])
        rows = await everything(warehouse, EVERY_TYPE)
        assert rows == {"1": {"id": "1", "tag_ids": []}, "2": {"id": "2"}, "3": {"id": "3"}}

    async def test_any_text_can_be_an_id(self, deals: Warehouse) -> None:
        ids = ["", "0", "00", " 0", "0 ", "a\0b", "é🦆", "'", "%", "a", "A", "9" * 500]
        await deals.write(DEALS, [row(id_, 1, name="old") for id_ in ids])
        self.expect(await deals.write(DEALS, [row(id_, 2, name=id_) for id_ in ids]), applied=len(ids))
        assert await everything(deals, DEALS) == {id_: {"id": id_, "name": id_} for id_ in ids}

    async def test_rows_with_a_value_that_does_not_fit_are_refused_and_the_others_are_written(
        self, warehouse: Warehouse
    ) -> None:
        await warehouse.ensure_table(EVERY_TYPE)
        rows: list[Row] = []
        for number, (column, value) in enumerate(MISFITS):
            rows += [row(f"bad {number}", 1, **{column: value}), row(f"good {number}", 1, group="good")]
        outcome = await warehouse.write(EVERY_TYPE, rows)
        assert outcome.applied == len(MISFITS)
        assert [refused.index for refused in outcome.refused] == list(range(0, len(rows), 2))
        for refused, (column, _) in zip(outcome.refused, MISFITS, strict=True):
            assert column in refused.reason
        assert set(await everything(warehouse, EVERY_TYPE)) == {
            f"good {number}" for number in range(len(MISFITS))
        }

    async def test_one_bad_row_among_good_ones_is_refused_alone(self, warehouse: Warehouse) -> None:
        await warehouse.ensure_table(EVERY_TYPE)
        rows = [row("1", 1, group="good"), row("2", 1, params="{"), row("3", 1, group="good")]
        outcome = await warehouse.write(EVERY_TYPE, rows)
        assert ([refused.index for refused in outcome.refused], outcome.applied) == ([1], 2)
        assert set(await everything(warehouse, EVERY_TYPE)) == {"1", "3"}

    async def test_when_the_newest_state_of_an_id_is_refused_the_next_one_is_written(
        self, warehouse: Warehouse
    ) -> None:
        await warehouse.ensure_table(EVERY_TYPE)
        rows = [row("1", 3, params="{"), row("1", 1, group="old"), row("1", 2, group="good")]
        outcome = await warehouse.write(EVERY_TYPE, rows)
        assert [refused.index for refused in outcome.refused] == [0]
        assert await everything(warehouse, EVERY_TYPE) == {"1": {"id": "1", "group": "good"}}

    async def test_a_write_of_bad_rows_only_refuses_them_all(self, warehouse: Warehouse) -> None:
        await warehouse.ensure_table(EVERY_TYPE)
        outcome = await warehouse.write(EVERY_TYPE, [row("1", 1, order="x"), row("2", 1, params="]")])
        assert outcome.applied == outcome.stale == 0
        assert [refused.index for refused in outcome.refused] == [0, 1]

    # Reading back

    async def test_the_state_tells_rows_times_and_rows_with_unparsed_values(self, deals: Warehouse) -> None:
        await deals.write(
            DEALS,
            [row("1", (50, 70), name="a"), row("2", (60, 65), _unparsed='{"x":"y"}'), row("3", (1, 2))],
        )
        state = await deals.state("deals")
        assert state is not None
        assert (state.rows, state.last_changed_us, state.last_synced_us, state.unparsed_rows) == (
            3,
            60,
            70,
            1,
        )

    async def test_fetch_gives_only_the_ids_that_exist(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1), row("2", 1), row("3", 1)])
        assert set(await deals.fetch(DEALS, ["3", "1", "4", "1"])) == {"1", "3"}
        assert await deals.fetch(DEALS, []) == {}

    async def test_fetch_does_without_columns_that_the_table_lacks(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="a")])
        wider = TableSchema("deals", (*DEALS.columns, ("amount", ColumnType.NUMERIC)))
        assert await deals.fetch(wider, ["1"]) == {"1": {"id": "1", "name": "a"}}

    async def test_ids_come_in_chunks_and_all_of_them(self, deals: Warehouse) -> None:
        expected = {str(number) for number in range(25_000)}
        await deals.write(DEALS, [row(id_, 1) for id_ in expected])
        chunks = [chunk async for chunk in deals.ids("deals")]
        assert max(map(len, chunks)) <= 10_000
        assert sorted(id_ for chunk in chunks for id_ in chunk) == sorted(expected)

    async def test_versions_tell_what_each_row_holds(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", (5, 7)), row("2", (6, 6)), row("", (1, 2)), deletion("3", 9)])
        await deals.write(DEALS, [row("1", (5, 9)), row("2", (3, 8))])
        assert await versions(deals) == {("1", 5, 9), ("2", 6, 6), ("", 1, 2)}

    async def test_versions_of_rows_observed_before_a_time_leave_the_others_out(
        self, deals: Warehouse
    ) -> None:
        await deals.write(DEALS, [row("before", (99, 9)), row("at", (1, 10)), row("after", (2, 11))])
        assert await versions(deals, observed_before_us=10) == {("before", 99, 9)}

    async def test_versions_come_in_chunks_and_all_of_them(self, deals: Warehouse) -> None:
        expected = {(str(number), number, number) for number in range(25_000)}
        await deals.write(DEALS, [row(id_, version) for id_, version, _ in expected])
        chunks = [chunk async for chunk in deals.versions("deals")]
        assert max(map(len, chunks)) <= 10_000
        assert {tuple(each) for chunk in chunks for each in chunk} == expected
        assert sum(map(len, chunks)) == len(expected)

    async def test_tombstones_tell_the_deletions_that_are_remembered(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1), deletion("1", (5, 7)), deletion("2", (6, 6)), row("3", 9)])
        await deals.write(DEALS, [deletion("4", (3, 3)), deletion("5", (3, 3))])
        await deals.write(DEALS, [row("4", 4), row("5", 2)])
        assert await tombstones(deals) == {("1", 5, 7), ("2", 6, 6), ("5", 3, 3)}
        assert await tombstones(deals, observed_before_us=7) == {("2", 6, 6), ("5", 3, 3)}
        assert [chunk async for chunk in deals.tombstones("tasks")] == []

    async def test_what_reading_costs_is_told_before_it_is_done(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 1, name="a", position=1)])
        costs = [await deals.reading_bytes("deals", names) for names in (["id"], ["id", "name", "position"])]
        assert costs == [None, None] or 0 <= (costs[0] or 0) <= (costs[1] or 0)
        assert not await deals.reading_bytes("tasks", ["id"])

    async def test_rows_are_found_by_a_text_that_they_hold(self, warehouse: Warehouse) -> None:
        await warehouse.ensure_table(EVERY_TYPE)
        await warehouse.write(
            EVERY_TYPE,
            [
                row("1", 1, group="a"),
                row("2", 1, group="b", tag_ids=["a"]),
                row("3", 1, tag_ids=["x", "c", "d"]),
                row("4", 1, tag_ids=[]),
                row("5", 1, order=7, params='"a"'),
            ],
        )
        assert sorted(await warehouse.matching("filters", "group", ["a", "b", "z"])) == ["1", "2"]
        assert sorted(await warehouse.matching("filters", "tag_ids", ["a", "d", "c"])) == ["2", "3"]
        assert sorted(await warehouse.matching("filters", "id", ["4"])) == ["4"]
        assert list(await warehouse.matching("filters", "group", [])) == []
        assert list(await warehouse.matching("filters", "order", ["7"])) == []
        assert list(await warehouse.matching("filters", "params", ["a", '"a"'])) == []
        assert list(await warehouse.matching("filters", "nothing", ["a"])) == []

    # Purging

    async def test_purged_rows_are_gone_and_the_others_are_not(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row(id_, 1, name=id_) for id_ in "123"])
        assert await deals.purge_rows("deals", ["1", "3", "9"]) == 2
        assert await everything(deals, DEALS) == {"2": {"id": "2", "name": "2"}}
        assert await deals.purge_rows("deals", ["1"]) == 0
        assert await deals.purge_rows("deals", []) == 0

    async def test_a_purge_is_not_remembered_as_a_deletion(self, deals: Warehouse) -> None:
        if not self.forgets_purges_at_once:
            pytest.skip("this store remembers for some time that a row was purged")
        await deals.write(DEALS, [row("was there", 9), deletion("was deleted", 9), deletion("kept", 9)])
        await deals.purge_rows("deals", ["was there", "was deleted"])
        await deals.write(DEALS, [row(id_, 1, name="again") for id_ in ("was there", "was deleted", "kept")])
        assert (await everything(deals, DEALS)).keys() == {"was there", "was deleted"}

    async def test_a_purged_row_comes_back_with_a_newer_version(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 5, name="old")])
        await deals.purge_rows("deals", ["1"])
        assert await everything(deals, DEALS) == {}
        assert await tombstones(deals) == set()
        await deals.write(DEALS, [row("1", 6, name="again")])
        assert await everything(deals, DEALS) == {"1": {"id": "1", "name": "again"}}

    async def test_a_purged_column_is_gone_also_from_what_did_not_fit_it(self, deals: Warehouse) -> None:
        await deals.write(
            DEALS,
            [
                row("1", 1, name="secret", position=1),
                row("2", 1, position=2, _unparsed='{"name":["secret"],"n":10.00}'),
                row("3", 1, position=3, _unparsed='{"name":"secret"}'),
                row("4", 1, position=4, _unparsed='{"other":{"name":"kept"}}'),
            ],
        )
        assert await deals.purge_column("deals", "name")
        assert not await deals.purge_column("deals", "name")
        rows = await everything(deals, DEALS)
        assert {id_: values["position"] for id_, values in rows.items()} == {"1": 1, "2": 2, "3": 3, "4": 4}
        assert not any("name" in values for values in rows.values())
        assert "secret" not in str(rows)
        assert "_unparsed" not in rows["3"]
        assert rows["4"]["_unparsed"] == '{"other":{"name":"kept"}}'
        state = await deals.state("deals")
        assert state is not None
        assert "name" not in state.columns
        assert await deals.ensure_table(DEALS) == SchemaChange(added=("name",))
        await deals.write(DEALS, [row("1", 2, name="new")])
        assert (await everything(deals, DEALS))["1"] == {"id": "1", "name": "new"}

    async def test_the_columns_that_make_a_table_cannot_be_purged(self, deals: Warehouse) -> None:
        for column in ("id", *(name for name, _ in OWN_COLUMNS)):
            with pytest.raises(ConfigError, match=column) as caught:
                await deals.purge_column("deals", column)
            assert caught.value.advice

    async def test_a_purged_table_is_gone_and_can_be_made_again(self, deals: Warehouse) -> None:
        people = TableSchema("people", DEALS.columns)
        await deals.ensure_table(people)
        await deals.write(people, [row("1", 9), deletion("2", 9)])
        await deals.write(DEALS, [row("1", 9, name="a"), deletion("2", 9)])
        assert await deals.purge_table("deals")
        assert not await deals.purge_table("deals")
        assert await deals.state("deals") is None
        assert await deals.ensure_table(DEALS) == SchemaChange(created=True)
        await deals.write(DEALS, [row("2", 1)])
        assert (await everything(deals, DEALS)).keys() == {"2"}
        await deals.write(people, [row("2", 1)])
        assert (await everything(deals, people)).keys() == {"1"}

    async def test_there_is_nothing_to_purge_where_there_is_no_table(self, warehouse: Warehouse) -> None:
        assert await warehouse.purge_rows("deals", ["1"]) == 0
        assert not await warehouse.purge_column("deals", "name")
        assert not await warehouse.purge_table("deals")
        assert [chunk async for chunk in warehouse.versions("deals")] == []
        assert list(await warehouse.matching("deals", "name", ["a"])) == []

    # Durability

    async def test_everything_is_there_after_opening_again(self, connect: Connect) -> None:
        first = await connect()
        await first.ensure_table(EVERY_TYPE)
        data = dict(EXTREMES)
        await first.write(EVERY_TYPE, [row("1", 5, **data), row("2", 5), deletion("3", 5)])
        await first.close()

        second = await connect()
        try:
            assert await second.ensure_table(EVERY_TYPE) == SchemaChange()
            self.expect(
                await second.write(EVERY_TYPE, [row("1", 4), row("2", 4), row("3", 4)]), applied=0, stale=3
            )
            rows = await everything(second, EVERY_TYPE)
            assert rows.keys() == {"1", "2"}
            assert rows["1"] == {"id": "1", **data}
        finally:
            await second.close()

    async def test_closing_twice_is_no_error(self, connect: Connect) -> None:
        warehouse = await connect()
        await warehouse.close()
        await warehouse.close()

    # The rule that everything else rests on

    _table_numbers = itertools.count()

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(history=st.data())
    async def test_any_order_partition_and_repetition_of_states_ends_in_the_same_table(
        self, warehouse: Warehouse, history: st.DataObject
    ) -> None:
        await self.ends_in_the_same_table(warehouse, history)

    async def ends_in_the_same_table(self, warehouse: Warehouse, history: st.DataObject) -> None:
        """The rule itself, for stores so slow that they have to do with fewer examples."""
        states = history.draw(_STATES, label="states")
        rows = [_state_row(key, op) for key, op in states.items()]
        repeated = history.draw(st.lists(st.sampled_from(rows), max_size=8), label="repeated")
        sequence = history.draw(st.permutations(rows + repeated), label="sequence")
        cuts = history.draw(st.lists(st.integers(0, len(sequence)), max_size=5).map(sorted), label="cuts")

        schema = TableSchema(f"table_{next(self._table_numbers)}", DEALS.columns)
        await warehouse.ensure_table(schema)
        for start, end in itertools.pairwise([0, *cuts, len(sequence)]):
            await warehouse.write(schema, sequence[start:end])

        newest: dict[str, Row] = {}
        for each in sorted(rows, key=lambda each: each.record.version):
            newest[each.record.id] = each
        assert await everything(warehouse, schema) == {
            id_: {"id": id_, **each.record.data} for id_, each in newest.items() if each.record.op == "upsert"
        }


# Two states of one id and one version would be a tie, which the rule leaves open: the version is the key.
KEYS = st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.integers(0, 2))
_OPS: tuple[Literal["upsert", "delete"], ...] = ("upsert", "upsert", "delete")
_STATES = st.dictionaries(KEYS, st.sampled_from(_OPS), min_size=1, max_size=12)


def _state_row(key: tuple[str, int, int], op: Literal["upsert", "delete"]) -> Row:
    id_, changed, observed = key
    if op == "delete":
        return deletion(id_, (changed, observed))
    return row(id_, (changed, observed), name=f"{changed}/{observed}", position=changed)
