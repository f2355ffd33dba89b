"""What every store of secrets does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from shared.errors import ConfigError
from shared.secrets import Secret, Secrets

BAD_NAMES = ["", "A", "1a", "a-b", "a/b", "../a", "a b", "a\n", "ä", "a" * 200]


class SecretsHarness(Protocol):
    """How the contract's tests reach an adapter; each harness is a store of its own."""

    async def open(self) -> Secrets:
        """Open the store, as often as needed; the test closes it."""
        ...


class ReadSecretsContract:
    """Secrets by name; the harness's store holds just `productive_api_token`, which is "t0ken"."""

    @pytest.fixture
    async def holding(self, harness: SecretsHarness) -> AsyncIterator[Secrets]:
        secrets = await harness.open()
        yield secrets
        await secrets.close()

    async def test_a_secret_is_got_by_its_name(self, holding: Secrets) -> None:
        assert await holding.get("productive_api_token") == Secret("t0ken")
        assert await holding.get("productive_webhook_token") is None
        assert await holding.names() == ["productive_api_token"]

    @pytest.mark.parametrize("name", BAD_NAMES)
    async def test_a_bad_name_is_refused(self, holding: Secrets, name: str) -> None:
        with pytest.raises(ConfigError):
            await holding.get(name)
        with pytest.raises(ConfigError):
            await holding.put(name, Secret("x"))
        with pytest.raises(ConfigError):
            await holding.delete(name)

    async def test_a_store_may_be_closed_twice(self, holding: Secrets) -> None:
        await holding.close()
        await holding.close()


class SecretsContract:
    """Secrets that are kept, changed and forgotten; the harness's store is empty."""

    @pytest.fixture
    async def secrets(self, harness: SecretsHarness) -> AsyncIterator[Secrets]:
        secrets = await harness.open()
        yield secrets
        await secrets.close()

    async def test_secrets_are_kept_until_they_are_deleted(
        self, secrets: Secrets, harness: SecretsHarness
    ) -> None:
        assert await secrets.get("a") is None
        assert await secrets.names() == []
        assert await secrets.delete("a") is False
        await secrets.put("a", Secret("1"))
        await secrets.put("b", Secret("“2”"))
        await secrets.put("a", Secret("3"))
        again = await harness.open()
        assert [await again.get(name) for name in "ab"] == [Secret("3"), Secret("“2”")]
        assert await again.delete("a") is True
        assert await secrets.names() == ["b"]
        assert await secrets.get("a") is None
        await again.close()

    async def test_a_secret_that_was_deleted_can_be_kept_anew(self, secrets: Secrets) -> None:
        await secrets.put("a", Secret("1"))
        await secrets.delete("a")
        await secrets.put("a", Secret("2"))
        assert await secrets.get("a") == Secret("2")

    async def test_many_secrets_are_all_named_in_order(self, secrets: Secrets) -> None:
        names = ["b", "a_1", "a", "a_10", "c" * 127]
        for name in names:
            await secrets.put(name, Secret(name))
        assert await secrets.names() == sorted(names)
        assert [await secrets.get(name) for name in names] == [Secret(name) for name in names]

    async def test_a_large_secret_is_kept_whole(self, secrets: Secrets) -> None:
        large = Secret('{"tokens": "' + "x" * 60_000 + '"}')
        await secrets.put("productive_webhook_tokens", large)
        assert await secrets.get("productive_webhook_tokens") == large

    @pytest.mark.parametrize("text", ["two\nlines", "half \ud800 a pair", "nul\0"])
    async def test_what_cannot_be_a_token_is_not_kept(self, secrets: Secrets, text: str) -> None:
        with pytest.raises(ConfigError) as caught:
            await secrets.put("a", Secret(text))
        assert text not in str(caught.value) + caught.value.advice
        assert await secrets.names() == []
