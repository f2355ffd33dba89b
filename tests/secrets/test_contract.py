from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.secrets import Secret, Secrets, open_secrets
from shared.secrets.chain import ChainedSecrets
from shared.secrets.environment.adapter import EnvironmentSecrets
from shared.urls import url_of
from tests.contracts.secrets import ReadSecretsContract, SecretsContract, SecretsHarness
from tests.google.secret_server import secret_server

TOKEN = {"PRODUCTIVE_API_TOKEN": "t0ken"}


class EnvironmentHarness:
    async def open(self) -> Secrets:
        return EnvironmentSecrets(TOKEN)


class FileHarness:
    def __init__(self, path: Path) -> None:
        self._url = url_of("file", path)

    async def open(self) -> Secrets:
        return await open_secrets(self._url)


class ChainHarness(FileHarness):
    """The environment, which has nothing, over a file."""

    async def open(self) -> Secrets:
        return ChainedSecrets([EnvironmentSecrets({}), await super().open()])


class SecretManagerHarness:
    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> Secrets:
        return await open_secrets(self._url)


async def with_the_token(harness: SecretsHarness) -> SecretsHarness:
    secrets = await harness.open()
    await secrets.put("productive_api_token", Secret("t0ken"))
    await secrets.close()
    return harness


@pytest.fixture
async def secret_manager(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    async with secret_server() as (_, address):
        monkeypatch.setenv("SECRET_MANAGER_EMULATOR_HOST", address)
        yield


class TestReadingTheEnvironment(ReadSecretsContract):
    @pytest.fixture
    def harness(self) -> SecretsHarness:
        return EnvironmentHarness()


class TestReadingAFile(ReadSecretsContract):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> SecretsHarness:
        return await with_the_token(FileHarness(tmp_path / "secrets.json"))


class TestReadingAChain(ReadSecretsContract):
    @pytest.fixture
    async def harness(self, tmp_path: Path) -> SecretsHarness:
        return await with_the_token(ChainHarness(tmp_path / "secrets.json"))


class TestReadingSecretManager(ReadSecretsContract):
    @pytest.fixture
    async def harness(self, secret_manager: None) -> SecretsHarness:
        return await with_the_token(SecretManagerHarness("secretmanager://acme-data/ingest"))


class TestFile(SecretsContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> SecretsHarness:
        return FileHarness(tmp_path / "secrets.json")


class TestChain(SecretsContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> SecretsHarness:
        return ChainHarness(tmp_path / "secrets.json")


class TestSecretManager(SecretsContract):
    @pytest.fixture
    def harness(self, secret_manager: None) -> SecretsHarness:
        return SecretManagerHarness("secretmanager://acme-data")


class TestSecretManagerUnderAPrefix(SecretsContract):
    @pytest.fixture
    def harness(self, secret_manager: None) -> SecretsHarness:
        return SecretManagerHarness("secretmanager://acme-data/ingest-eu")
