from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from services.sandbox import Sandbox
from services.sandbox.query.rules import load_rules
from services.sandbox.schema import load_schema
from services.sandbox.zone import stamp
from tests.sandbox.api import Api

FLAG = {"X-Feature-Flags": "filteringSkipDatetimeCastToDate"}


async def _ids(
    api: Api, path: str, params: dict[str, str], headers: dict[str, str] | None = None
) -> set[str]:
    reply = await api.get(path, {"page[size]": 200, **params}, headers)
    assert reply.status == 200, reply.document
    assert reply.meta["total_count"] <= 200
    return set(reply.ids)


def _where(sandbox: Sandbox, table: str, test: Any) -> set[str]:
    return {record["id"] for record in sandbox.organization.resources(table) if test(record["attributes"])}


async def test_lists_of_ids_are_separated_by_commas(api: Api, sandbox: Sandbox) -> None:
    wanted = sandbox.organization.ids("tasks")[3:6]
    assert await _ids(api, "tasks", {"filter[id]": ",".join(wanted)}) == set(wanted)
    assert await _ids(api, "tasks", {"filter[id][eq]": ",".join(wanted)}) == set(wanted)


async def test_relationships_are_filtered_by_id(api: Api, sandbox: Sandbox) -> None:
    project = sandbox.organization.ids("projects")[0]
    expected = {
        record["id"]
        for record in sandbox.organization.resources("tasks")
        if record["relationships"]["project"]["data"]["id"] == project
    }
    assert await _ids(api, "tasks", {"filter[project_id]": project}) == expected
    assert not expected & await _ids(api, "tasks", {"filter[project_id][not_eq]": project})


@pytest.mark.parametrize(
    ("op", "test"),
    [
        ("eq", lambda mine, bound: mine == bound),
        ("not_eq", lambda mine, bound: mine != bound),
        ("gt", lambda mine, bound: mine > bound),
        ("gt_eq", lambda mine, bound: mine >= bound),
        ("lt", lambda mine, bound: mine < bound),
        ("lt_eq", lambda mine, bound: mine <= bound),
    ],
)
async def test_dates_are_compared_by_operators(api: Api, sandbox: Sandbox, op: str, test: Any) -> None:
    bound = next(sandbox.organization.resources("expenses"))["attributes"]["date"]
    found = await _ids(api, "expenses", {f"filter[date][{op}]": bound, "filter[with_draft]": "true"})
    assert found == _where(sandbox, "expenses", lambda attributes: test(attributes["date"], bound))


async def test_texts_are_searched(api: Api, sandbox: Sandbox) -> None:
    found = await _ids(api, "projects", {"filter[name][contains]": "WEB"})
    assert found == _where(sandbox, "projects", lambda attributes: "web" in attributes["name"].lower())
    rest = await _ids(api, "projects", {"filter[name][not_contain]": "web"})
    assert found | rest == set(sandbox.organization.ids("projects"))
    assert found & rest == set()


async def test_without_the_flag_a_datetime_is_cut_to_its_date(api: Api, sandbox: Sandbox) -> None:
    organization = sandbox.organization
    day = stamp(organization.now_us())[:10]
    new = organization.put("companies", attributes={"name": "Born today"})
    late = f"{day}T23:59:59+01:00"
    assert await _ids(api, "companies", {"filter[created_at][gt_eq]": late}) == {new}
    assert await _ids(api, "companies", {"filter[created_at][gt]": f"{day}T00:00:00+01:00"}) == set()
    assert await _ids(api, "companies", {"filter[created_at]": late}) == {new}


async def test_with_the_flag_a_datetime_counts_to_the_second(api: Api, sandbox: Sandbox) -> None:
    organization = sandbox.organization
    new = organization.put("companies", attributes={"name": "Born now"})
    created = organization.resource("companies", new)["attributes"]["created_at"]
    second = created[:19] + created[23:]
    assert await _ids(api, "companies", {"filter[created_at][gt_eq]": second}, FLAG) == {new}
    assert await _ids(api, "companies", {"filter[created_at][gt]": second}, FLAG) == set()
    assert await _ids(api, "companies", {"filter[created_at][lt_eq]": second}, FLAG) == set(
        organization.ids("companies")
    )


