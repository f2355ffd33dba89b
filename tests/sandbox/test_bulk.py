"""Tables that are blown up: the same manners with any number of records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from services.sandbox import Sandbox, SandboxSettings
from services.sandbox.zone import instant
from tests.sandbox.api import Api

_MORE = 3_000


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    settings = SandboxSettings(people=2, bulk={"time_entries": _MORE, "tasks": 500})
    async with Sandbox(settings) as sandbox, Api(sandbox) as client:
        yield client


@pytest.mark.parametrize("sort", ["", "date", "-date", "updated_at", "-updated_at"])
async def test_a_walk_shows_every_record_once(api: Api, sort: str) -> None:
    pages = await api.walk("time_entries", {"page[size]": 200, **({"sort": sort} if sort else {})})
    ids = [record for page in pages for record in page.ids]
    assert sorted(ids, key=int) == api.sandbox.organization.ids("time_entries")
    if sort:
        field = sort.removeprefix("-")
        values = [record["attributes"][field] for page in pages for record in page.data]
        moments = [value if field == "date" else instant(value) for value in values]
        assert moments == sorted(moments, reverse=sort.startswith("-"))


async def test_what_is_served_is_what_the_organization_says(api: Api) -> None:
    reply = await api.get("time_entries", {"page[number]": 9, "page[size]": 200, "include": "person,task"})
    assert int(reply.ids[0]) >= int(api.sandbox.organization.ids("time_entries")[-_MORE])
    included = {(record["type"], record["id"]) for record in reply.document["included"]}
    for record in reply.data:
        truth = api.sandbox.organization.resource("time_entries", record["id"])
        assert record["attributes"] == truth["attributes"]
        for name in ("person", "task"):
            assert record["relationships"][name] == truth["relationships"][name]
            if data := record["relationships"][name]["data"]:
                assert (data["type"], data["id"]) in included
        assert record["relationships"]["service"] == {"meta": {"included": False}}


async def test_sparse_fieldsets_leave_the_gaps_out(api: Api) -> None:
    last = {"page[number]": 16, "page[size]": 200}
    for fields in ("date", "updated_at,note", "time"):
        reply = await api.get("time_entries", {**last, "fields[time_entries]": fields})
        for record in reply.data:
            truth = api.sandbox.organization.resource("time_entries", record["id"])["attributes"]
            assert record["attributes"] == {name: truth[name] for name in record["attributes"]}
            assert set(record["attributes"]) == set(fields.split(","))


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"filter[date][gt_eq]": "2026-09-01"}, None),
        ({"filter[after]": "2026-03-01", "filter[before]": "2026-06-01"}, None),
        ({"filter[updated_at][lt]": "2025-02-02"}, None),
        ({"filter[time]": "240", "filter[date][gt]": "2026-05-01"}, "time"),
        ({"filter[$op]": "or", "filter[0][time]": "240", "filter[1][date]": "2026-11-19"}, "time"),
    ],
)
async def test_filters_find_the_same_as_looking_at_every_record(
    api: Api, params: dict[str, str], field: str | None
) -> None:
    rows = api.sandbox.organization.rows("time_entries")
    found = {
        record
        for page in await api.walk("time_entries", {"page[size]": 200, **params})
        for record in page.ids
    }

    def matches(attributes: dict[str, object]) -> bool:
        date, updated = str(attributes["date"]), str(attributes["updated_at"])[:10]
        tests: dict[str, Callable[[str], bool]] = {
            "filter[date][gt_eq]": lambda bound: date >= bound,
            "filter[date][gt]": lambda bound: date > bound,
            "filter[after]": lambda bound: date >= bound,
            "filter[before]": lambda bound: date <= bound,
            "filter[updated_at][lt]": lambda bound: updated < bound,
            "filter[time]": lambda bound: attributes["time"] == int(bound),
            "filter[0][time]": lambda bound: attributes["time"] == int(bound),
            "filter[1][date]": lambda bound: date == bound,
        }
        results = [tests[name](bound) for name, bound in params.items() if name != "filter[$op]"]
        return any(results) if "filter[$op]" in params else all(results)

    expected = {str(row.id) for row in rows if matches(row.attributes)}
    assert found == expected
    assert expected


async def test_a_record_among_many_can_be_changed_and_removed(api: Api) -> None:
    organization = api.sandbox.organization
    ids = organization.ids("time_entries")
    changed, removed = ids[-100], ids[-50]
    organization.put("time_entries", changed, attributes={"note": "changed"})
    organization.remove("time_entries", removed)
    assert (await api.get(f"time_entries/{changed}")).data["attributes"]["note"] == "changed"
    assert (await api.get(f"time_entries/{removed}")).status == 404
    newest = await api.get("time_entries", {"sort": "-updated_at", "page[size]": 1})
    assert newest.ids == [changed]
    walked = [record for page in await api.walk("time_entries", {"page[size]": 200}) for record in page.ids]
    assert walked == [identifier for identifier in ids if identifier != removed]


async def test_only_a_known_table_can_be_blown_up() -> None:
    with pytest.raises(ValueError, match="no table 'nonsense'"):
        await Sandbox(SandboxSettings(people=2, bulk={"nonsense": 5})).start()
