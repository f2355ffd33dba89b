from __future__ import annotations

import pytest

from shared.productive.answers import RefusalKind
from shared.productive.jsonapi import ApiError
from shared.productive.refusals import Parameters, filter_name, refusal

SENT: Parameters = (
    ("filter[$op]", "and"),
    ("filter[0][updated_at][gt_eq]", "2026-01-01"),
    ("filter[1][updated_at][lt]", "2026-02-01"),
    ("filter[with_draft]", "true"),
    ("include", "company,project,project_manager,deal"),
    ("fields[companies]", "id"),
    ("sort", "-created_at"),
    ("page[after]", ""),
)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("filter[status]", "status"),
        ("filter[updated_at][gt_eq]", "updated_at"),
        ("filter[0][updated_at][gt_eq]", "updated_at"),
        ("filter[12][status]", "status"),
        ("filter[$op]", "$op"),
        ("filter[0]", "0"),
        ("sort", "sort"),
    ],
)
def test_a_filter_is_known_by_what_it_filters_by(key: str, name: str) -> None:
    assert filter_name(key) == name


@pytest.mark.parametrize(
    ("error", "kind", "names"),
    [
        (ApiError(code="unsupported_filter"), "filter", ()),
        (
            ApiError(
                title="Unsupported Filter", detail="Filter updated_at is not supported on this endpoint"
            ),
            "filter",
            ("updated_at",),
        ),
        (ApiError(detail="updated_at is not supported on this endpoint"), "filter", ("updated_at",)),
        (ApiError(title="Bad Request", parameter="filter[with_draft]"), "filter", ("with_draft",)),
        (ApiError(title="Bad Request", parameter="filter[0][updated_at][gt_eq]"), "filter", ("updated_at",)),
        (
            ApiError(code="sort_param_unsupported", detail="created_at is not supported"),
            "sort",
            ("created_at",),
        ),
        (ApiError(title="Sort param unsupported"), "sort", ()),
        (
            ApiError(title="Unsupported Include", detail="Include 'project' is not supported"),
            "include",
            ("project",),
        ),
        (
            ApiError(title="Unsupported Include", detail="project_manager is not supported on this endpoint"),
            "include",
            ("project_manager",),
        ),
        (
            ApiError(title="Unsupported Include", detail="`company` and `deal` cannot be used"),
            "include",
            ("company", "deal"),
        ),
        (ApiError(title="Unsupported Include"), "include", ()),
        (ApiError(parameter="include"), "include", ()),
        (ApiError(code="keyset_conflict"), "cursor", ()),
        (
            ApiError(code="keyset_unsupported_sort", detail="The sort is not supported with page[after]"),
            "cursor",
            (),
        ),
        (ApiError(code="keyset_invalid_cursor"), "cursor", ()),
        (ApiError(detail="Keyset pagination is not supported"), "cursor", ()),
        (ApiError(parameter="page[after]", detail="is unknown"), "cursor", ()),
        (ApiError(parameter="fields[companies]"), "fields", ()),
        (ApiError(code="invalid", detail="something else"), "parameter", ()),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_what_was_refused_is_told_from_wherever_the_body_says_it(
    error: ApiError, kind: str, names: tuple[str, ...], status: int
) -> None:
    told = refusal(status, [error], SENT)
    assert (told.kind, told.names, told.code, told.status) == (RefusalKind(kind), names, error.code, status)


def test_names_that_are_listed_as_the_possible_ones_are_not_the_refused_ones() -> None:
    error = ApiError(title="Unsupported Include", detail="foo is unknown. Supported includes: company, deal")
    assert refusal(400, [error], SENT).names == ()


def test_a_text_that_can_be_read_in_two_ways_names_nothing() -> None:
    error = ApiError(title="Unsupported Include", detail="Include company is not supported on a deal")
    assert refusal(400, [error], SENT).names == ()


def test_a_name_is_not_found_inside_of_another() -> None:
    error = ApiError(title="Unsupported Include", detail="company.deal is not supported with subproject")
    assert refusal(400, [error], SENT).names == ()


def test_the_first_error_that_can_be_understood_decides() -> None:
    errors = [ApiError(detail="something"), ApiError(code="sort_param_unsupported")]
    assert refusal(400, errors, SENT).kind is RefusalKind.SORT


def test_a_refusal_without_a_body_is_one_all_the_same() -> None:
    told = refusal(422, [], SENT)
    assert (told.kind, told.detail) == (RefusalKind.PARAMETER, "no reason given")
