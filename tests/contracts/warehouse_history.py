"""What every warehouse must do that keeps history; a part of `tests.contracts.warehouse`.

Mix `HistoryContract` into the class that subclasses `WarehouseContract`, and say how the view is asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.model import ColumnType
from shared.record.model import Value
from shared.warehouse.port import Row, TableSchema, Warehouse
from tests.contracts.warehouse import (
    DEALS,
    EVERY_TYPE,
    EXTREMES,
    KEPT,
    KEYS,
    MISFITS,
    deletion,
    everything,
    row,
)


class Period(NamedTuple):
    """A row of a table's history: a state, and from when until when it was that of its record, in µs."""

    id: str
    data: Mapping[str, Value]
    valid_from: int
    valid_to: int | None
    is_current: bool


def history_of(rows: Sequence[Row]) -> list[Period]:
    """What the history shall be, from the definition: versions in order, one period per run of a state."""
    expected: list[Period] = []
    by_version = {(each.record.id, each.record.version): each for each in rows}
    for id_ in sorted({id_ for id_, _ in by_version}):
        changes: list[tuple[int, Mapping[str, Value] | None]] = []
        state, changed_before = None, None
        for (_, version), each in sorted(item for item in by_version.items() if item[0][0] == id_):
            now = None if each.record.op == "delete" else each.record.data
            if now != state:
                unmoved = version.changed_us == changed_before
                changes.append((max(version) if unmoved else version.changed_us, now))
            state, changed_before = now, version.changed_us
        starts = [min(began for began, _ in changes[place:]) for place in range(len(changes))]
        for (_, data), start, end in itertools.zip_longest(changes, starts, starts[1:]):
            if data is not None:
                expected.append(Period(id_, {"id": id_, **data}, start, end, end is None))
    return expected


def _order(period: Period) -> tuple[object, ...]:
    ended = period.valid_to is None, period.valid_to or 0
    return (
        period.id,
        period.valid_from,
        *ended,
        sorted((name, str(value)) for name, value in period.data.items()),
    )


# Few names, so that states come back and are seen again.
_FEW_STATES = st.dictionaries(KEYS, st.sampled_from(("x", "x", "y", None)), min_size=1, max_size=12)


