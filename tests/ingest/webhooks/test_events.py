"""Which events there are, and what they are called."""

from __future__ import annotations

import pytest

from services.ingest.webhooks.events import all_events, choose
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.errors import ConfigError

CATALOG = load_catalog()
TABLES = select(CATALOG, SelectionRules())

# From Productive's documentation of webhooks.
DOCUMENTED = {
    "task": {"create": 1, "update": 24, "delete": 25},
    "invoice": {"create": 2, "update": 14, "delete": 15},
    "deal": {"create": 3, "update": 12, "delete": 13},
    "budget": {"create": 4, "update": 16, "delete": 20},
    "project": {"create": 5, "update": 10, "delete": 11},
    "time_entry": {"create": 7, "update": 8, "delete": 9},
    "booking": {"create": 17, "update": 18, "delete": 19},
    "expense": {"create": 21, "update": 22, "delete": 23},
    "person": {"create": 26, "update": 27, "archive": 28},
    "company": {"create": 29, "update": 30, "archive": 31},
    "payment": {"create": 32, "update": 33, "delete": 34},
}


def test_the_events_are_those_that_productive_documents() -> None:
    documented = {id_: f"{thing}.{kind}" for thing, ids in DOCUMENTED.items() for kind, id_ in ids.items()}
    assert {event.id: event.name for event in all_events(CATALOG)} == documented
    assert len(documented) == 33


def test_all_events_of_the_selected_tables_are_chosen_when_none_is_named() -> None:
    assert len(choose(CATALOG, TABLES)) == 33
    few = select(CATALOG, SelectionRules(only=("tasks", "memberships")))
    assert {event.name for event in choose(CATALOG, few)} == {"task.create", "task.update", "task.delete"}


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["24"], [24]),
        (["task.update"], [24]),
        (["task"], [1, 24, 25]),
        (["tasks"], [1, 24, 25]),
        (["Time entry"], [7, 8, 9]),
        (["deal"], [3, 12, 13]),
        (["budget"], [4, 16, 20]),
        (["deals"], [3, 4, 12, 13, 16, 20]),
        (["invoice.delete", "person.archive", "15"], [15, 28]),
    ],
)
def test_events_are_chosen_by_id_name_thing_or_table(words: list[str], ids: list[int]) -> None:
    assert [event.id for event in choose(CATALOG, TABLES, words)] == ids


@pytest.mark.parametrize("word", ["taks", "task.archive", "6", "35", "", "comments"])
def test_an_event_that_does_not_exist_is_refused_with_those_that_do(word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(CATALOG, TABLES, [word])
    assert "task.update" in caught.value.advice


def test_an_event_of_a_table_that_is_not_selected_is_refused() -> None:
    few = select(CATALOG, SelectionRules(only=("tasks",)))
    with pytest.raises(ConfigError, match="deals"):
        choose(CATALOG, few, ["deal"])
    with pytest.raises(ConfigError):
        choose(CATALOG, select(CATALOG, SelectionRules(only=("memberships",))))
