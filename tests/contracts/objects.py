"""What every store of objects does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from shared.errors import ConfigError
from shared.objects import Objects


class ObjectsHarness(Protocol):
    """How the contract's tests reach an adapter; each harness is a store of its own, empty at first."""

    async def open(self) -> Objects:
        """Open the store, as often as needed; the test closes it."""
        ...


BAD_NAMES = [
    "",
    "/",
    "a/",
    "/a",
    "a\n",
    "a//b",
    "..",
    "../a",
    "a/../b",
    ".hidden",
    "a/.b",
    "a b",
    "ä",
    "a" * 513,
]


class ObjectsContract:
    """Whole blobs by name, with compare-and-set."""

    @pytest.fixture
    async def objects(self, harness: ObjectsHarness) -> AsyncIterator[Objects]:
        objects = await harness.open()
        yield objects
        await objects.close()

    async def test_what_is_written_is_read(self, objects: Objects) -> None:
        generation = await objects.write("checkpoints/42/deals.json", b"\x00one")
        stored = await objects.read("checkpoints/42/deals.json")
        assert stored is not None
        assert (stored.data, stored.generation) == (b"\x00one", generation)

    @pytest.mark.parametrize("data", [b"", b"x" * 5_000_000], ids=["empty", "5 MB"])
    async def test_an_object_has_any_size(self, objects: Objects, data: bytes) -> None:
        await objects.write("state", data)
        stored = await objects.read("state")
        assert stored is not None
        assert stored.data == data

    async def test_what_was_never_written_is_none(self, objects: Objects) -> None:
        await objects.write("a/b", b"")
        assert await objects.read("c") is None
        assert await objects.read("a") is None
        assert await objects.read("a/b/c") is None

    async def test_a_write_replaces_and_has_another_generation(self, objects: Objects) -> None:
        first = await objects.write("a", b"a longer one")
        second = await objects.write("a", b"two")
        stored = await objects.read("a")
        assert stored is not None
        assert (stored.data, stored.generation) == (b"two", second)
        assert first != second

    async def test_an_object_is_created_only_if_there_is_none(self, objects: Objects) -> None:
        assert await objects.compare_and_set("claims/a", b"mine", None) is not None
        assert await objects.compare_and_set("claims/a", b"yours", None) is None
        stored = await objects.read("claims/a")
        assert stored is not None
        assert stored.data == b"mine"

    async def test_an_object_is_changed_only_by_who_knows_it(self, objects: Objects) -> None:
        first = await objects.write("a", b"1")
        second = await objects.compare_and_set("a", b"2", first)
        assert second is not None
        assert await objects.compare_and_set("a", b"3", first) is None
        assert await objects.compare_and_set("a", b"3", None) is None
        third = await objects.compare_and_set("a", b"3", second)
        stored = await objects.read("a")
        assert stored is not None
        assert (stored.data, stored.generation) == (b"3", third)

    async def test_an_object_that_is_gone_is_not_changed(self, objects: Objects) -> None:
        generation = await objects.write("a", b"1")
        await objects.delete("a")
        assert await objects.compare_and_set("a", b"2", generation) is None
        assert await objects.read("a") is None

    async def test_a_deleted_object_is_gone(self, objects: Objects) -> None:
        await objects.write("a/b", b"1")
        assert await objects.delete("a/b") is True
        assert await objects.delete("a/b") is False
        assert await objects.delete("a") is False
        assert await objects.read("a/b") is None
        assert await objects.list() == []

    async def test_names_are_listed_by_prefix_in_order(self, objects: Objects) -> None:
        names = ["a", "b-c/1", "b/2", "b/10", "b/deep/er/1", "bc", "b=1.json", "z_"]
        for name in reversed(names):
            await objects.write(name, b"")
        assert await objects.list() == sorted(names)
        assert await objects.list("b") == sorted(name for name in names if name.startswith("b"))
        assert await objects.list("b/") == ["b/10", "b/2", "b/deep/er/1"]
        assert await objects.list("b/1") == ["b/10"]
        assert await objects.list("b/deep/") == ["b/deep/er/1"]
        assert await objects.list("nowhere/") == []
        assert await objects.list("a/") == []

    @pytest.mark.parametrize("name", BAD_NAMES)
    async def test_a_bad_name_is_refused_everywhere(self, objects: Objects, name: str) -> None:
        with pytest.raises(ConfigError):
            await objects.read(name)
        with pytest.raises(ConfigError):
            await objects.write(name, b"")
        with pytest.raises(ConfigError):
            await objects.compare_and_set(name, b"", None)
        with pytest.raises(ConfigError):
            await objects.delete(name)

    @pytest.mark.parametrize("prefix", ["../", "/", "/etc/", "a/../../", "./"])
    async def test_a_prefix_that_leads_elsewhere_is_refused(self, objects: Objects, prefix: str) -> None:
        with pytest.raises(ConfigError):
            await objects.list(prefix)

    async def test_of_many_who_compare_and_set_exactly_one_wins(self, objects: Objects) -> None:
        generation = await objects.write("a", b"start")
        outcomes = await asyncio.gather(
            *(objects.compare_and_set("a", b"%d" % number, generation) for number in range(20))
        )
        [winner] = [number for number, outcome in enumerate(outcomes) if outcome is not None]
        stored = await objects.read("a")
        assert stored is not None
        assert (stored.data, stored.generation) == (b"%d" % winner, outcomes[winner])

    async def test_counting_by_compare_and_set_loses_no_count(self, objects: Objects) -> None:
        async def count(times: int) -> None:
            while times:
                stored = await objects.read("counter")
                new = b"%d" % (int(stored.data) + 1 if stored else 1)
                if await objects.compare_and_set("counter", new, stored.generation if stored else None):
                    times -= 1

        await asyncio.gather(*(count(5) for _ in range(6)))
        stored = await objects.read("counter")
        assert stored is not None
        assert stored.data == b"30"

    async def test_everything_is_there_when_the_store_is_opened_again(
        self, objects: Objects, harness: ObjectsHarness
    ) -> None:
        generation = await objects.write("a/b", b"1")
        await objects.close()
        again = await harness.open()
        try:
            assert await again.list() == ["a/b"]
            assert await again.compare_and_set("a/b", b"2", generation) is not None
        finally:
            await again.close()

    async def test_a_store_may_be_closed_twice(self, objects: Objects) -> None:
        await objects.close()
        await objects.close()