class HistoryContract:
    """The suite; its fixtures are those of `WarehouseContract`."""

    _kept_numbers = itertools.count()

    async def history(self, warehouse: Warehouse, schema: TableSchema) -> list[Period]:
        """All of the view `<table>_history`, by id and time; how it is asked is the adapter's matter."""
        raise NotImplementedError

    @pytest.fixture
    async def kept(self, warehouse: Warehouse) -> Warehouse:
        await warehouse.ensure_table(KEPT)
        return warehouse

    async def test_every_state_of_a_record_is_kept_with_its_time(self, kept: Warehouse) -> None:
        await kept.write(KEPT, [row("1", (10, 11), name="lead")])
        await kept.write(KEPT, [row("1", (20, 21), name="won"), row("2", (15, 16), name="other")])
        assert await self.history(kept, KEPT) == [
            Period("1", {"id": "1", "name": "lead"}, 10, 20, False),
            Period("1", {"id": "1", "name": "won"}, 20, None, True),
            Period("2", {"id": "2", "name": "other"}, 15, None, True),
        ]

    async def test_a_state_that_is_only_seen_again_is_no_new_one(self, kept: Warehouse) -> None:
        for observed in (11, 30, 40):
            await kept.write(KEPT, [row("1", (10, observed), name="a", position=1)])
        assert await self.history(kept, KEPT) == [
            Period("1", {"id": "1", "name": "a", "position": 1}, 10, None, True)
        ]

    async def test_a_state_that_comes_back_is_a_new_one(self, kept: Warehouse) -> None:
        for version, name in enumerate(("a", "b", "a"), start=1):
            await kept.write(KEPT, [row("1", version, name=name)])
        assert [(each.data["name"], each.valid_from) for each in await self.history(kept, KEPT)] == [
            ("a", 1),
            ("b", 2),
            ("a", 3),
        ]

    async def test_a_version_that_comes_late_finds_its_place(self, kept: Warehouse) -> None:
        await kept.write(KEPT, [row("1", 10, name="first")])
        await kept.write(KEPT, [row("1", 30, name="last")])
        await kept.write(KEPT, [row("1", 20, name="between")])
        assert await self.history(kept, KEPT) == [
            Period("1", {"id": "1", "name": "first"}, 10, 20, False),
            Period("1", {"id": "1", "name": "between"}, 20, 30, False),
            Period("1", {"id": "1", "name": "last"}, 30, None, True),
        ]
        assert await everything(kept, KEPT) == {"1": {"id": "1", "name": "last"}}

    async def test_a_late_version_can_come_between_two_sightings_of_one_state(self, kept: Warehouse) -> None:
        for observed, name in ((1, "a"), (5, "a"), (9, "a"), (3, "b")):
            await kept.write(KEPT, [row("1", observed, name=name)])
        assert [(each.data["name"], each.valid_from) for each in await self.history(kept, KEPT)] == [
            ("a", 1),
            ("b", 3),
            ("a", 5),
        ]

    async def test_all_versions_of_one_write_are_kept(self, kept: Warehouse) -> None:
        await kept.write(KEPT, [row("1", 2, name="b"), row("1", 1, name="a"), row("1", 3, name="c")])
        assert [each.data["name"] for each in await self.history(kept, KEPT)] == ["a", "b", "c"]

    async def test_a_deletion_ends_the_last_state_and_a_return_begins_a_new_one(
        self, kept: Warehouse
    ) -> None:
        await kept.write(KEPT, [row("1", 1, name="a")])
        await kept.write(KEPT, [deletion("1", 5)])
        assert await self.history(kept, KEPT) == [Period("1", {"id": "1", "name": "a"}, 1, 5, False)]
        await kept.write(KEPT, [row("1", 9, name="a")])
        assert await self.history(kept, KEPT) == [
            Period("1", {"id": "1", "name": "a"}, 1, 5, False),
            Period("1", {"id": "1", "name": "a"}, 9, None, True),
        ]

    async def test_what_changes_without_a_new_change_time_is_dated_by_when_it_was_seen(
        self, kept: Warehouse
    ) -> None:
        await kept.write(KEPT, [row("1", (10, 11), name="a")])
        await kept.write(KEPT, [row("1", (10, 50), name="b")])
        await kept.write(KEPT, [row("1", (70, 80), name="c")])
        assert [(each.valid_from, each.valid_to) for each in await self.history(kept, KEPT)] == [
            (10, 50),
            (50, 70),
            (70, None),
        ]

    async def test_history_begins_with_what_is_there_when_it_is_turned_on(self, deals: Warehouse) -> None:
        await deals.write(DEALS, [row("1", 5, name="a"), row("2", 5, name="b"), deletion("3", 9)])
        await deals.ensure_table(KEPT)
        await deals.write(KEPT, [row("1", 7, name="A"), row("2", 6, name="b"), row("3", 8, name="late")])
        assert await self.history(deals, KEPT) == [
            Period("1", {"id": "1", "name": "a"}, 5, 7, False),
            Period("1", {"id": "1", "name": "A"}, 7, None, True),
            Period("2", {"id": "2", "name": "b"}, 5, None, True),
            Period("3", {"id": "3", "name": "late"}, 8, 9, False),
        ]

    async def test_history_that_is_turned_off_stays_and_goes_on_later_with_what_is_there_then(
        self, kept: Warehouse
    ) -> None:
        await kept.write(KEPT, [row("1", 1, name="a"), row("2", 1, name="x"), row("3", 1, name="y")])
        before = await self.history(kept, KEPT)
        await kept.ensure_table(DEALS)
        await kept.write(DEALS, [row("1", 2, name="missed"), deletion("2", 4), row("3", 6, name="y")])
        await kept.write(DEALS, [row("1", 3, name="c")])
        assert await self.history(kept, KEPT) == before
        await kept.ensure_table(KEPT)
        assert await self.history(kept, KEPT) == [
            Period("1", {"id": "1", "name": "a"}, 1, 3, False),
            Period("1", {"id": "1", "name": "c"}, 3, None, True),
            Period("2", {"id": "2", "name": "x"}, 1, 4, False),
            Period("3", {"id": "3", "name": "y"}, 1, None, True),
        ]

    async def test_a_new_column_is_in_the_history_too(self, kept: Warehouse) -> None:
        await kept.write(KEPT, [row("1", (1, 1), name="a"), row("2", (1, 1), name="b")])
        wider = replace(KEPT, columns=(*KEPT.columns, ("amount", ColumnType.NUMERIC)))
        await kept.ensure_table(wider)
        await kept.write(wider, [row("1", (1, 9), name="a", amount="7.5"), row("2", (1, 9), name="b")])
        assert await self.history(kept, wider) == [
            Period("1", {"id": "1", "name": "a"}, 1, 9, False),
            Period("1", {"id": "1", "name": "a", "amount": "7.5"}, 9, None, True),
            Period("2", {"id": "2", "name": "b"}, 1, None, True),
        ]

    async def test_a_writer_that_knows_fewer_columns_keeps_history_all_the_same(
        self, warehouse: Warehouse
    ) -> None:
        wider = replace(KEPT, columns=(*KEPT.columns, ("amount", ColumnType.NUMERIC)))
        await warehouse.ensure_table(wider)
        await warehouse.write(wider, [row("1", 1, name="a", amount="7.5")])
        await warehouse.ensure_table(KEPT)
        await warehouse.write(KEPT, [row("1", 2, name="a")])
        await warehouse.write(wider, [row("1", 3, name="a", amount="7.5"), row("1", 4, name="a", amount="7")])
        assert [each.data.get("amount") for each in await self.history(warehouse, wider)] == [
            "7.5",
            None,
            "7.5",
            "7",
        ]

    async def test_every_type_of_value_is_kept_in_the_history(self, warehouse: Warehouse) -> None:
        schema = replace(EVERY_TYPE, history=True)
        await warehouse.ensure_table(schema)
        data = dict(EXTREMES)
        await warehouse.write(schema, [row("1", 1, **data)])
        await warehouse.ensure_table(schema)
        for observed in (2, 3):
            await warehouse.write(schema, [row("1", (1, observed), **data)])
        assert await self.history(warehouse, schema) == [Period("1", {"id": "1", **data}, 1, None, True)]
        for number, (column, value) in enumerate(MISFITS):
            misfit = row(f"{number}", 1, **{column: value})
            assert (await warehouse.write(schema, [misfit])).refused
        assert len(await self.history(warehouse, schema)) == 1

    async def test_a_change_of_any_column_is_a_new_state(self, warehouse: Warehouse) -> None:
        schema = replace(EVERY_TYPE, history=True)
        await warehouse.ensure_table(schema)
        changes = [each for each in EXTREMES if each[1] is not None]
        for version, (column, value) in enumerate(changes):
            await warehouse.write(schema, [row("1", version, **{column: value})])
        periods = await self.history(warehouse, schema)
        assert [period.data for period in periods] == [
            {"id": "1", column: value} for column, value in changes
        ]

    async def test_days_that_count_themselves_are_no_change(self, warehouse: Warehouse) -> None:
        columns = (("days_since_created", ColumnType.INT64), ("days_in_current_stage", ColumnType.INT64))
        schema = replace(KEPT, columns=(*KEPT.columns, *columns))
        await warehouse.ensure_table(schema)
        for day in (1, 2, 3):
            counted = {"days_since_created": day, "days_in_current_stage": day}
            await warehouse.write(schema, [row("1", (1, day), name="a", **counted)])
        assert len(await self.history(warehouse, schema)) == 1

    async def test_purged_rows_have_no_history(self, kept: Warehouse) -> None:
        await kept.write(KEPT, [row("1", 1, name="a"), row("2", 1, name="b"), row("3", 1, name="c")])
        await kept.write(KEPT, [row("1", 2, name="A"), deletion("3", 2)])
        await kept.purge_rows("deals", ["1", "3"])
        assert [each.id for each in await self.history(kept, KEPT)] == ["2"]

    async def test_a_purged_column_has_no_history(self, kept: Warehouse) -> None:
        for version, name in enumerate(("a", "b", "a"), start=1):
            await kept.write(KEPT, [row("1", version, name=name, position=7, _unparsed='{"name":"x"}')])
        await kept.write(KEPT, [row("1", 9, name="a", position=8)])
        await kept.purge_column("deals", "name")
        rest = replace(KEPT, columns=(("id", ColumnType.STRING), ("position", ColumnType.INT64)))
        assert await self.history(kept, rest) == [
            Period("1", {"id": "1", "position": 7}, 1, 9, False),
            Period("1", {"id": "1", "position": 8}, 9, None, True),
        ]
        await kept.ensure_table(KEPT)
        await kept.write(KEPT, [row("1", (9, 10), position=8)])
        assert len(await self.history(kept, KEPT)) == 2

    async def test_a_purged_table_has_no_history(self, kept: Warehouse) -> None:
        await kept.write(KEPT, [row("1", 1, name="a")])
        await kept.purge_table("deals")
        await kept.ensure_table(KEPT)
        assert await self.history(kept, KEPT) == []

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(history=st.data())
    async def test_any_order_partition_and_repetition_of_versions_ends_in_the_same_history(
        self, warehouse: Warehouse, history: st.DataObject
    ) -> None:
        await self.ends_in_the_same_history(warehouse, history)

    async def ends_in_the_same_history(self, warehouse: Warehouse, history: st.DataObject) -> None:
        """The rule itself, for stores so slow that they have to do with fewer examples."""
        states = history.draw(_FEW_STATES, label="states")
        rows = [
            deletion(id_, (changed, observed)) if name is None else row(id_, (changed, observed), name=name)
            for (id_, changed, observed), name in states.items()
        ]
        repeated = history.draw(st.lists(st.sampled_from(rows), max_size=4), label="repeated")
        sequence = history.draw(st.permutations(rows + repeated), label="sequence")
        cuts = history.draw(st.lists(st.integers(0, len(sequence)), max_size=5).map(sorted), label="cuts")

        schema = TableSchema(f"kept_{next(self._kept_numbers)}", DEALS.columns, history=True)
        await warehouse.ensure_table(schema)
        for start, end in itertools.pairwise([0, *cuts, len(sequence)]):
            await warehouse.write(schema, sequence[start:end])

        periods = await self.history(warehouse, schema)
        # Of states that lasted no time at all the order says nothing.
        assert sorted(periods, key=_order) == sorted(history_of(rows), key=_order)
        now = {period.id: period.data for period in periods if period.is_current}
        assert now == await everything(warehouse, schema)
