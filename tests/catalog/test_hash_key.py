"""The key of hashed columns is made once, by one process, and never replaced behind anybody's back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.catalog.hash_key import KEY_SECRET, open_hasher
from shared.catalog.hashing import ColumnHasher
from shared.clock import SystemClock
from shared.errors import ConfigError
from shared.objects import Objects, open_objects
from shared.secrets import Secret, Secrets, open_secrets
from shared.urls import url_of


@dataclass
class Stores:
    secrets: Secrets
    objects: Objects
    folder: Path

    async def hasher(self) -> ColumnHasher:
        return await open_hasher(self.secrets, self.objects, SystemClock())


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    secrets = await open_secrets("env:", url_of("file", tmp_path / "secrets.json"))
    objects = await open_objects(url_of("file", tmp_path / "objects"))
    yield Stores(secrets, objects, tmp_path)
    await objects.close()
    await secrets.close()


async def test_the_key_is_made_at_first_use_kept_and_found_again(stores: Stores) -> None:
    first = (await stores.hasher()).pseudonym("ada")
    assert (await stores.hasher()).pseudonym("ada") == first
    key = await stores.secrets.get(KEY_SECRET)
    assert key is not None
    assert len(key.reveal()) == 64
    for file in (stores.folder / "objects").rglob("*"):
        assert file.is_dir() or key.reveal().encode() not in file.read_bytes()


async def test_several_that_start_at_once_agree_on_one_key(stores: Stores) -> None:
    hashers = await asyncio.gather(*(stores.hasher() for _ in range(4)))
    assert len({hasher.pseudonym("ada") for hasher in hashers}) == 1


async def test_a_key_that_a_person_has_set_is_taken(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMN_HASH_KEY", "k" * 40)
    assert (await stores.hasher()).pseudonym("ada") == ColumnHasher(Secret("k" * 40)).pseudonym("ada")


async def test_another_key_than_before_is_refused(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    await stores.hasher()
    monkeypatch.setenv("COLUMN_HASH_KEY", "another key that somebody has set here")
    with pytest.raises(ConfigError, match="another one than when the tables were filled") as caught:
        await stores.hasher()
    assert "another key that" not in caught.value.message + caught.value.advice


async def test_a_lost_key_is_not_made_anew_until_somebody_says_so(stores: Stores) -> None:
    await stores.hasher()
    await stores.secrets.delete(KEY_SECRET)
    with pytest.raises(ConfigError, match="not there any more") as caught:
        await stores.hasher()
    assert "column_hash_key.check" in caught.value.advice
    await stores.objects.delete("column_hash_key.check")
    await stores.hasher()


async def test_a_process_that_was_killed_between_the_key_and_its_check_leaves_a_good_key(
    stores: Stores,
) -> None:
    before = (await stores.hasher()).pseudonym("ada")
    await stores.objects.delete("column_hash_key.check")
    assert (await stores.hasher()).pseudonym("ada") == before


async def test_a_short_key_is_refused_before_it_is_used(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMN_HASH_KEY", "short")
    with pytest.raises(ConfigError, match="shorter than 32 characters"):
        await stores.hasher()
