"""The commands of the webhooks, against the sandbox and the real receiver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from services.cli.commands.webhooks import webhooks
from shared.errors import ConfigError, CredentialsError, ExitCode
from tests.cli.town import Town, town


@pytest.fixture(scope="module")
def shared_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("town")) as opened:
        yield opened


@pytest.fixture
def registered(shared_town: Town) -> Iterator[Town]:
    shared_town.json("register", "--url", shared_town.base)
    yield shared_town
    shared_town.json("remove", "--everywhere")


def test_registering_twice_makes_33_webhooks_once(shared_town: Town) -> None:
    try:
        first = shared_town.json("register", "--url", shared_town.base)
        second = shared_town.json("register", "--url", shared_town.base)
        assert (first["made"], second["made"]) == (33, 0)
        assert len(shared_town.ours()) == 33
    finally:
        shared_town.json("remove")
    assert shared_town.ours() == []


def test_the_list_tells_each_webhook_without_its_token(registered: Town) -> None:
    listing = registered.json("list")
    assert len(listing["webhooks"]) == 33
    assert {one["token_held"] for one in listing["webhooks"]} == {True}
    assert {"task.update", "time_entry.delete", "person.archive"} <= {
        one["event"] for one in listing["webhooks"]
    }
    people = registered.run("list")
    assert people.exception is None
    assert people.stdout.splitlines()[0].split("\t")[:2] == ["event", "state"]
    assert not any(token in people.output for token in registered.signature_tokens())


def test_verify_goes_through_the_receiver_and_mends_what_productive_switched_off(registered: Town) -> None:
    assert registered.json("verify")["right"]
    [victim] = [one for one in registered.ours() if one["attributes"]["target_url"].endswith("/24")]
    registered.sandbox.organization.put(
        "webhooks",
        victim["id"],
        attributes={"deactivated_at": "2026-11-19T10:00:00.000+01:00", "state_id": 2, "active": False},
    )
    dry = registered.run("verify", "--dry-run")
    assert dry.return_value == ExitCode.INCOMPLETE
    assert "would be: made, 1 old deleted" in dry.stdout
    mended = registered.run("verify")
    assert mended.return_value == ExitCode.OK
    assert "Changes since 2026-11-17T09:00Z may have been missed" in mended.stdout
    assert "productive-ingest webhooks replay --since 2026-11-17T09:00Z" in mended.stdout
    assert registered.run("verify").return_value == ExitCode.OK


def test_verify_says_what_is_wrong_with_an_address(registered: Town) -> None:
    failure = registered.run("verify", "--url", "http://127.0.0.1:9").exception
    assert isinstance(failure, ConfigError)
    assert "the connection is refused" in failure.message
    assert len(registered.ours()) == 33


def test_verify_ends_with_an_error_when_nothing_arrives(tmp_path: Path) -> None:
    with town(tmp_path / "deaf") as deaf:
        deaf.json("register", "--url", deaf.base, "--event", "task")
        deaf.call(deaf.receiver.close())
        result = deaf.run("verify")
        assert result.return_value == ExitCode.INCOMPLETE
        assert "3 of 3 events do not arrive." in result.stdout
        assert "Start the receiver" in result.stdout


def test_tokens_can_be_rotated_and_the_receiver_knows_the_new_ones_at_once(registered: Town) -> None:
    before = registered.signature_tokens()
    assert registered.json("rotate")["made"] == 33
    ours = {str(one["attributes"]["signature_token"]) for one in registered.ours()}
    assert len(ours) == 33
    assert not ours & set(before)
    assert registered.json("verify")["right"]


def test_replay_reads_what_changed_and_writes_it(registered: Town) -> None:
    organization = registered.sandbox.organization
    changed, gone = organization.ids("tasks")[:2]
    organization.put("tasks", changed, attributes={"title": "Changed in an outage"})
    organization.remove("tasks", gone)
    outcome = registered.json("replay", "--since", "1h")
    assert outcome["complete"]
    assert outcome["deletions"]["records"] >= 1
    tables = {table["table"]: table for table in outcome["tables"]}
    assert tables["tasks"]["records"] >= 1
    assert not tables["tasks"]["whole"]
    rows = dict(registered.rows("select id, title from tasks"))
    assert rows[changed] == "Changed in an outage"
    assert gone not in rows


def test_deliveries_that_failed_to_the_end_are_replayed_from_the_log_into_the_warehouse(
    tmp_path: Path,
) -> None:
    with town(tmp_path / "outage") as there:
        there.json("register", "--url", there.base, "--event", "tasks", "--event", "bookings")
        there.call(there.receiver.close())
        organization = there.sandbox.organization
        changed, gone = organization.ids("tasks")[0], organization.ids("bookings")[0]

        async def happen() -> None:
            organization.put("tasks", changed, attributes={"title": "Told to nobody"})
            organization.remove("bookings", gone)
            await there.sandbox.webhooks.idle()

        there.call(happen())
        assert [one["last_failure"] for one in there.json("list")["webhooks"]].count(None) == 4
        outcome = there.json("replay", "--failed-only")
        assert outcome["failed_deliveries"] == {
            "published": 2,
            "delivered": 0,
            "unreadable": 0,
            "problem": "",
        }
        assert there.rows("select id, title from tasks") == [(changed, "Told to nobody")]
        assert there.rows("select id from bookings") == []
        assert there.json("replay", "--failed-only")["complete"]


def test_a_plan_without_webhooks_and_a_token_that_only_reads_are_explained(tmp_path: Path) -> None:
    with town(tmp_path / "plan", webhooks_allowed=False) as poor:
        failure = poor.run("register", "--url", poor.base).exception
        assert isinstance(failure, CredentialsError)
        assert failure.exit_code == ExitCode.CREDENTIALS
        assert "Ultimate" in failure.advice
    with town(tmp_path / "token", read_only=True) as reader:
        failure = reader.run("register", "--url", reader.base).exception
        assert isinstance(failure, CredentialsError)
        assert "may write" in failure.advice


@pytest.mark.parametrize(
    "arguments",
    [
        ("register", "--url", "http://hooks.example.com"),
        ("register", "--url", "hooks.example.com"),
        ("register", "--url", "https://h.example", "--event", "taks"),
        ("replay", "--since", "tomorrow"),
        ("rotate",),
        ("verify",),
    ],
)
def test_mistakes_are_refused_with_advice(shared_town: Town, arguments: tuple[str, ...]) -> None:
    failure = shared_town.run(*arguments).exception
    assert isinstance(failure, ConfigError)
    assert failure.advice
    assert shared_town.ours() == []


@pytest.mark.parametrize("command", webhooks.commands.values(), ids=list(webhooks.commands))
def test_each_command_has_help_and_an_example(command: click.Command) -> None:
    assert command.help
    assert command.epilog is not None
    assert f"Example: productive-ingest webhooks {command.name}" in command.epilog
    for option in command.params:
        assert isinstance(option, click.Option)
        assert option.help
