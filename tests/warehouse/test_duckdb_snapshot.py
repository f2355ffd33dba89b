"""The read-only copy: consistent, replaced in one step, not too often, and no harm to the file's lock."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from pathlib import Path

import duckdb
import pytest

from shared.clock import ManualClock, SystemClock
from shared.errors import StorageError
from shared.warehouse import (
    DuckdbSettings,
    DuckdbWarehouse,
    ask_for_snapshot,
    open_duckdb,
    snapshot_path_of,
)
from shared.warehouse.duckdb.snapshot import copy_bytes
from tests.contracts.warehouse import DEALS, everything, row
from tests.warehouse.processes import answer, attempt_to_open, said, started

COUNT = """
import sys
import duckdb

with duckdb.connect(sys.argv[1], read_only=True) as connection:
    print(connection.execute("SELECT count(*), count(DISTINCT name) FROM deals").fetchall()[0], flush=True)
    sys.stdin.readline()
    print(connection.execute("SELECT count(*), count(DISTINCT name) FROM deals").fetchall()[0], flush=True)
"""


class SlowClock(ManualClock):
    """A clock that goes on by `step` seconds whenever somebody looks at it."""

    step = 0.0

    def monotonic(self) -> float:
        self.advance(self.step)
        return super().monotonic()


async def opened(url: str, clock: ManualClock) -> DuckdbWarehouse:
    warehouse = await open_duckdb(url, clock=clock, settings=DuckdbSettings(snapshot_seconds=30.0))
    await warehouse.ensure_table(DEALS)
    return warehouse


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_copy_lies_beside_the_file() -> None:
    assert snapshot_path_of(Path("/data/agency.duckdb")) == Path("/data/agency.snapshot.duckdb")
    assert snapshot_path_of(Path("agency")) == Path("agency.snapshot.duckdb")


async def test_another_process_reads_the_copy_while_this_one_writes(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(DEALS)
    for version in (1, 2):
        rows = [row(str(number), version, name=f"of write {version}") for number in range(1_000)]
        await warehouse.write(DEALS, rows)
        assert await warehouse.refresh_snapshot(force=True)
        half = [row(str(number), 10 * version, name="after the copy") for number in range(500)]
        await warehouse.write(DEALS, half)
        assert answer(COUNT, str(warehouse.snapshot_path)).splitlines()[0] == (
            "(1000, 1)" if version == 1 else "(1000, 2)"
        )
        await warehouse.write(DEALS, [row(str(number), 11, name="of write 1") for number in range(500)])


async def test_whoever_has_the_old_copy_open_keeps_it(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(DEALS)
    await warehouse.write(DEALS, [row("1", 1, name="a")])
    await warehouse.refresh_snapshot(force=True)
    with started(COUNT, str(warehouse.snapshot_path)) as reader:
        assert said(reader) == "(1, 1)"
        await warehouse.write(DEALS, [row(str(number), 1, name=str(number)) for number in range(2, 3_000)])
        assert await warehouse.refresh_snapshot(force=True)
        assert reader.stdin is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert said(reader) == "(1, 1)"
    assert answer(COUNT, str(warehouse.snapshot_path)).splitlines()[0] == "(2999, 2999)"


async def test_the_file_stays_locked_after_it_was_copied(warehouse: DuckdbWarehouse, url: str) -> None:
    await warehouse.ensure_table(DEALS)
    assert await warehouse.refresh_snapshot()
    assert attempt_to_open(url, read_only=False).startswith("BusyError")
    await warehouse.write(DEALS, [row("1", 1, name="a")])
    assert await warehouse.refresh_snapshot(force=True)
    assert attempt_to_open(url, read_only=True).startswith("BusyError")


async def test_the_copy_is_replaced_only_after_a_change_and_an_interval(url: str) -> None:
    clock = ManualClock()
    warehouse = await opened(url, clock)
    assert await warehouse.refresh_snapshot()
    clock.advance(1_000)
    assert not await warehouse.refresh_snapshot(), "nothing has changed"
    assert not await warehouse.refresh_snapshot(force=True), "nothing has changed"

    await warehouse.write(DEALS, [row("1", 1)])
    assert await warehouse.refresh_snapshot()
    await warehouse.write(DEALS, [row("1", 2)])
    clock.advance(29)
    assert not await warehouse.refresh_snapshot(), "too early"
    clock.advance(2)
    assert await warehouse.refresh_snapshot()

    await warehouse.write(DEALS, [row("1", 1)])
    clock.advance(1_000)
    assert not await warehouse.refresh_snapshot(), "a stale row changes nothing"
    await warehouse.write(DEALS, [row("1", 3)])
    assert await warehouse.refresh_snapshot()
    await warehouse.write(DEALS, [row("1", 4)])
    assert await warehouse.refresh_snapshot(force=True), "force does not wait"
    await warehouse.close()


async def test_whoever_asks_gets_a_copy_of_this_moment(url: str) -> None:
    warehouse = await opened(url, ManualClock())
    await warehouse.refresh_snapshot()
    await warehouse.write(DEALS, [row("1", 1, name="a")])
    assert not await warehouse.refresh_snapshot(), "too early by itself"
    asking = asyncio.create_task(
        ask_for_snapshot(warehouse.snapshot_path, SystemClock(), patience_seconds=60)
    )
    while not asking.done():
        await warehouse.refresh_snapshot()
        await asyncio.sleep(0)
    assert await asking
    assert answer(COUNT, str(warehouse.snapshot_path)).startswith("(1, 1)")
    assert not any("wanted" in name for name in names_in(warehouse.path.parent))
    await warehouse.close()


async def test_whoever_asks_when_nobody_writes_is_told_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    assert not await ask_for_snapshot(tmp_path / "a.snapshot.duckdb", ManualClock(), patience_seconds=5)
    assert not await ask_for_snapshot(tmp_path / "no" / "folder", ManualClock(), patience_seconds=5)
    assert names_in(tmp_path) == []


async def test_the_question_of_a_killed_process_is_cleared_away(warehouse: DuckdbWarehouse) -> None:
    left = warehouse.snapshot_path.with_name(f"{warehouse.snapshot_path.name}.wanted-dead")
    left.touch()
    await warehouse.refresh_snapshot()
    assert not left.exists()


async def test_copies_take_a_twentieth_of_the_time_at_most(url: str) -> None:
    clock = SlowClock()
    warehouse = await opened(url, clock)
    clock.step = 10.0
    assert await warehouse.refresh_snapshot(force=True)
    clock.step = 0.0
    await warehouse.write(DEALS, [row("1", 1)])
    clock.advance(199)
    assert not await warehouse.refresh_snapshot()
    clock.advance(2)
    assert await warehouse.refresh_snapshot()
    await warehouse.close()


async def test_the_copy_of_an_earlier_process_is_replaced(url: str) -> None:
    for version in (1, 2):
        warehouse = await open_duckdb(url)
        await warehouse.ensure_table(DEALS)
        await warehouse.write(DEALS, [row(str(version), version, name=str(version))])
        assert await warehouse.refresh_snapshot()
        await warehouse.close()
        assert answer(COUNT, str(warehouse.snapshot_path)).startswith(f"({version}, {version})")


async def test_nobody_writes_to_the_copy_by_accident_and_a_stray_log_does_no_harm(
    warehouse: DuckdbWarehouse,
) -> None:
    await warehouse.ensure_table(DEALS)
    await warehouse.refresh_snapshot()
    assert stat.S_IMODE(warehouse.snapshot_path.stat().st_mode) == 0o444

    log = warehouse.snapshot_path.with_name("agency.snapshot.duckdb.wal")
    log.write_bytes(b"left by somebody who wrote to the copy")
    await warehouse.write(DEALS, [row("1", 1, name="a")])
    assert await warehouse.refresh_snapshot(force=True)
    assert not log.exists()
    assert answer(COUNT, str(warehouse.snapshot_path)).startswith("(1, 1)")


async def test_what_a_killed_process_left_of_a_copy_is_no_hindrance(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(DEALS)
    half = warehouse.snapshot_path.with_name("agency.snapshot.duckdb.tmp")
    half.write_bytes(b"half a copy")
    half.chmod(0o444)
    assert await warehouse.refresh_snapshot()
    assert not half.exists()
    assert answer(COUNT, str(warehouse.snapshot_path)).startswith("(0, 0)")


async def test_a_copy_that_cannot_be_written_leaves_the_warehouse_as_it_was(
    warehouse: DuckdbWarehouse,
) -> None:
    await warehouse.ensure_table(DEALS)
    warehouse.snapshot_path.mkdir()
    with pytest.raises(StorageError, match=r"read-only copy .* cannot be written"):
        await warehouse.refresh_snapshot()
    assert not warehouse.path.with_name("agency.snapshot.duckdb.tmp").exists()
    await warehouse.write(DEALS, [row("1", 1, name="a")])
    assert await everything(warehouse, DEALS) == {"1": {"id": "1", "name": "a"}}

    warehouse.snapshot_path.rmdir()
    assert not await warehouse.refresh_snapshot(), "the interval counts from a failure, too"
    assert await warehouse.refresh_snapshot(force=True)
    assert answer(COUNT, str(warehouse.snapshot_path)).startswith("(1, 1)")


def copied(tmp_path: Path, content: bytes) -> bytes:
    (tmp_path / "source").write_bytes(content)
    source = os.open(tmp_path / "source", os.O_RDONLY)
    target = os.open(tmp_path / "target", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        copy_bytes(source, target)
    finally:
        os.close(source)
        os.close(target)
    return (tmp_path / "target").read_bytes()


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_bytes_are_copied_where_the_system_copies_ranges(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    assert copied(tmp_path, content) == content


@pytest.mark.parametrize("code", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, None])
def test_bytes_are_copied_where_the_system_does_not_copy_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    if code is None:
        monkeypatch.delattr("os.copy_file_range")
    else:
        refusal = OSError(code, os.strerror(code))

        def refuse(*arguments: int) -> int:
            raise refusal

        monkeypatch.setattr("os.copy_file_range", refuse)
    monkeypatch.setattr("shared.warehouse.duckdb.snapshot._CHUNK", 1_000)
    content = os.urandom(10_500)
    assert copied(tmp_path, content) == content


def test_other_failures_of_copying_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: int) -> int:
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr("os.copy_file_range", fail)
    with pytest.raises(OSError, match="the disk is broken"):
        copied(tmp_path, b"content")


async def test_the_copy_is_a_database_like_any_other(warehouse: DuckdbWarehouse) -> None:
    await warehouse.ensure_table(DEALS)
    await warehouse.write(DEALS, [row("1", 1, name="a")])
    await warehouse.refresh_snapshot()
    with duckdb.connect(warehouse.snapshot_path, read_only=True) as connection:
        assert connection.execute("SELECT name FROM deals").fetchall() == [("a",)]
