"""What must hold for every table of the catalog, one test per table."""

from __future__ import annotations

import pytest

from shared.catalog import ColumnType, Table, load_catalog
from shared.catalog.columns import name_problems
from shared.catalog.facts import read_facts
from shared.record import OwnColumn

CATALOG = load_catalog()
FOREIGN_TYPES = read_facts().foreign_types

every_table = pytest.mark.parametrize("table", CATALOG.values(), ids=list(CATALOG))


@every_table
def test_the_id_comes_first_and_is_the_only_id(table: Table) -> None:
    first = table.columns[0]
    assert (first.name, first.type, first.field) == ("id", ColumnType.STRING, "id")
    assert [column.name for column in table.columns if column.kind == "id"] == ["id"]


@every_table
def test_column_names_fit_the_warehouses_and_leave_ours_alone(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert name_problems(names) == []
    assert not set(names) & {str(own) for own in OwnColumn}


@every_table
def test_no_value_of_the_api_is_read_into_two_columns(table: Table) -> None:
    places = [(column.kind, column.field) for column in table.columns]
    assert len(places) == len(set(places))


@every_table
def test_every_include_fills_a_foreign_key_and_every_foreign_key_is_included(table: Table) -> None:
    keys = {column.field for column in table.columns if column.kind == "to_one_id"}
    includes = [include.name for include in table.includes]
    assert len(includes) == len(set(includes))
    assert set(includes) <= keys
    assert keys - set(includes) <= {"organization"}


@every_table
def test_foreign_keys_are_text_and_named_after_their_relationship(table: Table) -> None:
    suffixes = {"to_one_id": "_id", "to_one_type": "_type", "to_many_ids": "_ids"}
    for column in table.columns:
        if column.kind in suffixes:
            assert column.name == column.field + suffixes[column.kind]
            many = column.kind == "to_many_ids"
            assert column.type is (ColumnType.STRING_ARRAY if many else ColumnType.STRING)


@every_table
def test_a_type_column_stands_beside_exactly_the_polymorphic_foreign_keys(table: Table) -> None:
    typed = {column.field for column in table.columns if column.kind == "to_one_type"}
    assert typed == {include.name for include in table.includes if include.type is None}
    names = [column.name for column in table.columns]
    for field in typed:
        assert names[names.index(f"{field}_id") + 1] == f"{field}_type"


@every_table
def test_what_a_column_references_is_a_table_of_the_type_that_is_included(table: Table) -> None:
    includes = {include.name: include.type for include in table.includes}
    for column in table.columns:
        if column.references is not None:
            assert column.references in CATALOG
            assert column.kind in {"to_one_id", "to_many_ids", "attribute"}
        if column.kind == "to_one_id" and column.field in includes:
            target = includes[column.field]
            assert (CATALOG[column.references].type if column.references else None) == (
                None if target in FOREIGN_TYPES else target
            )


@every_table
def test_ids_in_attributes_are_text(table: Table) -> None:
    for column in table.columns:
        if column.kind == "attribute" and (column.field == "id" or column.field.endswith("_id")):
            assert column.type is ColumnType.STRING


@every_table
def test_the_change_column_is_a_time_among_the_attributes(table: Table) -> None:
    times = {
        column.name
        for column in table.columns
        if column.kind == "attribute" and column.type is ColumnType.TIMESTAMP
    }
    best = next((name for name in ("updated_at", "last_activity_at") if name in times), None)
    assert table.change_column == best


@every_table
def test_the_stable_sort_is_documented(table: Table) -> None:
    if table.stable_sort is not None:
        assert table.sorts is not None
        assert table.stable_sort in table.sorts


@every_table
def test_only_attributes_are_credentials_or_guessed(table: Table) -> None:
    for column in table.columns:
        if column.secret or column.guessed:
            assert column.kind == "attribute"


@every_table
def test_a_table_without_a_list_is_not_selected_and_not_synced_by_changes(table: Table) -> None:
    if not table.listable:
        assert not table.selected_by_default
        assert table.change_filter is None


@every_table
def test_paths_stay_below_the_root_of_the_api(table: Table) -> None:
    for path in filter(None, (table.path, table.fallback_path)):
        assert path.strip("/") == path
        assert all(part.replace("_", "").isalnum() for part in path.split("/"))


@every_table
def test_reports_know_no_cursor_and_count_against_their_own_limit(table: Table) -> None:
    report = table.path.startswith("reports/")
    assert table.cursor is not report
    assert (table.limit == "reports") is report
