"""How the facts of a resource become columns and includes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import Column, ColumnType, Include, Table
from shared.catalog.columns import RESERVED_PREFIXES, build_tables, name_problems
from shared.catalog.facts import Facts, ResourceFacts, parse_facts
from shared.errors import ConfigError

PEOPLE = """
[people]
about = "People."
set = "people"
attributes.string = ["name"]
"""


def tables(text: str) -> dict[str, Table]:
    return {table.name: table for table in build_tables(parse_facts(text + PEOPLE))}


def deals(facts: str) -> Table:
    return tables(f'[deals]\nabout = "Deals."\nset = "core"\n{facts}\n')["deals"]


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def test_columns_come_as_id_then_foreign_keys_then_attributes_then_lists() -> None:
    table = deals(
        """
        attributes.string = ["name", "alias"]
        attributes.boolean = ["budget"]
        to_one.any = ["origin"]
        to_one.people = ["responsible", "creator"]
        to_many.people = ["members"]
        """
    )
    assert names(table) == [
        "id",
        "creator_id",
        "origin_id",
        "origin_type",
        "responsible_id",
        "alias",
        "budget",
        "name",
        "members_ids",
    ]


def test_a_foreign_key_references_its_table_and_its_relationship_is_included() -> None:
    table = deals('to_one.people = ["creator"]')
    assert table.columns[1] == Column("creator_id", ColumnType.STRING, "to_one_id", "creator", "people")
    assert table.includes == (Include("creator", "people"),)


def test_a_relationship_to_what_is_no_resource_keeps_its_type_and_references_nothing() -> None:
    table = tables(
        """
        foreign_types = ["agents"]
        [deals]
        about = "Deals."
        set = "core"
        to_one.agents = ["agent"]
        """
    )["deals"]
    assert table.columns[1] == Column("agent_id", ColumnType.STRING, "to_one_id", "agent")
    assert table.includes == (Include("agent", "agents"),)


def test_a_polymorphic_relationship_has_a_type_column_and_is_included_without_a_type() -> None:
    table = deals('to_one.any = ["origin"]')
    assert table.columns[2] == Column("origin_type", ColumnType.STRING, "to_one_type", "origin")
    assert table.includes == (Include("origin", None),)


def test_the_organization_has_a_column_and_is_not_included() -> None:
    table = tables(
        """
        [organizations]
        about = "Organizations."
        set = "core"
        [deals]
        about = "Deals."
        set = "core"
        to_one.organizations = ["organization"]
        """
    )["deals"]
    assert names(table) == ["id", "organization_id"]
    assert table.includes == ()


def test_the_organization_is_included_where_it_does_not_come_unasked() -> None:
    table = tables(
        """
        [organizations]
        about = "Organizations."
        set = "core"
        [deals]
        about = "Deals."
        set = "core"
        to_one.organizations = ["organization"]
        include_organization = true
        """
    )["deals"]
    assert table.includes == (Include("organization", "organizations"),)


def test_an_attribute_whose_name_is_taken_gives_way_and_keeps_its_reference() -> None:
    table = deals(
        """
        attributes.integer = ["id", "creator_id", "origin_type", "members_ids"]
        to_one.people = ["creator"]
        to_one.any = ["origin"]
        to_many.people = ["members"]
        """
    )
    columns = {column.name: column for column in table.columns}
    assert columns["creator_id_attribute"].field == "creator_id"
    assert columns["creator_id_attribute"].references == "people"
    assert columns["id_attribute"].type is ColumnType.STRING
    assert {"origin_type_attribute", "members_ids_attribute"} <= columns.keys()


def test_an_attribute_and_a_relationship_of_one_name_live_side_by_side() -> None:
    table = deals('attributes.string = ["tax_rate"]\nto_one.people = ["tax_rate"]')
    assert names(table) == ["id", "tax_rate_id", "tax_rate"]


def test_only_types_that_nobody_describes_are_guessed() -> None:
    table = deals('attributes.integer = ["amount"]\nattributes.unknown = ["cost"]')
    assert [(column.name, column.type, column.guessed) for column in table.columns[1:]] == [
        ("amount", ColumnType.NUMERIC, False),
        ("cost", ColumnType.NUMERIC, True),
    ]


@pytest.mark.parametrize(
    ("attributes", "change_column"),
    [
        ('attributes.timestamp = ["created_at", "last_activity_at", "updated_at"]', "updated_at"),
        ('attributes.timestamp = ["created_at", "last_activity_at"]', "last_activity_at"),
        ('attributes.timestamp = ["created_at"]', None),
        ('attributes.date = ["updated_at"]', None),
    ],
)
def test_the_change_time_is_the_best_timestamp_there_is(attributes: str, change_column: str | None) -> None:
    assert deals(attributes).change_column == change_column


@pytest.mark.parametrize(
    ("sorts", "stable"),
    [('["name", "id", "created_at"]', "id"), ('["created_at", "name"]', "created_at"), ('["name"]', None)],
)
def test_the_stable_sort_prefers_the_id(sorts: str, stable: str | None) -> None:
    assert deals(f"sorts = {sorts}").stable_sort == stable


@pytest.mark.parametrize("prefix", RESERVED_PREFIXES)
def test_prefixes_that_bigquery_reserves_are_refused_in_any_case(prefix: str) -> None:
    assert "reserves" in name_problems([f"{prefix.upper()}x"])[0]


@pytest.mark.parametrize("name", ["", "9lives", "with space", "naïve", "a-b", "_mine", "x" * 301])
def test_names_that_do_not_fit_are_refused(name: str) -> None:
    assert len(name_problems([name])) == 1


def test_names_that_differ_only_in_case_are_one_name() -> None:
    assert name_problems(["Amount", "amount"]) == ["column 'amount' exists twice"]


def test_a_table_that_could_not_be_made_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match=r"table 'deals' cannot be made: column '_CHANGE_x' begins"):
        deals('attributes.string = ["_CHANGE_x"]')


def test_a_name_that_cannot_give_way_is_refused() -> None:
    with pytest.raises(ConfigError, match="column 'id_attribute' exists twice"):
        deals('attributes.string = ["id", "id_attribute"]')


words = st.from_regex(r"[a-c]{1,2}(_(id|ids|type|at))?", fullmatch=True)


@given(
    attributes=st.frozensets(words, max_size=8),
    to_one=st.frozensets(words, max_size=5),
    polymorphic=st.frozensets(words, max_size=3),
    to_many=st.frozensets(words, max_size=4),
)
def test_every_value_gets_a_column_of_its_own(
    attributes: frozenset[str], to_one: frozenset[str], polymorphic: frozenset[str], to_many: frozenset[str]
) -> None:
    relationships = {
        "people": tuple(to_one - polymorphic - to_many),
        "any": tuple(polymorphic - to_many),
    }
    resource = ResourceFacts(
        about="Deals.",
        set="core",
        attributes={"unknown": tuple(attributes)},
        to_one=relationships,
        to_many={"people": tuple(to_many)},
    )
    people = ResourceFacts(about="People.", set="people")
    table = build_tables(Facts({"deals": resource, "people": people}))[0]
    assert name_problems(names(table)) == []
    places = {(column.kind, column.field) for column in table.columns}
    assert places == {
        ("id", "id"),
        *(("attribute", name) for name in attributes),
        *(("to_one_id", name) for names in relationships.values() for name in names),
        *(("to_one_type", name) for name in relationships["any"]),
        *(("to_many_ids", name) for name in to_many),
    }
