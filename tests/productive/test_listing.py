from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import load_catalog
from shared.catalog.model import Include
from shared.clock import MICROSECONDS
from shared.productive import Learned, ListQuery, changed_between
from tests.productive.server import table

NOTHING = Learned()
NINE_US = 1_767_258_000 * MICROSECONDS


def test_every_foreign_key_is_asked_for_and_side_loaded_records_are_cut_down_to_their_ids() -> None:
    query = ListQuery.of(table("company", "person"))
    assert query.parameters(NOTHING) == (
        ("include", "company,person"),
        ("fields[companys]", "id"),
        ("fields[persons]", "id"),
    )


def test_the_records_that_are_asked_for_are_never_cut_down() -> None:
    query = ListQuery.of(table(Include("parent", "deals"), Include("subject", None), "person"))
    assert [key for key, _ in query.parameters(NOTHING)] == ["include", "fields[persons]"]


def test_only_selected_foreign_keys_are_included() -> None:
    everything = table("company", "person")
    assert ListQuery.of(everything, ["id", "title", "person_id"]).parameters(NOTHING) == (
        ("include", "person"),
        ("fields[persons]", "id"),
    )
    assert ListQuery.of(everything, ["id", "title"]).parameters(NOTHING) == ()


def test_the_tables_own_parameters_come_with_every_list() -> None:
    query = ListQuery.of(table(params={"filter[with_draft]": "true"}), filters=(("filter[status]", "1"),))
    assert query.parameters(NOTHING) == (("filter[with_draft]", "true"), ("filter[status]", "1"))
    assert query.filter_names(NOTHING) == ("with_draft", "status")
    assert query.filters_in_force(NOTHING) == ("status",)


def test_what_was_refused_is_left_out() -> None:
    query = ListQuery.of(
        table("company", "person", params={"filter[with_draft]": "true"}),
        filters=changed_between("updated_at", 0, 1),
        sort="-name",
    )
    learned = NOTHING.without(includes=("company",), filters=("updated_at",), sorts=("name",))
    assert query.parameters(learned) == (
        ("filter[with_draft]", "true"),
        ("include", "person"),
        ("fields[persons]", "id"),
    )
    assert query.filters_in_force(learned) == ()
    assert "fields[persons]" not in dict(query.parameters(Learned(no_fieldsets=True)))


def test_no_joining_word_is_left_when_nothing_is_left_to_join() -> None:
    query = ListQuery.of(table(), filters=changed_between("updated_at", 0, 1))
    assert query.parameters(NOTHING.without(filters=("updated_at",))) == ()


def test_the_querys_own_order_goes_before_a_walks() -> None:
    assert ListQuery.of(table(), sort="-name").parameters(NOTHING, sort="id") == (("sort", "-name"),)
    assert ListQuery.of(table()).parameters(NOTHING, sort="id") == (("sort", "id"),)


def test_the_fallback_path_is_used_once_it_is_known_to_be_needed() -> None:
    query = ListQuery.of(table(name="boards", fallback_path="folders"))
    assert query.path(NOTHING) == "boards"
    assert query.path(Learned(use_fallback_path=True)) == "folders"
    assert ListQuery.of(table()).path(Learned(use_fallback_path=True)) == "deals"


def test_a_span_of_time_is_widened_to_whole_seconds() -> None:
    assert changed_between("updated_at", NINE_US + 999_999) == (
        ("filter[updated_at][gt_eq]", "2025-12-31T21:00:00-12:00"),
    )
    assert changed_between("updated_at", NINE_US + 1, NINE_US + 1_000_001) == (
        ("filter[$op]", "and"),
        ("filter[0][updated_at][gt_eq]", "2025-12-31T21:00:00-12:00"),
        ("filter[1][updated_at][lt]", "2026-01-01T23:00:02+14:00"),
    )


@given(
    st.integers(0, 4 * 10**15).map(lambda us: datetime(1980, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)),
    st.floats(0, 400 * 86_400),
    st.floats(0, 86_400 * 400),
    st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters))),
)
def test_no_change_of_a_span_is_missed_even_where_times_are_cut_down_to_days_of_any_zone(
    since: datetime, length: float, later: float, zone: timezone
) -> None:
    changed = since + timedelta(seconds=min(later, length))
    until = since + timedelta(seconds=length)
    values = dict(changed_between("at", _us(since), _us(until)))
    low, high = values["filter[0][at][gt_eq]"], values["filter[1][at][lt]"]
    if changed < until:
        assert datetime.fromisoformat(low) <= changed < datetime.fromisoformat(high)
    # A span may end on the day of the change; the next one, which begins where it ends, has it then.
    day = changed.astimezone(zone).date().isoformat()
    following = dict(changed_between("at", _us(until)))["filter[at][gt_eq]"]
    assert low[:10] <= day
    assert day < high[:10] or following[:10] <= day


def test_findings_add_up_and_can_be_stored() -> None:
    learned = NOTHING.without(includes=("b",)).without(includes=("a", "b"), sorts=("x",))
    assert learned.refused_includes == ("a", "b")
    assert msgspec.json.decode(msgspec.json.encode(learned), type=Learned) == learned
    assert msgspec.json.encode(NOTHING) == b"{}"


def test_no_query_of_the_catalog_cuts_down_its_own_records_or_asks_for_something_twice() -> None:
    for entry in load_catalog().values():
        keys = [key for key, _ in ListQuery.of(entry).parameters(NOTHING)]
        assert f"fields[{entry.type}]" not in keys
        assert len(keys) == len(set(keys))


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