async def test_the_flag_can_be_ignored(api: Api, sandbox: Sandbox) -> None:
    sandbox.faults.ignores_feature_flags = True
    new = sandbox.organization.put("companies", attributes={"name": "Born now"})
    day = stamp(sandbox.organization.now_us())[:10]
    found = await _ids(api, "companies", {"filter[created_at][gt_eq]": f"{day}T23:59:59+01:00"}, FLAG)
    assert found == {new}


async def test_services_are_filtered_by_a_change_time_they_do_not_show(api: Api, sandbox: Sandbox) -> None:
    identifier = sandbox.organization.ids("services")[4]
    sandbox.organization.put("services", identifier, attributes={"name": "Renamed"})
    attributes = sandbox.organization.resource("services", identifier)["attributes"]
    assert "updated_at" not in attributes
    day = stamp(sandbox.organization.now_us())[:10]
    assert await _ids(api, "services", {"filter[updated_at][gt_eq]": day}) == {identifier}


async def test_conditions_are_grouped(api: Api, sandbox: Sandbox) -> None:
    dates = sorted(record["attributes"]["date"] for record in sandbox.organization.resources("expenses"))
    first, last = dates[5], dates[-5]
    group = {
        "filter[$op]": "and",
        "filter[0][date][gt_eq]": first,
        "filter[1][date][lt]": last,
        "filter[with_draft]": "true",
    }
    found = await _ids(api, "expenses", group)
    assert found == _where(sandbox, "expenses", lambda attributes: first <= attributes["date"] < last)
    either = {**group, "filter[$op]": "or", "filter[1][date][lt]": first}
    del either["filter[with_draft]"]
    drafts = _where(sandbox, "expenses", lambda attributes: attributes["draft"])
    assert await _ids(api, "expenses", either) == set(sandbox.organization.ids("expenses")) - drafts


async def test_two_conditions_on_one_field_need_a_group(api: Api) -> None:
    params = {"filter[date][gt_eq]": "2026-01-01", "filter[date][lt]": "2026-02-01"}
    reply = await api.get("time_entries", params)
    assert (reply.status, reply.error["code"]) == (400, "invalid_filter")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("deals", "filter[updated_at]"),
        ("invoices", "filter[updated_at]"),
        ("people", "filter[updated_at]"),
        ("projects", "filter[last_activity_at]"),
        ("comments", "filter[created_at]"),
        ("holiday_calendars", "filter[updated_at]"),
        ("tasks", "filter[nonsense]"),
        ("tasks", "filter[updated_at][gte]"),
        ("tasks", "filter[updated_at][in]"),
        ("tasks", "filter[0][nonsense][eq]"),
        ("time_entries", "filter[after][gt]"),
        ("projects", "filter[status][gt]"),
    ],
)
async def test_an_unsupported_filter_is_refused(api: Api, path: str, name: str) -> None:
    reply = await api.get(path, {name: "2026-11-01"})
    assert (reply.status, reply.error["code"]) == (400, "unsupported_filter")
    assert "is not supported on this endpoint" in reply.error["detail"]


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("tasks", "filter[updated_at]", "soon"),
        ("tasks", "filter[id]", "abc"),
        ("tasks", "filter[status]", "9"),
    ],
)
async def test_a_value_that_makes_no_sense_is_refused(api: Api, path: str, name: str, value: str) -> None:
    assert (await api.get(path, {name: value})).error["code"] == "invalid_filter_value"


