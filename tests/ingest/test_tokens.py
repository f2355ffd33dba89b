"""The signature tokens: quick for the receiver, safe for whoever changes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from services.ingest.tokens import REREAD_SECONDS, TOKENS_SECRET, TokenBook
from shared.clock import ManualClock
from shared.errors import ConfigError, IngestError, StorageError, UnreachableError
from shared.secrets import Secret, Secrets, open_secrets
from shared.urls import url_of

TOKEN = "0d1f6b2e-1111-4222-8333-944455556666"
OTHER = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeffff0000"
DAY = 86_400.0


class WatchedSecrets:
    """A real store of which the reads are counted, and which can be made to fail or to wait."""

    def __init__(self, store: Secrets) -> None:
        self.store = store
        self.reads = self.writes = 0
        self.failure: IngestError | None = None
        self.open = asyncio.Event()
        self.open.set()

    async def get(self, name: str) -> Secret | None:
        self.reads += 1
        await self.open.wait()
        if self.failure:
            raise self.failure
        return await self.store.get(name)

    async def put(self, name: str, secret: Secret) -> None:
        self.writes += 1
        await self.store.put(name, secret)

    async def delete(self, name: str) -> bool:
        return await self.store.delete(name)

    async def names(self) -> Sequence[str]:
        return await self.store.names()

    async def close(self) -> None:
        await self.store.close()


@pytest.fixture
async def secrets(tmp_path: Path) -> WatchedSecrets:
    return WatchedSecrets(await open_secrets(url_of("file", tmp_path / "secrets.json")))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def book(secrets: WatchedSecrets, clock: ManualClock) -> AsyncIterator[TokenBook]:
    book = TokenBook(secrets, clock)
    yield book
    await book.close()


async def shown(book: TokenBook, event_id: int) -> list[str]:
    return [token.reveal() for token in await book.tokens(event_id)]


async def test_an_event_nobody_registered_has_no_token(book: TokenBook) -> None:
    assert await shown(book, 24) == []


async def test_a_token_is_known_to_every_process_that_reads_the_store(
    book: TokenBook, secrets: WatchedSecrets, clock: ManualClock
) -> None:
    await book.add(24, "7", Secret(TOKEN))
    assert await shown(book, 24) == [TOKEN]
    assert await shown(TokenBook(secrets, clock), 24) == [TOKEN]
    assert await shown(book, 1) == []


async def test_all_tokens_are_one_secret_of_one_printable_line(
    book: TokenBook, secrets: WatchedSecrets
) -> None:
    for event_id in range(1, 34):
        await book.add(event_id, str(event_id), Secret(TOKEN))
    assert await secrets.names() == [TOKENS_SECRET]
    stored = await secrets.store.get(TOKENS_SECRET)
    assert stored is not None
    assert stored.reveal().isascii()
    assert stored.reveal().isprintable()
    assert len(json.loads(stored.reveal())["tokens"]) == 33


async def test_the_newest_token_comes_first_and_the_replaced_one_counts_for_its_grace_time(
    book: TokenBook, clock: ManualClock
) -> None:
    await book.add(24, "7", Secret(TOKEN))
    clock.advance(1)
    await book.add(24, "8", Secret(OTHER))
    assert await shown(book, 24) == [OTHER, TOKEN]
    await book.retire(["7"], grace_seconds=3 * DAY)
    clock.advance(3 * DAY - 1)
    assert await shown(book, 24) == [OTHER, TOKEN]
    clock.advance(1)
    assert await shown(book, 24) == [OTHER]


async def test_a_second_retirement_never_lengthens_the_first(book: TokenBook, clock: ManualClock) -> None:
    await book.add(24, "7", Secret(TOKEN))
    await book.retire(["7"], grace_seconds=10)
    clock.advance(5)
    await book.retire(["7"], grace_seconds=DAY)
    clock.advance(5)
    assert await shown(book, 24) == []


async def test_tokens_that_have_run_out_are_forgotten_with_the_next_change(
    book: TokenBook, clock: ManualClock
) -> None:
    await book.add(24, "7", Secret(TOKEN))
    await book.retire(["7"], grace_seconds=10)
    clock.advance(11)
    await book.add(1, "9", Secret(OTHER))
    assert [one.webhook_id for one in await book.held()] == ["9"]


async def test_a_webhook_that_is_added_again_is_no_longer_retired(
    book: TokenBook, clock: ManualClock
) -> None:
    await book.add(24, "7", Secret(TOKEN))
    await book.retire(["7"], grace_seconds=10)
    await book.add(24, "7", Secret(TOKEN))
    clock.advance(11)
    assert await shown(book, 24) == [TOKEN]


async def test_a_change_that_changes_nothing_makes_no_new_version_of_the_secret(
    book: TokenBook, secrets: WatchedSecrets
) -> None:
    await book.add(24, "7", Secret(TOKEN))
    await book.retire([])
    await book.retire(["8"])
    assert secrets.writes == 1


async def test_known_tokens_cost_no_read_of_the_store(book: TokenBook, secrets: WatchedSecrets) -> None:
    await book.add(24, "7", Secret(TOKEN))
    before = secrets.reads
    for _ in range(100):
        await book.tokens(24)
        await book.tokens(1)
    assert secrets.reads == before


async def test_what_another_process_registers_is_found_when_a_signature_does_not_fit(
    book: TokenBook, secrets: WatchedSecrets, clock: ManualClock
) -> None:
    await book.tokens(24)
    await TokenBook(secrets, clock).add(24, "7", Secret(TOKEN))
    assert await shown(book, 24) == []
    clock.advance(REREAD_SECONDS)
    assert await book.reread()
    assert await shown(book, 24) == [TOKEN]


async def test_wrong_signatures_do_not_become_calls_to_the_store(
    book: TokenBook, secrets: WatchedSecrets, clock: ManualClock
) -> None:
    await book.tokens(24)
    clock.advance(REREAD_SECONDS)
    before = secrets.reads
    found = await asyncio.gather(*(book.reread() for _ in range(200)))
    assert secrets.reads == before + 1
    assert not any(found)


async def test_all_who_waited_for_the_same_read_are_told_to_try_again(
    book: TokenBook, secrets: WatchedSecrets, clock: ManualClock
) -> None:
    await book.tokens(24)
    await TokenBook(secrets, clock).add(24, "7", Secret(TOKEN))
    clock.advance(REREAD_SECONDS)
    assert all(await asyncio.gather(*(book.reread() for _ in range(20))))


async def test_an_old_cache_is_refreshed_behind_the_answer(
    book: TokenBook, secrets: WatchedSecrets, clock: ManualClock
) -> None:
    await book.add(24, "7", Secret(TOKEN))
    await TokenBook(secrets, clock).add(24, "8", Secret(OTHER))
    clock.advance(31)
    secrets.open.clear()
    assert await shown(book, 24) == [TOKEN]
    secrets.open.set()
    await book.reread()
    assert sorted(await shown(book, 24)) == sorted([OTHER, TOKEN])


async def test_a_store_that_fails_later_leaves_what_was_known(
    book: TokenBook, secrets: WatchedSecrets, clock: ManualClock
) -> None:
    await book.add(24, "7", Secret(TOKEN))
    secrets.failure = UnreachableError("the store does not answer")
    clock.advance(31)
    assert not await book.reread()
    assert await shown(book, 24) == [TOKEN]


async def test_a_store_that_cannot_be_read_at_first_is_an_error_and_not_asked_each_time(
    book: TokenBook, secrets: WatchedSecrets, clock: ManualClock
) -> None:
    secrets.failure = UnreachableError("the store does not answer")
    for _ in range(10):
        with pytest.raises(UnreachableError):
            await book.tokens(24)
    assert secrets.reads == 1
    secrets.failure = None
    clock.advance(REREAD_SECONDS)
    assert await shown(book, 24) == []


@pytest.mark.parametrize(
    "content", [TOKEN, "[]", '{"tokens": [{"event_id": "x", "token": "' + TOKEN + '"}]}', '{"a": 1}', ""]
)
async def test_a_secret_that_is_something_else_is_told_without_its_content(
    book: TokenBook, secrets: WatchedSecrets, content: str
) -> None:
    await secrets.store.put(TOKENS_SECRET, Secret(content))
    with pytest.raises(StorageError) as caught:
        await book.tokens(24)
    assert TOKEN not in f"{caught.value!r} {caught.value.advice} {caught.value.__cause__}"
    assert caught.value.advice
    with pytest.raises(StorageError):
        await book.add(24, "7", Secret(OTHER))


async def test_secrets_that_are_only_read_are_refused_before_anything_is_made(clock: ManualClock) -> None:
    book = TokenBook(await open_secrets("env:"), clock)
    with pytest.raises(ConfigError) as caught:
        await book.ensure_writable()
    assert caught.value.advice
    assert await shown(book, 24) == []


async def test_tokens_are_never_shown_by_accident(book: TokenBook) -> None:
    await book.add(24, "7", Secret(TOKEN))
    assert TOKEN not in repr(await book.held())
    assert TOKEN not in repr(await book.tokens(24))
