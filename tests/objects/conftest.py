from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.google.storage_server import new_bucket, storage_server


@pytest.fixture(scope="session")
def storage_url() -> Iterator[str]:
    """Where a stand-in for Cloud Storage is."""
    with storage_server() as url:
        yield url


@pytest.fixture
def bucket(storage_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket at the stand-in, which Google's clients are led to."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_url)
    return new_bucket(storage_url, f"test-{secrets.token_hex(6)}")