@pytest.mark.parametrize("path", ["bookings", "expenses"])
async def test_drafts_are_left_out_unless_asked_for(api: Api, sandbox: Sandbox, path: str) -> None:
    drafts = _where(sandbox, path, lambda attributes: attributes["draft"])
    everything = set(sandbox.organization.ids(path))
    assert drafts
    assert await _ids(api, path, {}) == everything - drafts
    assert await _ids(api, path, {"filter[with_draft]": "true"}) == everything
    assert await _ids(api, path, {"filter[with_draft]": "false"}) == everything - drafts


async def test_deals_and_budgets_are_told_apart(api: Api, sandbox: Sandbox) -> None:
    budgets = _where(sandbox, "deals", lambda attributes: attributes["budget"])
    assert await _ids(api, "deals", {"filter[type]": "2"}) == budgets
    assert await _ids(api, "deals", {"filter[type]": "1"}) == set(sandbox.organization.ids("deals")) - budgets
    closed = _where(sandbox, "deals", lambda attributes: attributes["budget"] and attributes["closed_at"])
    assert await _ids(api, "deals", {"filter[budget_status]": "2"}) == closed


async def test_after_and_before_mean_the_dates_of_time_entries(api: Api, sandbox: Sandbox) -> None:
    day = next(sandbox.organization.resources("time_entries"))["attributes"]["date"]
    later = (date.fromisoformat(day) + timedelta(days=3)).isoformat()
    found = await _ids(api, "time_entries", {"filter[after]": day, "filter[before]": later})
    assert found == _where(sandbox, "time_entries", lambda attributes: day <= attributes["date"] <= later)


async def test_names_are_searched(api: Api, sandbox: Sandbox) -> None:
    name = next(sandbox.organization.resources("companies"))["attributes"]["name"]
    found = await _ids(api, "companies", {"filter[query]": name[:6].upper()})
    expected = _where(sandbox, "companies", lambda attributes: name[:6].lower() in attributes["name"].lower())
    assert found == expected
    person = next(sandbox.organization.resources("people"))["attributes"]
    whole = f"{person['first_name']} {person['last_name']}"
    assert await _ids(api, "people", {"filter[query]": whole})


@pytest.mark.parametrize(
    ("path", "condition", "field"),
    [
        ("custom_field_options", "archived=true", "archived_at"),
        ("custom_field_options", "archived=false", "archived_at"),
        ("people", "status=1", "deactivated_at"),
        ("people", "status=2", "deactivated_at"),
        ("todos", "status=2", "closed_at"),
    ],
)
async def test_what_has_ended_is_filtered(
    api: Api, sandbox: Sandbox, path: str, condition: str, field: str
) -> None:
    name, _, value = condition.partition("=")
    gone = value in ("true", "2")
    expected = _where(sandbox, path, lambda attributes: (attributes[field] is not None) is gone)
    assert await _ids(api, path, {f"filter[{name}]": value}) == expected


async def test_activities_are_changes_comments_or_emails(api: Api, sandbox: Sandbox) -> None:
    counts = {}
    for kind, link in (("1", "comment"), ("3", "email"), ("2", None), ("1,2,3", None)):
        reply = await api.get(
            "activities", {"filter[type]": kind, "include": "comment,email", "page[size]": 50}
        )
        counts[kind] = reply.meta["total_count"]
        assert reply.data
        for record in reply.data if link else ():
            assert record["relationships"][link]["data"] is not None
    assert (
        counts["1"] + counts["2"] + counts["3"] == counts["1,2,3"] == sandbox.organization.count("activities")
    )


async def test_a_filter_group_has_an_operator_that_exists(api: Api) -> None:
    reply = await api.get("tasks", {"filter[$op]": "xor", "filter[0][id]": "1"})
    assert (reply.status, reply.error["code"]) == (400, "unsupported_filter")


def test_every_rule_names_something_that_exists() -> None:
    schema = load_schema()
    hidden = {"id", "created_at", "updated_at"}
    for table, rules in load_rules().items():
        for rule in rules.values():
            if rule.meaning == "relation":
                assert rule.subject in schema[table].relations, (table, rule)
            elif rule.meaning != "special":
                assert rule.subject in schema[table].attributes.keys() | hidden, (table, rule)
