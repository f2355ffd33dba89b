"""A payload is published only when nothing is missing in it; everything else is asked for again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.reading.answering import Answers
from services.ingest.reading.coalescing import Pending, Waiting
from services.ingest.reading.hint import Hint
from services.ingest.reading.interpretation import Interpreter, Nonsense, Publish, Reread, Skip
from services.ingest.reading.payload import TEST_EVENT
from services.ingest.reading.wholeness import Wholeness
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.productive import Found, Gone
from shared.record import Record, Rejected
from tests.ingest.reading.bodies import NOON_US, SECOND, body, delivery, event_of, stamp, whole

CATALOG = load_catalog()
TABLES = select(CATALOG, SelectionRules())
INTERPRETER = Interpreter(CATALOG, TABLES)
RECEIVED_US = NOON_US + SECOND
DAY = 86_400 * SECOND

WITH_EVENTS = [table for table in CATALOG.values() if table.events]
EVENTS = [
    pytest.param(event_id, table.name, kind, id=f"{event_id}-{kind}-{table.name}")
    for table in WITH_EVENTS
    for kind, event_ids in table.events.items()
    for event_id in event_ids
]
VERSIONED = [table.name for table in WITH_EVENTS if table.change_column]


def interpret(event_id: int, content: bytes, **options: Any) -> Any:
    return INTERPRETER.interpret(delivery(event_id, content, **options))


def published(event_id: int, content: bytes, **options: Any) -> Publish:
    result = interpret(event_id, content, **options)
    assert isinstance(result, Publish), result
    return result


@pytest.mark.parametrize(("event_id", "table", "kind"), EVENTS)
def test_every_event_goes_to_its_table_whatever_the_item_is_called(
    event_id: int, table: str, kind: str
) -> None:
    result = interpret(event_id, body("no such thing", 17))
    if kind == "delete":
        assert isinstance(result, Publish)
        assert (result.table, result.record.id, result.record.op) == (table, "17", "delete")
    else:
        assert result == Reread(Hint(table, "17", RECEIVED_US))


@pytest.mark.parametrize("table", VERSIONED)
@pytest.mark.parametrize("kind", ["create", "update"])
def test_a_whole_payload_is_published_as_it_is(table: str, kind: str) -> None:
    selected = TABLES[table]
    result = published(event_of(table, kind), body(None, 17, resource=whole(selected)))
    assert (result.table, result.record.id, result.record.op) == (table, "17", "upsert")
    assert result.record.version == (NOON_US - SECOND, NOON_US)
    assert result.record.data["id"] == "17"


def without(resource: dict[str, Any], column: Any, *, keep: bool = False) -> dict[str, Any]:
    """The resource without a column's value: not there at all, or only not included."""
    place = "attributes" if column.kind == "attribute" else "relationships"
    held = {name: value for name, value in resource[place].items() if name != column.field}
    if keep and place == "relationships":
        held[column.field] = {"meta": {"included": False}}
    return {**resource, place: held}


@pytest.mark.parametrize("table", VERSIONED)
@pytest.mark.parametrize("keep", [True, False])
def test_a_payload_without_any_one_of_the_selected_columns_is_read_again(table: str, keep: bool) -> None:
    selected = TABLES[table]
    for column in selected.columns:
        if column.kind not in ("id", "to_many_ids"):
            content = body(None, 17, resource=without(whole(selected), column, keep=keep))
            assert interpret(event_of(table, "update"), content) == Reread(Hint(table, "17", RECEIVED_US))


@given(st.data())
def test_what_is_published_never_has_null_where_the_payload_was_silent(data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(VERSIONED))
    selected = TABLES[table]
    resource = whole(selected, unheard_of=1)
    columns = [column for column in selected.columns if column.kind not in ("id", "to_many_ids")]
    dropped = data.draw(st.sets(st.sampled_from(range(len(columns))), max_size=2))
    for index in dropped:
        resource = without(resource, columns[index], keep=data.draw(st.booleans()))
    result = interpret(event_of(table, "update"), body(None, 17, resource=resource))
    assert isinstance(result, Reread if dropped else Publish)


def test_lists_of_ids_are_not_taken_from_a_payload_as_no_reading_asks_for_them() -> None:
    lists = [column for column in TASKS.columns if column.kind == "to_many_ids"]
    resource = whole(TASKS)
    for column in lists:
        resource["relationships"][column.field] = {"data": [{"type": "x", "id": "1"}]}
    record = published(24, body("task", 17, resource=resource)).record
    assert lists
    assert not record.data.keys() & {column.name for column in lists}


