"""Whatever happens to the process or the disk, the file opens again and has every confirmed row."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import StorageError
from shared.urls import url_of
from shared.warehouse import DuckdbSettings, open_duckdb
from tests.contracts.warehouse import DEALS, everything, row
from tests.warehouse.processes import answer, said, started

BATCH = 500

WRITE_FOREVER = """
import asyncio, itertools, sys
from dataclasses import replace
from shared.warehouse import DuckdbSettings, open_duckdb
from tests.contracts.warehouse import DEALS, row

async def main(url, batch, history):
    schema = replace(DEALS, history=history)
    warehouse = await open_duckdb(url, settings=DuckdbSettings(checkpoint_bytes=100_000))
    await warehouse.ensure_table(schema)
    for number in itertools.count():
        ids = range(number * batch // 2, number * batch // 2 + batch)
        await warehouse.write(schema, [row(str(id_), number, name=f"write {number}") for id_ in ids])
        print(number, flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "history"))
"""

# The soft limit of a file's size is lifted again in the end, as if somebody had made room.
WRITE_UNTIL_FULL = """
import asyncio, itertools, json, resource, sys
from shared.errors import StorageError
from shared.warehouse import DuckdbSettings, open_duckdb
from tests.contracts.warehouse import DEALS, row

async def main(url, checkpoint_bytes, limit):
    warehouse = await open_duckdb(url, settings=DuckdbSettings(checkpoint_bytes=int(checkpoint_bytes)))
    await warehouse.ensure_table(DEALS)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    confirmed = 0
    try:
        while confirmed < 100_000:
            ids = range(confirmed, confirmed + 1_000)
            await warehouse.write(DEALS, [row(str(id_), 1, name=f"{id_ * 7919:x}" * 5) for id_ in ids])
            confirmed += 1_000
        error = None
    except StorageError as caught:
        error = [caught.message, caught.advice]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    outcome = await warehouse.write(DEALS, [row("afterwards", 1)])
    await warehouse.close()
    print(json.dumps({"confirmed": confirmed, "error": error, "afterwards": outcome.applied}))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("killed_after", [3, 10, 25])
async def test_a_process_killed_while_it_writes_loses_nothing_that_was_confirmed(
    url: str, killed_after: int
) -> None:
    with started(WRITE_FOREVER, url, str(BATCH), "no history") as process:
        confirmed = -1
        while confirmed < killed_after:
            confirmed = int(said(process))
        process.kill()
        process.wait()

    warehouse = await open_duckdb(url)
    names: dict[str, int] = {}
    for values in (await everything(warehouse, DEALS)).values():
        names[str(values["name"])] = names.get(str(values["name"]), 0) + 1
    last = max(int(name.removeprefix("write ")) for name in names)
    assert last >= confirmed
    # Each write replaced the second half of the one before it: all are whole.
    assert names == {f"write {number}": BATCH // 2 if number < last else BATCH for number in range(last + 1)}
    assert (await warehouse.write(DEALS, [row("0", 10**9, name="again")])).applied == 1
    await warehouse.close()


@pytest.mark.parametrize("killed_after", [3, 12])
async def test_a_process_killed_while_it_writes_leaves_a_table_and_a_history_that_agree(
    url: str, killed_after: int
) -> None:
    with started(WRITE_FOREVER, url, str(BATCH), "history") as process:
        while int(said(process)) < killed_after:
            pass
        process.kill()
        process.wait()

    warehouse = await open_duckdb(url)
    table = {id_: values["name"] for id_, values in (await everything(warehouse, DEALS)).items()}
    current = await warehouse.query("SELECT id, name FROM deals_history WHERE _is_current", max_rows=10**6)
    assert dict(current.rows) == table
    writes = len(set(table.values()))
    assert writes > killed_after
    assert (await warehouse.query("SELECT count(*) FROM deals_history")).rows == [(writes * BATCH,)]
    await warehouse.close()


@pytest.mark.parametrize("checkpoint_bytes", [200_000, 10_000_000])
async def test_a_file_that_may_not_grow_is_an_error_with_advice_and_writing_goes_on_once_it_may(
    url: str, tmp_path: Path, checkpoint_bytes: int
) -> None:
    told = json.loads(answer(WRITE_UNTIL_FULL, url, str(checkpoint_bytes), "1500000"))
    assert told["error"] is not None, "the limit was never reached"
    assert str(tmp_path / "agency.duckdb") in told["error"][0]
    assert "room" in told["error"][1]
    assert told["afterwards"] == 1

    warehouse = await open_duckdb(url)
    ids = (await everything(warehouse, DEALS)).keys()
    assert ids >= {str(number) for number in range(told["confirmed"])} | {"afterwards"}
    assert (len(ids) - 1) % 1_000 == 0
    await warehouse.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk; the limit of a file's size is tested all the same")
    yield folder
    # Lazily, so that a test that failed with the file open leaves no mount behind.
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("checkpoint_bytes", [300_000, 100_000_000])
async def test_a_full_disk_is_an_error_with_advice_and_writing_goes_on_once_there_is_room(
    small_disk: Path, checkpoint_bytes: int
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_500_000))
    url = url_of("duckdb", small_disk / "agency.duckdb")
    settings = DuckdbSettings(checkpoint_bytes=checkpoint_bytes)
    warehouse = await open_duckdb(url, settings=settings)
    await warehouse.ensure_table(DEALS)
    confirmed = 0

    async def write_until_full() -> None:
        nonlocal confirmed
        while confirmed < 200_000:
            ids = range(confirmed, confirmed + 1_000)
            await warehouse.write(DEALS, [row(str(id_), 1, name=f"{id_ * 7919:x}" * 5) for id_ in ids])
            confirmed += 1_000

    with pytest.raises(StorageError, match="no room left") as caught:
        await write_until_full()
    assert "room" in caught.value.advice
    assert confirmed > 0

    ballast.unlink()
    assert (await warehouse.write(DEALS, [row("afterwards", 1)])).applied == 1
    await warehouse.close()
    warehouse = await open_duckdb(url, settings=settings)
    ids_there = (await everything(warehouse, DEALS)).keys()
    assert ids_there >= {str(number) for number in range(confirmed)} | {"afterwards"}
    assert (len(ids_there) - 1) % 1_000 == 0
    await warehouse.close()


async def test_a_full_disk_while_copying_leaves_the_old_copy_and_the_warehouse(small_disk: Path) -> None:
    url = url_of("duckdb", small_disk / "agency.duckdb")
    warehouse = await open_duckdb(url)
    await warehouse.ensure_table(DEALS)
    assert await warehouse.refresh_snapshot()
    before = warehouse.snapshot_path.read_bytes()
    await warehouse.write(
        DEALS, [row(str(number), 1, name=f"{number * 7919:x}" * 12) for number in range(30_000)]
    )
    (small_disk / "ballast").write_bytes(bytes(1_400_000))
    with pytest.raises(StorageError, match="no room left"):
        await warehouse.refresh_snapshot(force=True)
    assert warehouse.snapshot_path.read_bytes() == before
    assert not (small_disk / "agency.snapshot.duckdb.tmp").exists()
    (small_disk / "ballast").unlink()
    assert len(await everything(warehouse, DEALS)) == 30_000
    await warehouse.close()
