"""Mistakes in facts.toml are told in words that lead to the place."""

from __future__ import annotations

import pytest

from shared.catalog.facts import parse_facts, read_facts
from shared.errors import ConfigError


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_facts(text)
    assert "facts.toml" in caught.value.advice
    return caught.value.message


def deals(facts: str) -> str:
    return f'[deals]\nabout = "Deals."\nset = "core"\n{facts}\n'


def test_the_facts_in_the_tree_are_sound() -> None:
    facts = read_facts()
    assert all(resource.about.endswith(".") for resource in facts.resources.values())
    assert all(note.endswith(".") for resource in facts.resources.values() for note in resource.notes)


def test_every_foreign_type_is_pointed_at_by_some_relationship() -> None:
    facts = read_facts()
    pointed = {
        target
        for resource in facts.resources.values()
        for kind in (resource.to_one, resource.to_many)
        for target in kind
    }
    assert set(facts.foreign_types) <= pointed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[deals", "facts.toml is not TOML"),
        (deals("colour = 1"), "facts.toml, deals: Object contains unknown field `colour`"),
        ('[deals]\nset = "core"', "facts.toml, deals: Object missing required field `about`"),
        (deals("").replace("core", "best"), "facts.toml, deals: Invalid enum value 'best' - at `$.set`"),
        (deals('attributes.money = ["cost"]'), "facts.toml, deals: Invalid enum value 'money'"),
        (deals('attributes.string = "name"'), "facts.toml, deals: Expected `array`, got `str`"),
        (deals('change_filter = "created_at"'), "facts.toml, deals: Invalid enum value 'created_at'"),
        (deals('limit = "slow"'), "facts.toml, deals: Invalid enum value 'slow'"),
        (deals("events.renamed = [1]"), "facts.toml, deals: Invalid enum value 'renamed'"),
        ("deals = 3", "facts.toml, deals: Expected `object`, got `int`"),
        ("foreign_types = 3", "facts.toml, foreign_types: Expected `array`, got `int`"),
        (deals('attributes.string = ["a", "a"]'), "deals: attribute 'a' is stated twice"),
        (
            deals('attributes.string = ["a"]\nattributes.date = ["a"]'),
            "deals: attribute 'a' is stated twice",
        ),
        (deals('secret = ["token"]'), "deals: secret 'token' is not an attribute"),
        (deals('joins.task_id = "deals"'), "deals: joins 'task_id', which is not an attribute"),
        (
            deals('attributes.integer = ["task_id"]\njoins.task_id = "tasks"'),
            "deals: 'task_id' joins 'tasks', which is not a resource",
        ),
        (
            deals('to_one.persons = ["creator"]'),
            "deals: relationships point at 'persons', which is neither a resource nor a foreign type",
        ),
        (
            deals('to_one.any = ["owner"]\nto_many.deals = ["owner"]'),
            "deals: relationship 'owner' is stated twice",
        ),
        (deals("events = { create = [1], update = [1] }"), "webhook event 1 is stated twice"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, message: str) -> None:
    assert message in complaint(text)


def test_all_contradictions_are_told_at_once() -> None:
    message = complaint(deals('secret = ["a", "b"]\nto_one.persons = ["c"]'))
    assert message.count("deals:") == 3
