"""What is kept out is known by its id, and the list tells nobody whom it is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.purge.keepout import KEY_SECRET, KeepOutList
from shared.clock import ManualClock
from shared.errors import ConfigError
from shared.objects import Objects, open_objects
from shared.record.keepout import KeepOut, NothingKeptOut
from shared.secrets import Secret, Secrets, open_secrets
from shared.urls import url_of


class Office:
    """The stores, and as many lists on them as there are processes."""

    def __init__(self, objects: Objects, secrets: Secrets) -> None:
        self.objects = objects
        self.secrets = secrets
        self.clock = ManualClock()

    def list(self) -> KeepOutList:
        return KeepOutList(self.objects, self.secrets, "42", self.clock)


@pytest.fixture
async def office(tmp_path: Path) -> Office:
    return Office(
        await open_objects(url_of("file", tmp_path / "objects")),
        await open_secrets(url_of("file", tmp_path / "secrets.json")),
    )


async def test_nothing_is_kept_out_at_first(office: Office) -> None:
    kept: KeepOut = office.list()
    await kept.refresh()
    assert not kept.holds("people", "17")
    assert await office.list().counts() == {}
    assert await office.secrets.get(KEY_SECRET) is None


async def test_what_was_added_is_kept_out_of_its_table_only(office: Office) -> None:
    assert await office.list().add({"people": ["17", "18"], "salaries": ["5"]}) == 3
    kept = office.list()
    await kept.refresh()
    assert kept.holds("people", "17")
    assert kept.holds("salaries", "5")
    assert not kept.holds("people", "5")
    assert not kept.holds("deals", "17")
    assert await kept.counts() == {"people": 2, "salaries": 1}


async def test_what_is_there_already_does_not_count_twice(office: Office) -> None:
    kept = office.list()
    await kept.add({"people": ["17"]})
    assert await kept.add({"people": ["17", "18"]}) == 1


async def test_another_process_learns_of_it_within_a_second(office: Office) -> None:
    writer = office.list()
    await writer.refresh()
    await office.list().add({"people": ["17"]})
    await writer.refresh()
    assert not writer.holds("people", "17")
    office.clock.advance(1.0)
    await writer.refresh()
    assert writer.holds("people", "17")
    await office.list().forget()
    office.clock.advance(1.0)
    await writer.refresh()
    assert not writer.holds("people", "17")


async def test_what_is_forgotten_may_come_back(office: Office) -> None:
    kept = office.list()
    await kept.add({"people": ["17", "18"]})
    assert await kept.forget({"people": ["17"], "deals": ["1"]}) == 1
    assert not kept.holds("people", "17")
    assert kept.holds("people", "18")
    assert await kept.forget() == 1
    assert await kept.forget() == 0


async def test_a_writer_that_is_told_no_organization_finds_the_list(office: Office) -> None:
    writer = KeepOutList(office.objects, office.secrets, None, office.clock)
    await writer.refresh()
    await office.list().add({"people": ["17"]})
    office.clock.advance(1.0)
    await writer.refresh()
    assert writer.holds("people", "17")


async def test_whose_the_objects_are_is_found_out_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    lists = office.objects.list

    async def listing(prefix: str = "") -> Sequence[str]:
        asked.append(prefix)
        return await lists(prefix)

    monkeypatch.setattr(office.objects, "list", listing)
    writer = KeepOutList(office.objects, office.secrets, None, office.clock)
    await writer.refresh()
    await office.objects.write("organizations/42/run.json", b"{}")
    for _ in range(5):
        office.clock.advance(1.0)
        await writer.refresh()
    assert len(asked) == 2, "once in empty objects, once when they had an owner"
    await office.list().add({"people": ["17"]})
    office.clock.advance(1.0)
    await writer.refresh()
    assert writer.holds("people", "17")


async def test_the_list_holds_no_id(office: Office) -> None:
    await office.list().add({"people": ["123456789"]})
    stored = await office.objects.read("organizations/42/keep-out.json")
    assert stored is not None
    assert b"123456789" not in stored.data


async def test_without_its_key_the_list_is_of_no_use_and_says_so(office: Office) -> None:
    await office.list().add({"people": ["17"]})
    await office.secrets.delete(KEY_SECRET)
    with pytest.raises(ConfigError, match="is missing"):
        await office.list().refresh()
    await office.secrets.put(KEY_SECRET, Secret("another"))
    with pytest.raises(ConfigError, match="another one"):
        await office.list().refresh()


async def test_a_list_that_cannot_be_read_is_not_an_empty_list(office: Office) -> None:
    await office.objects.write("organizations/42/keep-out.json", b"{")
    with pytest.raises(ConfigError, match="cannot be read"):
        await office.list().refresh()


async def test_two_that_add_at_once_lose_nothing(office: Office) -> None:
    one, other = office.list(), office.list()
    await one.add({"people": ["1"]})
    await other.counts()
    await one.add({"people": ["2"]})
    await other.add({"people": ["3"]})
    assert await one.counts() == {"people": 3}


@given(table=st.text(max_size=20), record_id=st.text(max_size=20))
def test_whoever_is_given_no_list_keeps_nothing_out(table: str, record_id: str) -> None:
    assert not NothingKeptOut().holds(table, record_id)
