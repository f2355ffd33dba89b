# ruff: noqa: ASYNC240 (a test waits for nobody while it looks at a small file)
"""What the environment, a file and a chain of them do beyond the contract."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from shared.errors import ConfigError, StorageError
from shared.secrets import Secret, open_secrets
from shared.secrets.environment.adapter import EnvironmentSecrets
from shared.urls import url_of

PUT_MANY = """
import asyncio, sys
from shared.secrets import Secret, open_secrets

async def main():
    secrets = await open_secrets(sys.argv[1])
    for number in range(20):
        await secrets.put(f"{sys.argv[2]}_{number}", Secret(str(number)))

asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "secrets.json"


@pytest.fixture
def url(path: Path) -> str:
    return url_of("file", path)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PRODUCTIVE_"):
            monkeypatch.delenv(name)


async def test_the_environment_is_only_read() -> None:
    variables = {"PRODUCTIVE_API_TOKEN": "t0ken"}
    secrets = EnvironmentSecrets(variables)
    with pytest.raises(ConfigError, match="PRODUCTIVE_API_TOKEN"):
        await secrets.put("productive_api_token", Secret("x"))
    with pytest.raises(ConfigError, match="PRODUCTIVE_API_TOKEN"):
        await secrets.delete("productive_api_token")
    assert variables == {"PRODUCTIVE_API_TOKEN": "t0ken"}


@pytest.mark.parametrize(("value", "secret"), [("", None), (" \n", None), (" t0ken\n", Secret("t0ken"))])
async def test_white_space_in_a_variable_does_not_count(value: str, secret: Secret | None) -> None:
    assert await EnvironmentSecrets({"PRODUCTIVE_API_TOKEN": value}).get("productive_api_token") == secret


async def test_the_names_of_an_environment_are_those_of_our_secrets() -> None:
    secrets = EnvironmentSecrets(
        {
            "PRODUCTIVE_API_TOKEN": "1",
            "PRODUCTIVE_WEBHOOK_TOKEN_17": "2",
            "PRODUCTIVE_TOKEN": "3",
            "PRODUCTIVE_OLD_TOKEN": " ",
            "PRODUCTIVE_ORGANIZATION_ID": "4",
            "GITHUB_TOKEN": "5",
        }
    )
    assert await secrets.names() == [
        "productive_api_token",
        "productive_token",
        "productive_webhook_token_17",
    ]


async def test_the_environment_is_that_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = await open_secrets("env:")
    assert await secrets.get("productive_api_token") is None
    monkeypatch.setenv("PRODUCTIVE_API_TOKEN", "t0ken")
    assert await secrets.get("productive_api_token") == Secret("t0ken")


async def test_only_the_owner_may_read_the_file(url: str, path: Path) -> None:
    await (await open_secrets(url)).put("a", Secret("1"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(file.name for file in path.parent.iterdir()) == [".secrets.json.lock", "secrets.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o777])
async def test_a_file_that_others_may_use_is_refused(url: str, path: Path, mode: int) -> None:
    secrets = await open_secrets(url)
    await secrets.put("a", Secret("1"))
    path.chmod(mode)
    for refused in (secrets.get("a"), secrets.put("b", Secret("2")), secrets.delete("a"), secrets.names()):
        with pytest.raises(StorageError) as caught:
            await refused
        assert f"chmod 600 {path}" in caught.value.advice
    path.chmod(0o600)
    assert await secrets.names() == ["a"]


@pytest.mark.parametrize(
    "content",
    [b"", b"hunter2", b'["hunter2"]', b'{"a": {"b": "hunter2"}}', b'{"a": "hunter2', b"\xff", b'{"a":1}'],
)
async def test_a_file_that_makes_no_sense_is_told_without_a_word_of_it(
    url: str, path: Path, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    secrets = await open_secrets(url)
    with pytest.raises(StorageError) as caught:
        await secrets.put("a", Secret("1"))
    assert str(path) in caught.value.message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "hunter2" not in caught.value.message + caught.value.advice
    assert path.read_bytes() == content


async def test_a_very_large_file_is_not_read(url: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"a": "x" * 2_000_000}))
    path.chmod(0o600)
    with pytest.raises(StorageError):
        await (await open_secrets(url)).get("a")


async def test_a_link_to_the_file_stays_a_link(tmp_path: Path, url: str, path: Path) -> None:
    await (await open_secrets(url)).put("a", Secret("1"))
    link = tmp_path / "link.json"
    link.symlink_to(path)
    await (await open_secrets(url_of("file", link))).put("b", Secret("2"))
    assert link.is_symlink()
    assert await (await open_secrets(url)).names() == ["a", "b"]


async def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    secrets = await open_secrets(url_of("file", tmp_path))
    with pytest.raises(StorageError, match="secrets"):
        await secrets.get("a")


async def test_two_processes_lose_no_secret(url: str) -> None:
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", PUT_MANY, url, letter) for letter in "ab"
    ]
    assert [await process.wait() for process in processes] == [0, 0]
    assert len(await (await open_secrets(url)).names()) == 40


async def test_the_environment_comes_before_the_file(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = await open_secrets("env:", url)
    await secrets.put("productive_api_token", Secret("of the file"))
    await secrets.put("productive_webhook_token", Secret("w"))
    monkeypatch.setenv("PRODUCTIVE_API_TOKEN", "of the environment")
    assert await secrets.get("productive_api_token") == Secret("of the environment")
    assert await secrets.get("productive_webhook_token") == Secret("w")
    assert await secrets.names() == ["productive_api_token", "productive_webhook_token"]


async def test_a_secret_that_the_environment_hides_cannot_be_changed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = await open_secrets("env:", url)
    await secrets.put("productive_api_token", Secret("old"))
    monkeypatch.setenv("PRODUCTIVE_API_TOKEN", "x")
    with pytest.raises(ConfigError) as caught:
        await secrets.put("productive_api_token", Secret("new"))
    assert "PRODUCTIVE_API_TOKEN" in caught.value.advice
    with pytest.raises(ConfigError):
        await secrets.delete("productive_api_token")
    monkeypatch.delenv("PRODUCTIVE_API_TOKEN")
    assert await secrets.get("productive_api_token") == Secret("old")
    assert await secrets.delete("productive_api_token") is True


@pytest.mark.parametrize(
    "urls", [[], ["vault:x"], ["env:FOO"], ["secrets.json"], ["file:"], ["env:", "gcp://project"]]
)
async def test_urls_that_name_no_secrets_of_ours_are_told(urls: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        await open_secrets(*urls)
    assert caught.value.advice
