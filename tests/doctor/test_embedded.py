"""The doctor looks at the stores of one machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from services.backfill.checkpoint import CheckpointStore, Run, Status, TableCheckpoint
from services.backfill.held import HeldDeletions, HeldStore
from services.backfill.plan import Plan, Scope
from services.cli.doctor.state import examine_state
from services.cli.pipeline import WRITER_LEASE
from services.ingest.tokens import TokenBook
from services.ingest.webhooks.registration import Registration, RegistrationStore
from shared.bus import BusSettings, Message, open_bus
from shared.bus.sqlite import examine as examine_bus
from shared.catalog.model import ColumnType
from shared.clock import MICROSECONDS, ManualClock, SystemClock
from shared.errors import ExitCode
from shared.google.findings import Finding
from shared.objects import open_objects
from shared.objects.lease import hold_lease
from shared.productive import Learned
from shared.secrets import Secret, open_secrets
from shared.urls import url_of
from shared.warehouse import TableSchema, open_warehouse
from tests.doctor.desk import Desk, found, told

DAY_US = 86_400 * MICROSECONDS


def ago(days: float) -> int:
    return SystemClock().now_us() - round(days * DAY_US)


async def crawled(folder: Path, run: Run, *checkpoints: TableCheckpoint) -> None:
    objects = await open_objects(url_of("file", folder / "objects"))
    store = CheckpointStore(objects, "42")
    await store.save_run(run)
    for checkpoint in checkpoints:
        await store.save_table(checkpoint)
    await objects.close()


def ended(days: float, tables: list[str] | None = None) -> Run:
    return Run(
        id="r1",
        organization_id="42",
        started_us=ago(days + 0.1),
        tables=tables or [],
        scope=Scope(),
        finished_us=ago(days),
    )


def test_a_new_folder_is_looked_at_and_not_made(desk: Desk) -> None:
    findings = desk.findings()
    assert found(findings, "problem") == []
    assert told(findings, "there has been none").fix == "productive-ingest backfill"
    assert not desk.folder.exists()


def test_all_is_well_with_exit_code_0_and_a_problem_is_exit_code_1(desk: Desk) -> None:
    assert desk.run().return_value == ExitCode.OK
    desk.variables["PRODUCTIVE_API_TOKEN"] = None
    desk.variables["PRODUCTIVE_ORGANIZATION_ID"] = None
    result = desk.run()
    assert result.return_value == ExitCode.INCOMPLETE
    assert "export PRODUCTIVE_API_TOKEN=..." in result.stdout
    assert "export PRODUCTIVE_ORGANIZATION_ID=NUMBER" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("2 problems, 1 warning.")


def test_the_token_is_never_shown(desk: Desk) -> None:
    assert "t0ken" not in desk.run().output + desk.run("--json").output


def test_what_waits_for_long_is_told_with_the_command_that_writes_it(desk: Desk) -> None:
    async def publish() -> None:
        bus = await open_bus(url_of("sqlite", desk.folder / "bus.sqlite"), clock=ManualClock(ago(0.5)))
        await bus.publish([Message(b"one"), Message(b"two")])
        await bus.bury(Message(b"three"), "no record")
        await bus.close()

    asyncio.run(publish())
    findings = desk.findings()
    waiting = told(findings, "2 messages, the oldest for 12 hours")
    assert (waiting.state, waiting.fix) == ("warning", "productive-ingest writer --drain")
    letters = told(findings, "set aside: 1 message")
    assert (letters.state, letters.fix) == ("warning", "productive-ingest deadletters list")


def test_a_file_that_is_no_database_is_a_problem_and_no_traceback(desk: Desk) -> None:
    desk.folder.mkdir()
    (desk.folder / "bus.sqlite").write_bytes(b"this is no database, it is a text" * 100)
    (desk.folder / "productive.duckdb").write_bytes(b"neither is this" * 1000)
    result = desk.run()
    assert result.exception is None
    assert {subject for subject, _ in found(desk.findings(), "problem")} == {
        "bus.sqlite",
        "productive.duckdb",
    }


def test_a_warehouse_that_nobody_has_is_read(desk: Desk) -> None:
    async def fill() -> None:
        warehouse = await open_warehouse(url_of("duckdb", desk.folder / "productive.duckdb"))
        await warehouse.ensure_table(TableSchema("deals", (("id", ColumnType.STRING),)))
        await warehouse.close()

    asyncio.run(fill())
    assert told(desk.findings(), "; 1 of 58 tables chosen are in it").state == "good"


def test_messages_that_wait_for_seconds_are_fine_and_a_full_bus_is_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def publish() -> None:
        for name in ("bus.sqlite", "intake.sqlite"):
            bus = await open_bus(url_of("sqlite", desk.folder / name))
            await bus.publish([Message(b"x" * 1_000)])
            await bus.close()

    asyncio.run(publish())
    waiting = [one for one in desk.findings() if one.subject == "waiting"]
    assert [one.state for one in waiting] == ["good", "good"]
    monkeypatch.setattr(examine_bus, "BusSettings", partial(BusSettings, max_bytes=1_100))
    assert {one.state for one in desk.findings() if one.subject == "room on the bus"} == {"warning"}


def test_secrets_that_cannot_be_read_are_a_problem_of_the_token_too(desk: Desk) -> None:
    desk.folder.mkdir()
    (desk.folder / "secrets.json").write_text("not JSON")
    (desk.folder / "secrets.json").chmod(0o600)
    desk.variables["PRODUCTIVE_API_TOKEN"] = None
    assert {subject for subject, _ in found(desk.findings(), "problem")} == {"secrets.json", "API token"}


def test_secrets_in_the_environment_alone_are_a_warning(desk: Desk) -> None:
    desk.variables["SECRETS_URL"] = "env:"
    assert told(desk.findings(), "can only be read").state == "warning"


def test_a_writer_that_runs_is_told(desk: Desk) -> None:
    async def look() -> list[Finding]:
        await crawled(desk.folder, ended(1))
        objects = await open_objects(url_of("file", desk.folder / "objects"))
        async with hold_lease(objects, WRITER_LEASE, SystemClock(), what="a writer"):
            found = await examine_state(desk.settings({"PRODUCTIVE_ORGANIZATION_ID": "42"}), SystemClock())
        await objects.close()
        return list(found)

    assert told(asyncio.run(look()), "one runs").subject == "writer"
    assert told(desk.findings(), "none runs now").subject == "writer"


def test_stores_of_another_organization_are_a_problem(desk: Desk) -> None:
    asyncio.run(crawled(desk.folder, ended(3)))
    desk.variables["PRODUCTIVE_ORGANIZATION_ID"] = "43"
    finding = told(desk.findings(), "these stores hold 42, and 43 is set")
    assert (finding.state, finding.fix) == ("problem", "export PRODUCTIVE_ORGANIZATION_ID=42")


def test_the_only_organization_there_is_needs_no_setting(desk: Desk) -> None:
    asyncio.run(crawled(desk.folder, ended(3)))
    desk.variables["PRODUCTIVE_ORGANIZATION_ID"] = None
    assert told(desk.findings(), "ended 3 days ago").state == "good"


def test_a_warehouse_that_a_writer_has_is_fine(desk: Desk) -> None:
    desk.folder.mkdir()
    path = desk.folder / "productive.duckdb"
    program = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        finding = next(one for one in desk.findings() if one.subject == "productive.duckdb")
        holder.communicate("\n", timeout=20)
    assert finding.state == "good"
    assert str(holder.pid) in finding.text or "process" in finding.text


def test_secrets_that_others_can_read_are_a_problem(desk: Desk) -> None:
    desk.folder.mkdir()
    path = desk.folder / "secrets.json"
    path.write_text("{}")
    path.chmod(0o644)
    finding = told(desk.findings(), "others than its owner")
    assert (finding.state, finding.fix) == ("problem", f"chmod 600 {path}")
    path.chmod(0o600)
    assert told(desk.findings(), "only its owner may read it").state == "good"


def test_a_folder_that_cannot_be_written_is_a_problem(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may write anywhere, and tests may well be run by root.
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    desk.folder.mkdir()
    problems = dict(found(desk.findings(), "problem"))
    assert problems["the folder of bus.sqlite"] == f"sudo chown -R $(id -u) {desk.folder}"


def test_a_file_in_the_place_of_the_folder_is_a_problem(desk: Desk) -> None:
    desk.folder.mkdir()
    (desk.folder / "objects").write_text("")
    assert desk.run().return_value == ExitCode.INCOMPLETE
    assert told(desk.findings(), "is not a folder").state == "problem"


def test_a_full_disk_is_told_before_it_is_full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.folder.mkdir()
    (desk.folder / "objects").mkdir()
    for free, state in ((100 << 20, "problem"), (1 << 30, "warning"), (50 << 30, "good")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        findings = desk.findings()
        assert {one.state for one in findings if one.subject == "room on the disk"} == {state}


def test_an_old_crawl_is_a_warning_and_a_new_one_is_not(desk: Desk) -> None:
    asyncio.run(crawled(desk.folder, ended(3)))
    assert told(desk.findings(), "ended 3 days ago").state == "good"
    asyncio.run(crawled(desk.folder, ended(10)))
    assert told(desk.findings(), "ended 10 days ago").fix == "productive-ingest backfill"


def test_a_crawl_that_never_ended_is_told(desk: Desk) -> None:
    run = ended(3)
    asyncio.run(crawled(desk.folder, msgspec.structs.replace(run, finished_us=None)))
    assert told(desk.findings(), "has not ended").fix == "productive-ingest backfill"


def test_tables_that_failed_are_named(desk: Desk) -> None:
    checkpoint = TableCheckpoint(
        table="deals", run_id="r1", fingerprint="", plan=Plan(), status=Status.FAILED, learned=Learned()
    )
    asyncio.run(crawled(desk.folder, ended(1, ["deals"]), checkpoint))
    assert told(desk.findings(), "1 table failed in the last crawl: deals").state == "warning"


def test_deletions_that_are_held_back_come_with_the_command_that_confirms_them(desk: Desk) -> None:
    async def hold() -> None:
        await crawled(desk.folder, ended(1))
        objects = await open_objects(url_of("file", desk.folder / "objects"))
        held = HeldDeletions(table="deals", run_id="r1", count=70, rows=100, ids=(), held_us=ago(1))
        await HeldStore(objects, "42").hold(held)
        await objects.close()

    asyncio.run(hold())
    finding = told(desk.findings(), "70 deletions of deals held back")
    assert finding.fix == "productive-ingest backfill --confirm-deletions deals"


def test_webhooks_without_their_tokens_are_a_problem(desk: Desk) -> None:
    async def register(*, held: int) -> None:
        await crawled(desk.folder, ended(1))
        objects = await open_objects(url_of("file", desk.folder / "objects"))
        await RegistrationStore(objects, "42").write(Registration("https://hooks.example.com", (1, 2, 3)))
        await objects.close()
        secrets = await open_secrets(url_of("file", desk.folder / "secrets.json"))
        book = TokenBook(secrets, SystemClock())
        for event in range(1, held + 1):
            await book.add(event, f"w{event}", Secret("s3cret"))
        await book.close()

    asyncio.run(register(held=2))
    findings = desk.findings()
    assert told(findings, "tokens of 1 of 3 events are missing").fix == "productive-ingest webhooks verify"
    asyncio.run(register(held=3))
    assert told(desk.findings(), "3 events are registered at https://hooks.example.com").state == "good"
    assert "s3cret" not in desk.run("--json").output


def test_a_store_without_an_adapter_is_a_problem(desk: Desk) -> None:
    desk.variables["BUS_URL"] = "kafka://broker/topic"
    assert told(desk.findings(), "`kafka:` is not available").state == "problem"
