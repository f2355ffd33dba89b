"""The drift of a table's fields is remembered from one whole read to the next, in names and counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.backfill.sightings import Sightings
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.record import Drift, Normalizer

TAGS = select(load_catalog(), SelectionRules(only=("tags",)))["tags"]
FIELDS = {column.field: None for column in TAGS.columns if column.kind == "attribute"}


def page(*attributes: Mapping[str, Any], before: Sightings = Sightings()) -> Sightings:  # noqa: B008 -- a value
    drift = Drift()
    normalizer = Normalizer(TAGS.table, TAGS.columns)
    for number, one in enumerate(attributes):
        links = {c.field: {"meta": {"included": False}} for c in TAGS.columns if c.kind.startswith("to_")}
        resource = {"id": number + 1, "attributes": one, "relationships": links}
        normalizer.normalize(resource, 1, drift)
        drift.look([resource])
    return before.after(TAGS, len(attributes), drift)


def test_unknown_fields_and_values_that_do_not_fit_add_up_over_pages() -> None:
    first = page({**FIELDS, "brand_new": 1}, {**FIELDS, "brand_new": "secret", "name": {}})
    both = page({"brand_new": 2, "name": []}, before=first)
    assert both.records == 3
    assert both.unknown == {"brand_new: integer": 2, "brand_new: string": 1}
    assert both.unfit == {"name": 2}
    assert "secret" not in repr(both)


def test_a_column_is_absent_until_one_record_has_its_field_be_it_null() -> None:
    less = {name: None for name in FIELDS if name != "name"}
    first = page(less, less)
    assert first.absent == ("name",)
    assert page(less, before=first).absent == ("name",)
    assert page(FIELDS, before=first).absent == ()
    assert page(less, before=page(FIELDS)).absent == ()


def test_a_page_without_records_says_nothing() -> None:
    assert page() == Sightings()
    assert page(before=page({})) == page({})


def test_an_endless_variety_of_names_is_not_kept() -> None:
    seen = page({f"odd_{number}": 1 for number in range(3_000)})
    assert len(seen.unknown) == 1_000