def test_columns_that_are_not_selected_may_be_missing() -> None:
    skipped = tuple(f"tasks.{c.name}" for c in CATALOG["tasks"].columns if c.name not in ("id", "title"))
    tables = select(CATALOG, SelectionRules(only=("tasks",), skip_columns=skipped))
    resource = {"id": "17", "type": "tasks", "attributes": {"title": "x", "updated_at": stamp(NOON_US)}}
    content = body("task", 17, resource=resource)
    result = Interpreter(CATALOG, tables).interpret(delivery(24, content))
    assert isinstance(result, Publish)
    assert result.record.data == {"id": "17", "title": "x"}


def test_a_credential_that_is_not_selected_may_be_missing() -> None:
    assert not any(column.secret for name in VERSIONED for column in TABLES[name].columns)


TASKS = TABLES["tasks"]


@pytest.mark.parametrize(
    "resource",
    [
        whole(TASKS, updated_at=None),
        whole(TASKS, updated_at="yesterday"),
        whole(TASKS, initial_estimate="a lot"),  # would be null with the text in _unparsed
        whole(TASKS, "18"),
        {**whole(TASKS), "type": "deals"},
        {**whole(TASKS), "attributes": None},
        {**whole(TASKS), "relationships": []},
        {},
    ],
)
def test_a_payload_that_cannot_be_trusted_is_read_again(resource: dict[str, Any]) -> None:
    assert interpret(24, body("task", 17, resource=resource)) == Reread(Hint("tasks", "17", RECEIVED_US))


@pytest.mark.parametrize("created_us", [None, RECEIVED_US + 600 * SECOND, RECEIVED_US - 8 * DAY])
def test_a_state_of_no_known_time_is_read_again(created_us: int | None) -> None:
    content = body("task", 17, resource=whole(TASKS), created_us=created_us)
    assert interpret(24, content) == Reread(Hint("tasks", "17", RECEIVED_US))


def test_a_state_is_observed_no_later_than_it_was_received() -> None:
    content = body("task", 17, resource=whole(TASKS), created_us=RECEIVED_US + 2 * SECOND)
    assert published(24, content).record.version.observed_us == RECEIVED_US


def test_a_table_without_change_times_is_always_read_again() -> None:
    assert CATALOG["payments"].change_column is None
    result = interpret(33, body("payment", 17, resource=whole(TABLES["payments"])))
    assert result == Reread(Hint("payments", "17", RECEIVED_US))


@pytest.mark.parametrize(("event_id", "item_type"), [(28, "person"), (31, "company")])
def test_what_is_archived_is_read_again_and_never_deleted(event_id: int, item_type: str) -> None:
    assert isinstance(interpret(event_id, body(item_type, 17)), Reread)
    table = "people" if item_type == "person" else "companies"
    assert isinstance(interpret(event_id, body(item_type, 17, resource=whole(TABLES[table]))), Reread)


def test_a_deletion_is_a_change_at_the_events_time() -> None:
    received_us = NOON_US + 500 * SECOND
    assert published(25, body("task", 17), received_us=received_us).record.version == (NOON_US, received_us)


@pytest.mark.parametrize(("event_id", "item_type"), [(25, "task"), (34, "payment")])
def test_a_deletion_that_comes_late_is_looked_at(event_id: int, item_type: str) -> None:
    late = NOON_US + 2 * 3600 * SECOND
    assert isinstance(interpret(event_id, body(item_type, 17), received_us=late), Reread)


@pytest.mark.parametrize("created_us", [None, RECEIVED_US + DAY, RECEIVED_US - 30 * DAY])
def test_a_deletion_of_no_believable_time_happened_when_it_was_received(created_us: int | None) -> None:
    assert published(25, body("task", 17, created_us=created_us)).record.version == (RECEIVED_US, RECEIVED_US)


def test_a_deletion_beats_the_state_that_it_tells_of() -> None:
    resource = whole(TASKS, updated_at=stamp(NOON_US + 5_000))
    assert published(25, body("task", 17, resource=resource)).record.version.changed_us == NOON_US + 5_000


def test_a_deletion_does_not_believe_a_change_in_the_far_future() -> None:
    resource = whole(TASKS, updated_at=stamp(NOON_US + DAY))
    assert published(25, body("task", 17, resource=resource)).record.version.changed_us == NOON_US


