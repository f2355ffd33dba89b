from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.errors import ConfigError, StorageError
from shared.files import TEMPORARY_PREFIX
from shared.objects import Objects, open_objects
from shared.objects.folder.adapter import FolderObjects
from shared.urls import url_of

COUNT = """
import asyncio, sys
from shared.objects import open_objects

async def main():
    objects = await open_objects(sys.argv[1])
    left = int(sys.argv[2])
    while left:
        stored = await objects.read("counter")
        new = b"%d" % (int(stored.data) + 1 if stored else 1)
        if await objects.compare_and_set("counter", new, stored.generation if stored else None):
            left -= 1
    await objects.close()

asyncio.run(main())
"""

WRITE_FOR_EVER = """
import asyncio, itertools, sys
from shared.objects import open_objects

async def main():
    objects = await open_objects(sys.argv[1])
    for number in itertools.count():
        await objects.write("state", sys.argv[2].encode() * 200_000)
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[Objects]:
    objects = await open_objects(url_of("file", tmp_path / "objects"))
    yield objects
    await objects.close()


async def test_only_the_owner_may_look_in(objects: Objects, tmp_path: Path) -> None:
    await objects.write("a/b", b"1")
    root = tmp_path / "objects"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root, root / "a")} == {0o700}
    assert stat.S_IMODE((root / "a" / "b").stat().st_mode) == 0o600


async def test_nothing_else_stays_behind(objects: Objects, tmp_path: Path) -> None:
    generation = await objects.write("a/b", b"1")
    await objects.compare_and_set("a/b", b"2", None)
    await objects.compare_and_set("a/b", b"2", generation)
    assert sorted(path.name for path in (tmp_path / "objects").rglob("*")) == [".lock", "a", "b"]


async def test_what_is_not_an_object_is_not_listed(objects: Objects, tmp_path: Path) -> None:
    root = tmp_path / "objects"
    (root / "a").mkdir()
    for name in ("a/.tmp-1-x", ".DS_Store", "a/#backup#", "mit umlaut ä"):
        (root / name).write_bytes(b"")
    (root / ".git" / "x").mkdir(parents=True)
    (root / ".git" / "x" / "y").write_bytes(b"")
    await objects.write("a/b", b"1")
    assert await objects.list() == ["a/b"]
    assert await objects.list("a/") == ["a/b"]


async def test_what_a_killed_writer_left_behind_is_removed_once_it_is_old(tmp_path: Path) -> None:
    folder = tmp_path / "objects" / "a"
    folder.mkdir(parents=True)
    old, fresh = folder / f"{TEMPORARY_PREFIX}1-old", folder / f"{TEMPORARY_PREFIX}1-fresh"
    for path, age in ((old, 7_200), (fresh, 60)):
        path.write_bytes(b"half")
        then = SystemClock().now_us() / 1_000_000 - age
        os.utime(path, (then, then))
    objects = await open_objects(url_of("file", tmp_path / "objects"))
    assert list(folder.iterdir()) == [fresh]
    assert await objects.list() == []
    await objects.close()


async def test_equal_contents_are_one_generation(objects: Objects) -> None:
    first = await objects.write("a", b"same")
    await objects.write("a", b"other")
    assert await objects.write("a", b"same") == first


async def test_an_object_cannot_be_named_as_the_folder_of_others(objects: Objects) -> None:
    await objects.write("a/b", b"1")
    with pytest.raises(StorageError, match="same name") as caught:
        await objects.write("a", b"2")
    assert caught.value.advice
    await objects.write("c", b"1")
    with pytest.raises(StorageError, match="same name"):
        await objects.write("c/d", b"2")
    assert await objects.list() == ["a/b", "c"]


async def test_a_name_too_long_for_the_file_system_is_told(objects: Objects) -> None:
    with pytest.raises(StorageError, match="too long"):
        await objects.write("a" * 300, b"")


async def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "objects").write_bytes(b"")
    with pytest.raises(StorageError, match="objects"):
        await open_objects(url_of("file", tmp_path / "objects"))


async def test_closed_objects_are_told(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path / "objects", clock=SystemClock())
    await objects.close()
    with pytest.raises(StorageError, match="closed"):
        await objects.read("a")


async def test_a_store_we_have_no_adapter_for_is_told_with_those_we_have() -> None:
    with pytest.raises(ConfigError, match="s3") as caught:
        await open_objects("s3://bucket/prefix")
    assert "`file:`" in caught.value.advice


async def test_a_write_that_fails_for_want_of_room_leaves_the_old_content(objects: Objects) -> None:
    await objects.write("a", b"old")
    with file_size_limit(100_000), pytest.raises(StorageError, match="larger than allowed"):
        await objects.write("a", b"x" * 200_000)
    stored = await objects.read("a")
    assert stored is not None
    assert stored.data == b"old"
    await objects.write("a", b"x" * 200_000)
    assert await objects.list() == ["a"]


async def test_two_processes_that_count_by_compare_and_set_lose_no_count(
    objects: Objects, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", COUNT, url_of("file", tmp_path / "objects"), "40"]
    processes = [await asyncio.create_subprocess_exec(*command) for _ in range(2)]
    assert [await process.wait() for process in processes] == [0, 0]
    stored = await objects.read("counter")
    assert stored is not None
    assert stored.data == b"80"


async def test_a_reader_sees_whole_contents_while_two_processes_write_and_are_killed(
    objects: Objects, tmp_path: Path
) -> None:
    url = url_of("file", tmp_path / "objects")
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITE_FOR_EVER, url, letter, stdout=asyncio.subprocess.PIPE
        )
        for letter in "ab"
    ]
    seen = set()
    try:
        for writer in writers:
            assert writer.stdout is not None
            assert await writer.stdout.readline() == b"0\n"
        for _ in range(60):
            stored = await objects.read("state")
            assert stored is not None
            seen.add((len(stored.data), stored.data[:1] * 200_000 == stored.data))
    finally:
        for writer in writers:
            writer.kill()
            await writer.communicate()
    assert seen == {(200_000, True)}
    await objects.write("state", b"after")
    stored = await objects.read("state")
    assert stored is not None
    assert stored.data == b"after"


@contextlib.contextmanager
def file_size_limit(bytes_: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
