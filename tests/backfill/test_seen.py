"""What a walk saw is there when it is asked for, whoever of several processes saw it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.backfill.seen import IdSet, SeenIds
from shared.errors import StorageError
from shared.objects import Objects, open_objects

ROOT = "organizations/42/seen/tasks/run"
IDS = st.one_of(
    st.integers(-5, 2**70).map(str), st.text(max_size=5), st.integers(0, 99).map(lambda number: f"0{number}")
)


@pytest.fixture
async def objects(tmp_path: Path) -> Objects:
    return await open_objects(f"file://{tmp_path}")


@given(st.lists(IDS), st.lists(IDS))
def test_a_set_of_ids_holds_just_what_was_put_in(inside: list[str], others: list[str]) -> None:
    ids = IdSet()
    ids.update(inside[:3])
    assert all(id_ in ids for id_ in inside[:3])
    ids.update(inside[3:])
    assert len(ids) == len(set(inside))
    assert [id_ in ids for id_ in inside + others] == [id_ in set(inside) for id_ in inside + others]


async def test_pages_are_safe_one_by_one_and_another_process_adds_its_own(objects: Objects) -> None:
    first = SeenIds(objects, ROOT)
    await first.add(["1", "2"])
    await first.add(["3"])
    second = SeenIds(objects, ROOT)
    await second.add(["3", "4"])
    seen = await SeenIds(objects, ROOT).all()
    assert len(seen) == 4
    assert all(str(number) in seen for number in range(1, 5))


async def test_many_ids_are_kept_in_few_objects(objects: Objects) -> None:
    seen = SeenIds(objects, ROOT)
    for page in range(100):
        await seen.add([str(page * 200 + row) for row in range(200)])
    assert len(await objects.list(ROOT)) == 4
    assert len(await seen.all()) == 20_000


async def test_after_it_is_cleared_nothing_was_seen(objects: Objects) -> None:
    seen = SeenIds(objects, ROOT)
    await seen.add(["1"])
    await seen.clear()
    assert len(await seen.all()) == 0
    await seen.add(["2"])
    assert "1" not in await seen.all()
    assert await objects.list(ROOT) == [f"{ROOT}.000000"]


async def test_ids_that_cannot_be_read_back_are_an_error_and_never_few_ids(objects: Objects) -> None:
    seen = SeenIds(objects, ROOT)
    await seen.add(["1"])
    await objects.write(f"{ROOT}.000000", b"[")
    with pytest.raises(StorageError, match="read back"):
        await seen.all()