def test_where_states_are_ordered_by_our_clock_so_is_their_deletion() -> None:
    assert published(34, body("payment", 17)).record.version == (RECEIVED_US, RECEIVED_US)


@given(
    deleted=st.integers(NOON_US, NOON_US + 10 * SECOND),
    late=st.integers(0, 600 * SECOND),
    changes=st.lists(st.integers(NOON_US - DAY, NOON_US - 1), min_size=1, max_size=4),
)
def test_no_earlier_change_brings_a_deleted_row_back_and_a_later_one_does(
    deleted: int, late: int, changes: list[int]
) -> None:
    deleted -= deleted % 1000
    delete = published(25, body("task", 17, created_us=deleted), received_us=deleted + late).record
    for changed in changes:
        before = whole(TASKS, updated_at=stamp(changed))
        late_update = body("task", 17, resource=before, created_us=changed + SECOND)
        update = published(24, late_update, received_us=changed + DAY).record
        assert update.version < delete.version
    again = whole(TASKS, updated_at=stamp(deleted + 1_000))
    restored = published(1, body("task", 17, resource=again, created_us=deleted), received_us=deleted + DAY)
    assert restored.record.version > delete.version


@pytest.mark.parametrize("event_id", [6, 35, 99, 0])
def test_an_unknown_event_about_a_known_thing_has_it_read_again(event_id: int) -> None:
    assert interpret(event_id, body("budget", 17)) == Reread(Hint("deals", "17", RECEIVED_US))


def test_an_unknown_event_about_an_unknown_thing_makes_no_sense() -> None:
    result = interpret(6, body("unicorn", 17))
    assert isinstance(result, Nonsense)
    assert "6" in result.reason
    assert "unicorn" in result.reason


def test_where_event_and_item_disagree_the_item_is_read_again_and_nothing_is_deleted() -> None:
    assert interpret(25, body("deal", 17)) == Reread(Hint("deals", "17", RECEIVED_US))


def test_a_body_without_sense_makes_no_sense() -> None:
    assert isinstance(interpret(1, b"<html>"), Nonsense)


def test_tables_that_are_not_selected_are_skipped() -> None:
    tables = select(CATALOG, SelectionRules(only=("deals",)))
    result = Interpreter(CATALOG, tables).interpret(delivery(25, body("task", 17)))
    assert isinstance(result, Skip)
    assert result.table == "tasks"


def test_a_test_of_our_own_is_skipped_for_any_event() -> None:
    for event_id in (1, 25, 99):
        assert isinstance(interpret(event_id, body(event=TEST_EVENT)), Skip)


def nested(depth: int) -> Any:
    value: Any = None
    for _ in range(depth):
        value = [value]
    return value


def test_what_is_nested_too_deep_to_be_written_down_again_trips_nothing() -> None:
    resource = whole(TASKS, custom_fields=nested(5_000))
    assert Wholeness(TASKS).record(resource, "17", observed_us=NOON_US) is None
    pending = Pending("tasks", "17", [Waiting("lease", NOON_US)])
    assert isinstance(Answers(TASKS).record(pending, Found(resource, NOON_US)), Rejected)


def test_a_record_that_is_gone_went_no_earlier_than_what_is_told_of_it() -> None:
    pending = Pending("tasks", "17", [Waiting("1", NOON_US + 9), Waiting("2", NOON_US)])
    for asked, changed in ((NOON_US + 5, NOON_US + 9), (NOON_US + 20, NOON_US + 20)):
        record = Answers(TASKS).record(pending, Gone(asked))
        assert isinstance(record, Record)
        assert (record.op, record.version) == ("delete", (changed, asked))


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(["id", "type", "data"])
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "type", "data"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    event_id=st.sampled_from([1, 24, 25, 6]),
    attributes=st.dictionaries(st.sampled_from([c.field for c in TASKS.columns]), ANYTHING, max_size=4),
    relationships=ANYTHING | st.dictionaries(st.sampled_from(["project", "assignee", "x"]), ANYTHING),
    created=ANYTHING,
)
def test_no_payload_whatever_trips_it(
    event_id: int, attributes: dict[str, Any], relationships: Any, created: Any
) -> None:
    resource = whole(TASKS, **attributes)
    if isinstance(relationships, dict):
        resource["relationships"] |= relationships
    else:
        resource["relationships"] = relationships
    document = {"item_type": "task", "item_id": 17, "created": created, "object": {"data": resource}}
    result = interpret(event_id, json.dumps(document).encode())
    assert isinstance(result, (Publish, Reread))
