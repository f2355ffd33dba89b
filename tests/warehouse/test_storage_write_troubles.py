"""Whatever the Storage Write API answers, each row ends up durable or refused, or the caller is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from google.cloud.bigquery_storage_v1 import types
from grpc import StatusCode as Code
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.clock import ManualClock, SystemClock
from shared.errors import IngestError, StorageError, UnreachableError
from shared.warehouse.bigquery.append_settings import AppendSettings
from shared.warehouse.port import RefusedRow
from tests.google.storage_write_harness import COLUMNS, DEALS, PEOPLE, Town, appender_at, many, town, upsert
from tests.google.storage_write_server import Answered, Closed, Cut, Fault, Silent, Twice

IMPATIENT = AppendSettings(response_seconds=0.2, open_seconds=5)
RECONNECT = (
    Code.UNAVAILABLE,
    Code.ABORTED,
    Code.INTERNAL,
    Code.CANCELLED,
    Code.UNKNOWN,
    Code.DEADLINE_EXCEEDED,
    Code.ALREADY_EXISTS,
    Code.OUT_OF_RANGE,
    Code.FAILED_PRECONDITION,
)


@pytest.fixture
async def place() -> AsyncIterator[Town]:
    async with town() as it:
        yield it


def slept(place: Town) -> list[float]:
    assert isinstance(place.clock, ManualClock)
    return place.clock.slept


# Connections that break


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("code", RECONNECT)
async def test_rows_of_a_broken_connection_are_sent_again_on_a_new_one(
    place: Town, code: Code, applied: bool
) -> None:
    place.server.faults.append(Cut(applied, code, "There was a problem opening the stream."))
    assert await place.append(upsert("1", name="a"), upsert("2")) == []
    assert place.deals.rows == {"1": {"id": "1", "name": "a"}, "2": {"id": "2"}}
    first, second = place.server.seen
    assert (first.rows, first.descriptor, first.trace_id) == (second.rows, second.descriptor, second.trace_id)
    assert (first.connection, second.connection) == (1, 2)


@pytest.mark.parametrize("code", RECONNECT)
async def test_an_answer_that_casts_doubt_on_the_connection_is_taken_to_a_new_one(
    place: Town, code: Code
) -> None:
    await place.append(upsert("1"))
    place.server.faults.append(Answered(code))
    assert await place.append(upsert("2")) == []
    assert [seen.connection for seen in place.server.seen] == [1, 1, 2]
    assert sorted(place.deals.rows) == ["1", "2"]


async def test_a_connection_that_the_server_closes_is_opened_again(place: Town) -> None:
    place.server.faults.extend([None, Closed()])
    for id_ in ("1", "2", "3"):
        assert await place.append(upsert(id_)) == []
    assert sorted(place.deals.rows) == ["1", "2", "3"]
    assert place.server.connections == 2


async def test_requests_that_were_behind_the_broken_one_are_sent_again_too() -> None:
    async with town(AppendSettings(request_bytes=2_000)) as place:
        place.server.faults.extend([None, None, Cut()])
        assert await place.append(*many(500)) == []
        assert len(place.deals.rows) == 500


@pytest.mark.parametrize("applied", [False, True])
async def test_a_silent_connection_is_given_up_and_its_rows_are_sent_again(applied: bool) -> None:
    async with town(IMPATIENT) as place:
        place.server.faults.append(Silent(applied))
        assert await place.append(upsert("1")) == []
        assert place.deals.rows == {"1": {"id": "1"}}
        assert place.server.connections >= 2


async def test_nobody_at_the_other_end_is_told_when_patience_ends() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with appender_at(f"127.0.0.1:{nobody.getsockname()[1]}", ManualClock()) as appender:
            with pytest.raises(
                UnreachableError, match=r"agency-1\.productive\.deals: rows were not confirmed"
            ):
                await appender.append(DEALS, COLUMNS, [upsert("1")])


async def test_one_who_accepts_and_never_says_a_word_is_told_when_patience_ends() -> None:
    hasty = AppendSettings(open_seconds=0.1, response_seconds=0.1, patience_seconds=0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"127.0.0.1:{mute.getsockname()[1]}"
        async with appender_at(address, ManualClock(), hasty) as appender:
            with pytest.raises(UnreachableError, match="no answer"):
                await appender.append(DEALS, COLUMNS, [upsert("1")])


async def test_a_server_that_answers_what_nobody_asked_is_not_listened_to_any_longer(place: Town) -> None:
    place.server.faults.append(Twice())
    assert await place.append(upsert("1")) == []
    await place.server.closed_to(0)
    assert await place.append(upsert("2")) == []
    assert sorted(place.deals.rows) == ["1", "2"]
    assert place.server.connections == 2


async def test_a_connection_is_not_given_up_before_its_time() -> None:
    async with town(clock=SystemClock()) as place:
        place.server.faults.append(Silent())
        waiting = asyncio.create_task(place.append(upsert("1")))
        await place.server.arrived.wait()
        async with place.appender._connections.use(DEALS) as connection:
            connection._check()
            assert not connection.ended
            assert connection._alarm is not None
        waiting.cancel()
        await asyncio.wait([waiting])


async def test_pauses_grow_with_every_failure_up_to_a_longest_and_end_with_patience(place: Town) -> None:
    place.server.faults.extend([Cut()] * 100)
    with pytest.raises(UnreachableError, match=r"not confirmed for 120 s \(UNAVAILABLE: Connection reset"):
        await place.append(upsert("1"))
    allowed = [min(0.2 * 2**number, 15.0) for number in range(len(slept(place)))]
    assert all(most / 2 <= pause <= most for pause, most in zip(slept(place), allowed, strict=True))
    assert 120 <= sum(slept(place)) <= 136


async def test_a_success_makes_the_next_pause_short_again(place: Town) -> None:
    for _ in range(3):
        place.server.faults.extend([Cut(), Cut()])
        await place.append(upsert("1"))
    assert max(slept(place)) <= 0.4


# Quotas


async def test_an_exhausted_quota_slows_its_table_down_on_the_same_connection(place: Town) -> None:
    await place.append(upsert("1"))
    place.server.faults.extend([Answered(Code.RESOURCE_EXHAUSTED)] * 3)
    assert await place.append(upsert("2")) == []
    assert [seen.connection for seen in place.server.seen] == [1] * 5
    assert len(slept(place)) == 3


async def test_a_quota_that_stays_exhausted_is_told_in_the_end(place: Town) -> None:
    place.server.faults.extend([Answered(Code.RESOURCE_EXHAUSTED, "Exceeds quota")] * 100)
    with pytest.raises(UnreachableError, match="Exceeds quota") as raised:
        await place.append(upsert("1"))
    assert "quotas" in raised.value.advice


async def test_one_tables_trouble_does_not_hold_up_another() -> None:
    async with town(clock=SystemClock()) as place:
        place.server.faults.append(Silent())
        stuck = asyncio.create_task(place.append(upsert("1"), table=DEALS))
        await place.server.arrived.wait()
        assert await place.append(upsert("1"), table=PEOPLE) == []
        assert not stuck.done()
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck


# Rows that are refused


async def test_refused_rows_come_back_with_their_reasons_and_the_others_are_written(place: Town) -> None:
    place.deals.refuse = lambda values: "Field position: too odd" if values.get("position") == 77 else None
    rows = [upsert(str(number), position=77 if number in (1, 5) else number) for number in range(8)]
    reason = "Field position: too odd"
    assert await place.append(*rows) == [RefusedRow(1, reason), RefusedRow(5, reason)]
    assert sorted(place.deals.rows) == ["0", "2", "3", "4", "6", "7"]
    assert place.ids_sent == [8, 6]


async def test_a_request_of_refused_rows_only_is_not_sent_again(place: Town) -> None:
    place.deals.refuse = lambda values: "no"
    assert [row.index for row in await place.append(upsert("1"), upsert("2"))] == [0, 1]
    assert place.ids_sent == [2]


async def test_a_reason_from_the_server_does_not_quote_values(place: Town) -> None:
    place.deals.refuse = lambda values: "Field 'name': Invalid value 's3cret', column \"name\""
    (row,) = await place.append(upsert("1", name="s3cret"))
    assert row.reason == "Field 'name': Invalid value …, column \"name\""


async def test_our_own_refusals_and_the_servers_come_back_together_in_order(place: Town) -> None:
    place.deals.refuse = lambda values: "no" if values["id"] == "2" else None
    rows = [upsert("1", position="odd"), upsert("2"), upsert("3"), upsert("4", amount="odd")]
    assert [row.index for row in await place.append(*rows)] == [0, 1, 3]
    assert sorted(place.deals.rows) == ["3"]


async def test_the_row_for_which_a_whole_request_is_refused_is_found_in_few_steps(place: Town) -> None:
    place.deals.reject = lambda values: "poison" if values["id"] == "300" else None
    assert await place.append(*many(500)) == [RefusedRow(300, "poison")]
    assert len(place.deals.rows) == 499
    assert len(place.ids_sent) <= 1 + 2 * 9


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(bad=st.sets(st.integers(0, 59), max_size=12), named=st.sets(st.integers(0, 59), max_size=12))
async def test_all_bad_rows_are_found_and_all_good_ones_are_written(
    place: Town, bad: set[int], named: set[int]
) -> None:
    place.deals.stored.clear()
    place.deals.reject = lambda values: "poison" if int(values["id"]) in bad else None
    place.deals.refuse = lambda values: "named" if int(values["id"]) in named else None
    refused = await place.append(*many(60))
    assert {row.index for row in refused} == bad | named
    assert set(map(int, place.deals.rows)) == set(range(60)) - bad - named


async def test_a_table_that_refuses_everything_is_the_owners_matter_and_not_the_rows(place: Town) -> None:
    place.deals.reject = lambda values: "changes are not for this table"
    with pytest.raises(StorageError, match="does not take the rows of its schema") as raised:
        await place.append(*many(1_000))
    assert "changes are not for this table" in raised.value.message
    assert len(place.ids_sent) < 60


async def test_a_column_of_another_type_is_the_owners_matter(place: Town) -> None:
    place.deals.columns["position"] = "STRING"
    with pytest.raises(StorageError, match=r"does not take the rows.*mismatched with BigQuery field"):
        await place.append(upsert("1"))


async def test_rows_are_not_told_apart_without_end() -> None:
    async with town(AppendSettings(refusals=20)) as place:
        place.deals.reject = lambda values: "poison" if int(values["id"]) % 2 else None
        refused = await place.append(*many(200))
        assert len(place.ids_sent) < 60
        together = [row.reason for row in refused if "together with other rows: poison" in row.reason]
        assert together
        assert len(refused) + len(place.deals.rows) == 200


async def test_a_stream_that_ends_over_a_request_is_about_the_oldest_one(place: Town) -> None:
    place.server.faults.append(Cut(code=Code.INVALID_ARGUMENT, message="cannot be parsed"))
    assert await place.append(upsert("1")) == [RefusedRow(0, "cannot be parsed")]


async def test_requests_around_one_for_which_the_stream_ends_are_not_refused_with_it() -> None:
    async with town(AppendSettings(request_bytes=1)) as place:
        place.deals.end = lambda values: "cannot be parsed" if values["id"] == "4" else None
        assert await place.append(*many(10)) == [RefusedRow(4, "cannot be parsed")]
        assert len(place.deals.rows) == 9


@pytest.mark.parametrize("rows", [1, 10])
async def test_a_descriptor_that_came_with_a_failed_request_is_sent_again(rows: int) -> None:
    async with town(AppendSettings(request_bytes=1)) as place:
        place.server.faults.append(Answered(Code.RESOURCE_EXHAUSTED))
        assert await place.append(*many(rows)) == []
        assert len(place.deals.rows) == rows


async def test_errors_about_rows_that_were_not_sent_are_not_believed(place: Town) -> None:
    original = place.server._take

    def take(request: object, row_class: object) -> object:
        response = original(request, row_class)
        if len(place.server.seen) == 1:
            response.ClearField("append_result")
            response.error.code = 3
            response.row_errors.add(index=99, message="odd")
        return response

    place.server._take = take  # type: ignore[method-assign]
    assert await place.append(upsert("1"), upsert("2")) == []
    assert place.ids_sent == [2, 1, 1]


# Schemas


async def test_a_column_that_the_write_path_does_not_know_yet_is_waited_for(place: Town) -> None:
    await place.appender.append(DEALS, COLUMNS[:3], [upsert("1")])
    place.deals.known = {"id", "name", "amount"}

    def learn() -> None:
        if len(place.server.asked) == 3:
            place.deals.known = None

    place.server.on_asked = learn
    assert await place.append(upsert("2", position=7)) == []
    assert place.deals.rows["2"] == {"id": "2", "position": 7}
    assert len(place.server.asked) == 3
    assert [seen.connection for seen in place.server.seen] == [1, 1, 2]


async def test_a_schema_that_comes_with_the_refusal_is_taken_for_known(place: Town) -> None:
    mismatch = types.StorageError.StorageErrorCode.SCHEMA_MISMATCH_EXTRA_FIELDS
    known = [name.upper() for name, _ in COLUMNS]
    place.server.faults.append(Answered(Code.INVALID_ARGUMENT, "odd", mismatch, known))
    assert await place.append(upsert("1")) == []
    assert place.server.asked == []
    assert place.server.connections == 2


async def test_the_time_that_a_schema_takes_is_not_taken_from_the_patience_with_connections(
    place: Town,
) -> None:
    behind = Answered(Code.INVALID_ARGUMENT, "extra fields: 'x'", None, [name for name, _ in COLUMNS])
    place.server.faults.extend([*[behind] * 23, Cut(), Cut()])
    assert await place.append(upsert("1")) == []
    assert sum(slept(place)) > 120


async def test_a_column_that_stays_unknown_is_told_in_the_end(place: Town) -> None:
    place.deals.known = {"id"}
    with pytest.raises(UnreachableError, match="lacks its columns amount, name, position after 300 s"):
        await place.append(upsert("1"))


async def test_a_schema_that_is_refused_although_it_is_known_is_told_in_the_end(place: Town) -> None:
    place.server.faults.extend([Answered(Code.INVALID_ARGUMENT, "extra fields: 'x'")] * 100)
    with pytest.raises(StorageError, match="does not take the rows of its schema"):
        await place.append(upsert("1"))
    assert sum(slept(place)) < 330


async def test_waiting_for_columns_asks_until_they_are_there_whatever_their_case(place: Town) -> None:
    place.server.schema_answers.extend([Code.NOT_FOUND, Code.UNAVAILABLE])
    await place.appender.wait_for_columns(DEALS, ["ID", "Amount"])
    assert place.server.asked == [f"{DEALS}/streams/_default"] * 3
    assert slept(place) == [0.25, 0.5]


async def test_waiting_for_columns_of_a_table_that_never_comes_ends(place: Town) -> None:
    with pytest.raises(UnreachableError, match="lacks the table after 300 s"):
        await place.appender.wait_for_columns(f"{DEALS}_typo", ["id"])


async def test_waiting_for_columns_without_permission_ends_at_once(place: Town) -> None:
    place.server.schema_answers.append(Code.PERMISSION_DENIED)
    with pytest.raises(StorageError, match="permission") as raised:
        await place.appender.wait_for_columns(DEALS, ["id"])
    assert "roles/bigquery.dataEditor" in raised.value.advice
    assert slept(place) == []


# Tables that cannot be written to


@pytest.mark.parametrize("code", [Code.PERMISSION_DENIED, Code.UNAUTHENTICATED])
@pytest.mark.parametrize("how", [Answered, Cut])
async def test_without_permission_it_ends_at_once_with_advice(
    place: Town, code: Code, how: type[Answered | Cut]
) -> None:
    place.server.faults.append(how(code=code, message="Permission 'bigquery.tables.updateData' denied"))
    with pytest.raises(StorageError) as raised:
        await place.append(upsert("1"))
    assert "gcloud" in raised.value.advice
    assert slept(place) == []


async def test_what_ends_a_stream_is_told_although_more_is_being_sent() -> None:
    async with town(AppendSettings(request_bytes=1)) as place:
        for _ in range(8):  # gRPC hides it often, not always
            place.server.faults.clear()
            await place.append(upsert("1"))
            before = place.server.connections
            place.server.faults.extend([Cut(code=Code.PERMISSION_DENIED)] * 100)
            with pytest.raises(StorageError, match="permission"):
                await place.append(*many(50))
            assert place.server.connections <= before + 1


async def test_a_table_that_was_made_a_moment_ago_may_be_missing_for_a_while(place: Town) -> None:
    place.server.faults.extend([Answered(Code.NOT_FOUND)] * 4)
    assert await place.append(upsert("1")) == []
    assert place.server.connections == 5


async def test_a_table_that_stays_missing_is_told(place: Town) -> None:
    with pytest.raises(StorageError, match=r"table agency-1\.productive\.typo does not exist"):
        await place.append(upsert("1"), table=DEALS.replace("deals", "typo"))
    assert sum(slept(place)) < 60


# Ends


async def test_closing_ends_appends_that_wait() -> None:
    async with town(clock=SystemClock()) as place:
        place.server.faults.append(Silent())
        waiting = asyncio.create_task(place.append(upsert("1")))
        await place.server.arrived.wait()
        await place.appender.close()
        with pytest.raises(UnreachableError, match="closed"):
            await waiting
        with pytest.raises(UnreachableError, match="closed"):
            await place.append(upsert("1"))
        with pytest.raises(UnreachableError, match="closed"):
            await place.appender.wait_for_columns(DEALS, ["id"])
        await place.appender.close()


class PausingClock(SystemClock):
    """Tells when somebody sleeps, and never wakes them."""

    def __init__(self) -> None:
        self.pausing = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.pausing.set()
        await asyncio.Event().wait()


async def test_closing_ends_appends_that_pause() -> None:
    clock = PausingClock()
    async with town(clock=clock) as place:
        place.server.faults.append(Cut())
        waiting = asyncio.create_task(place.append(*many(3)))
        await clock.pausing.wait()
        await place.appender.close()
        with pytest.raises(UnreachableError, match="closed"):
            await waiting


async def test_an_append_that_is_cancelled_leaves_the_connection_in_order() -> None:
    async with town(AppendSettings(request_bytes=1_000)) as place:
        for patience in range(12):
            task = asyncio.create_task(place.append(*many(300, name="a")))
            for _ in range(patience * 5):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert await place.append(upsert("last", version=patience + 1, position=patience)) == []
            assert place.deals.rows["last"]["position"] == patience


async def test_every_row_of_a_failed_append_may_simply_be_sent_again(place: Town) -> None:
    place.server.faults.extend([None, Answered(Code.PERMISSION_DENIED)])
    await place.append(upsert("1"))
    with pytest.raises(StorageError):
        await place.append(*many(50))
    assert await place.append(*many(50)) == []
    assert len(place.deals.rows) == 50


# Everything at once

FAULTS: st.SearchStrategy[Fault] = st.one_of(
    st.none(),
    st.builds(Cut, st.booleans(), st.sampled_from(RECONNECT)),
    st.builds(Answered, st.sampled_from([*RECONNECT, Code.RESOURCE_EXHAUSTED, Code.NOT_FOUND])),
    st.just(Closed()),
    st.builds(Silent, st.booleans()),
    st.just(Answered(Code.INVALID_ARGUMENT, "extra fields: 'x'")),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    faults=st.lists(FAULTS, max_size=15),
    appends=st.lists(
        st.lists(st.tuples(st.integers(0, 15), st.integers(1, 6)), max_size=25), min_size=1, max_size=5
    ),
    request_bytes=st.sampled_from([60, 300, 1_000_000]),
)
async def test_nothing_is_lost_and_nothing_is_there_twice_whatever_goes_wrong(
    faults: list[Fault], appends: list[list[tuple[int, int]]], request_bytes: int
) -> None:
    chosen = replace(IMPATIENT, response_seconds=0.1, request_bytes=request_bytes, connections=1)
    async with town(chosen) as place:
        place.server.faults.extend(faults)
        sent = [[upsert(str(id_), version, position=version) for id_, version in rows] for rows in appends]
        results = await asyncio.gather(
            *(place.append(*rows, table=PEOPLE if at % 2 else DEALS) for at, rows in enumerate(sent)),
            return_exceptions=True,
        )
        failed = [result for result in results if isinstance(result, BaseException)]
        assert all(isinstance(error, IngestError) for error in failed)
        assert [result for result in results if result not in failed] == [[]] * (len(sent) - len(failed))
        place.server.faults.clear()
        for at, (rows, result) in enumerate(zip(sent, results, strict=True)):
            if result in failed:
                assert await place.append(*rows, table=PEOPLE if at % 2 else DEALS) == []
        for table, parity in ((place.deals, 0), (place.people, 1)):
            newest: dict[str, int] = {}
            for id_, version in (
                pair for at, rows in enumerate(appends) if at % 2 == parity for pair in rows
            ):
                newest[str(id_)] = max(version, newest.get(str(id_), 0))
            assert {id_: row["position"] for id_, row in table.rows.items()} == newest
