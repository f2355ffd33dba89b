"""Secrets in Secret Manager: versions, rights, and calls that fail."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.clock import ManualClock
from shared.errors import ConfigError, StorageError, UnreachableError
from shared.secrets import Secret
from shared.secrets.secretmanager.adapter import SecretManagerSecrets
from shared.secrets.secretmanager.connect import connect
from tests.google.secret_server import DAMAGED, SecretServer, State, Trouble, secret_server

URL = "secretmanager://acme-data/ingest"
TOKEN = "projects/acme-data/secrets/ingest-productive_api_token"
LOST_ANSWER = Trouble(after=True)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SecretServer]:
    async with secret_server() as (server, address):
        monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", address)
        yield server


@pytest.fixture
async def secrets(server: SecretServer) -> AsyncIterator[SecretManagerSecrets]:
    secrets = await connect(URL, clock=ManualClock())
    yield secrets
    await secrets.close()


# Names


async def test_a_secret_is_named_with_the_prefix_of_the_url_and_labelled(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    await secrets.put("productive_api_token", Secret("t0ken"))
    assert list(server.secrets) == [TOKEN]
    assert server.labels[TOKEN] == {"managed-by": "productive-ingest"}
    assert "automatic" in server.replicated[TOKEN]


async def test_opening_asks_for_nothing(secrets: SecretManagerSecrets, server: SecretServer) -> None:
    assert server.calls == []


async def test_the_names_are_those_with_the_prefix(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    for name in ["ingest-b", "ingest-a", "ingest-eu-c", "ingestion", "ingest-B", "d", "ingest-"]:
        server.add(f"projects/acme-data/secrets/{name}", b"x")
    assert await secrets.names() == ["a", "b"]


async def test_without_a_prefix_the_names_are_those_with_our_label(server: SecretServer) -> None:
    server.add("projects/acme-data/secrets/database_password", b"x")
    server.add("projects/acme-data/secrets/token", b"x", labels={"managed-by": "productive-ingest"})
    secrets = await connect("secretmanager://acme-data", clock=ManualClock())
    assert await secrets.names() == ["token"]
    assert await secrets.get("database_password") == Secret("x")
    await secrets.close()


@pytest.mark.parametrize(
    "url",
    [
        "secretmanager:",
        "secretmanager://",
        "secretmanager://Acme",
        "secretmanager://acme-data/In_gest",
        "secretmanager://acme-data/a/b",
        "secretmanager://acme-data/a-",
        "secretmanager://me:pass@acme-data",
    ],
)
async def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await connect(url)
    assert "pass@" not in caught.value.message


# Versions


async def test_a_rotation_leaves_the_version_before_and_no_older_one(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    for number in range(1, 6):
        await secrets.put("productive_api_token", Secret(f"t0ken {number}"))
    assert server.states(TOKEN) == ["DESTROYED", "DESTROYED", "DESTROYED", "ENABLED", "ENABLED"]
    assert [version.data for version in server.secrets[TOKEN]][3:] == [b"t0ken 4", b"t0ken 5"]


async def test_a_secret_that_is_the_same_already_gets_no_further_version(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    await secrets.put("productive_api_token", Secret("old"))
    await secrets.put("productive_api_token", Secret("t0ken"))
    await secrets.put("productive_api_token", Secret("t0ken"))
    assert [version.data for version in server.secrets[TOKEN]] == [b"old", b"t0ken"]


@pytest.mark.parametrize("state", [State.DISABLED, State.DESTROYED], ids=lambda state: state.name)
async def test_a_latest_version_that_was_switched_off_is_no_secret_and_no_older_one_takes_its_place(
    secrets: SecretManagerSecrets, server: SecretServer, state: State, caplog: pytest.LogCaptureFixture
) -> None:
    server.add(TOKEN, b"old")
    server.add(TOKEN, b"leaked", state=state)
    with caplog.at_level(logging.WARNING):
        assert await secrets.get("productive_api_token") is None
        assert await secrets.get("productive_api_token") is None
    assert [record.getMessage() for record in caplog.records] == [
        "the latest version of the secret ingest-productive_api_token is disabled or destroyed"
    ]


async def test_a_secret_without_versions_is_none_until_one_is_put(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    server.add(TOKEN)
    assert await secrets.get("productive_api_token") is None
    await secrets.put("productive_api_token", Secret("t0ken"))
    assert await secrets.get("productive_api_token") == Secret("t0ken")
    assert "CreateSecret" not in server.calls


async def test_what_was_just_put_is_read_back_although_the_latest_version_lags(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    await secrets.put("productive_api_token", Secret("first"))
    server.latest_lags = True
    assert await secrets.get("productive_api_token") == Secret("first")
    await secrets.put("productive_api_token", Secret("second"))
    assert await secrets.get("productive_api_token") == Secret("second")
    server.secrets[TOKEN][1].state = State.DISABLED
    assert await secrets.get("productive_api_token") == Secret("first")
    server.latest_lags = False
    assert await secrets.get("productive_api_token") is None


async def test_what_another_put_since_is_what_counts(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    await secrets.put("productive_api_token", Secret("ours"))
    server.add(TOKEN, b"theirs")
    assert await secrets.get("productive_api_token") == Secret("theirs")


@pytest.mark.parametrize(
    ("data", "secret"), [(b"t0ken\n", Secret("t0ken")), (b" \n", None), (b"\xef\xbb", None)]
)
async def test_what_was_put_there_by_hand_is_read_as_it_was_meant(
    secrets: SecretManagerSecrets, server: SecretServer, data: bytes, secret: Secret | None
) -> None:
    server.add(TOKEN, data)
    if data == b"\xef\xbb":
        with pytest.raises(StorageError, match="is not a text") as caught:
            await secrets.get("productive_api_token")
        assert caught.value.__cause__ is None
    else:
        assert await secrets.get("productive_api_token") == secret


@pytest.mark.parametrize("text", ["", " ", "x" * 65_537, "ü" * 32_769], ids=["empty", "blank", "long", "ü"])
async def test_what_secret_manager_does_not_keep_is_refused_before_it_is_sent(
    secrets: SecretManagerSecrets, server: SecretServer, text: str
) -> None:
    with pytest.raises(ConfigError, match="`a`"):
        await secrets.put("a", Secret(text))
    assert server.calls == []


# Calls that fail


async def test_a_version_whose_answer_was_lost_is_not_added_twice(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    server.add(TOKEN, b"oldest", b"old")
    server.coming.extend([None, LOST_ANSWER])
    await secrets.put("productive_api_token", Secret("new"))
    assert [version.data for version in server.secrets[TOKEN]] == [b"", b"old", b"new"]


async def test_a_deletion_whose_answer_was_lost_was_one(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    server.add(TOKEN, b"t0ken")
    server.coming.append(LOST_ANSWER)
    assert await secrets.delete("productive_api_token") is True


async def test_what_comes_damaged_is_asked_for_again(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    server.add(TOKEN, b"t0ken")
    server.coming.extend([DAMAGED, DAMAGED])
    assert await secrets.get("productive_api_token") == Secret("t0ken")
    assert len(server.calls) == 3


async def test_a_secret_that_another_creates_at_the_same_time_gets_both_versions(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    server.coming.extend([None, None, Trouble(grpc.StatusCode.ALREADY_EXISTS, "already exists", after=True)])
    await secrets.put("productive_api_token", Secret("t0ken"))
    assert await secrets.get("productive_api_token") == Secret("t0ken")


async def test_old_versions_that_cannot_be_destroyed_do_not_undo_what_was_kept(
    secrets: SecretManagerSecrets, server: SecretServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.may_not.add("DestroySecretVersion")
    for number in range(3):
        await secrets.put("productive_api_token", Secret(f"t0ken {number}"))
    assert await secrets.get("productive_api_token") == Secret("t0ken 2")
    [record] = caplog.records
    assert "old versions of the secret ingest-productive_api_token stay" in record.getMessage()
    assert "t0ken" not in record.getMessage().replace("api_token", "")
    server.may_not.clear()
    await secrets.put("productive_api_token", Secret("t0ken 3"))
    assert server.states(TOKEN) == ["DESTROYED", "DESTROYED", "ENABLED", "ENABLED"]


async def test_who_may_write_but_not_read_can_put(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    server.may_not.add("AccessSecretVersion")
    await secrets.put("productive_api_token", Secret("t0ken"))
    assert server.secrets[TOKEN][0].data == b"t0ken"
    with pytest.raises(StorageError) as caught:
        await secrets.get("productive_api_token")
    assert "--role=roles/secretmanager.secretAccessor" in caught.value.advice


@pytest.mark.parametrize(
    ("method", "command"),
    [
        ("CreateSecret", "gcloud projects add-iam-policy-binding acme-data --member=MEMBER "),
        ("AddSecretVersion", "gcloud secrets add-iam-policy-binding ingest-productive_api_token "),
    ],
)
async def test_a_missing_right_comes_with_the_command_that_gives_it(
    secrets: SecretManagerSecrets, server: SecretServer, method: str, command: str
) -> None:
    server.may_not.add(method)
    with pytest.raises(StorageError, match=r"the permission secretmanager\.\w+\.\w+ is missing") as caught:
        await secrets.put("productive_api_token", Secret("t0ken"))
    assert command in caught.value.advice
    assert "t0ken" not in str(caught.value).replace("api_token", "")


async def test_missing_credentials_come_with_the_command_that_makes_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SECRET_MANAGER_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(StorageError) as caught:
        await connect(URL)
    assert "gcloud auth application-default login" in caught.value.advice


async def test_a_store_that_does_not_answer_is_told_as_such(
    secrets: SecretManagerSecrets, server: SecretServer
) -> None:
    server.coming.extend([Trouble()] * 50)
    with pytest.raises(UnreachableError, match="Secret Manager does not answer"):
        await secrets.get("productive_api_token")
    assert len(server.calls) == 5


TROUBLES = [
    None,
    None,
    Trouble(),
    LOST_ANSWER,
    DAMAGED,
    Trouble(grpc.StatusCode.RESOURCE_EXHAUSTED, "Quota exceeded"),
    Trouble(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", after=True),
]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(TROUBLES), max_size=20), st.integers(0, 2))
async def test_whatever_fails_the_last_two_secrets_stand_in_the_end(
    secrets: SecretManagerSecrets, server: SecretServer, coming: Sequence[Trouble | None], earlier: int
) -> None:
    server.secrets.clear()
    server.coming.clear()
    for number in range(earlier):
        server.add(TOKEN, b"earlier %d" % number)
    server.coming.extend(coming)
    for number in range(3):
        with contextlib.suppress(UnreachableError):
            await secrets.put("productive_api_token", Secret(f"t0ken {number}"))
    server.coming.clear()
    await secrets.put("productive_api_token", Secret("last but one"))
    await secrets.put("productive_api_token", Secret("last"))
    standing = [version.data for version in server.secrets[TOKEN] if version.state == State.ENABLED]
    assert standing == [b"last but one", b"last"]
    assert await secrets.get("productive_api_token") == Secret("last")
    await secrets.delete("productive_api_token")
