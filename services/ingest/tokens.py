"""The signature tokens of the webhooks: what the receiver believes, and what `webhooks` keeps for it.

Productive makes one token per webhook and signs each delivery with it. All of them live in one secret,
as JSON: one version to pay for where secrets cost money, and one atomic write.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from shared.clock import MICROSECONDS, Clock
from shared.errors import IngestError, StorageError, UnreachableError
from shared.secrets import Secret, Secrets

TOKENS_SECRET: Final = "productive_webhook_tokens"  # noqa: S105 -- the secret's name

GRACE_SECONDS: Final = 72 * 3600.0
"""How long a replaced token stays good: Productive retries a delivery for up to two days (documented)."""

REREAD_SECONDS: Final = 2.0
"""The secret is read again because of a wrong signature at most this often."""

_REFRESH_SECONDS = 30.0
_READ_SECONDS = 5.0
_MOST_TOKENS = 1_000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeldToken:
    """The token of one webhook.

    `since_us` is when we got it; `retired_until_us` is None while its webhook is in use, else until when
    it still counts for the retries of a webhook that is gone. Microseconds since 1970 UTC on our clock.
    """

    event_id: int
    webhook_id: str
    token: Secret
    since_us: int
    retired_until_us: int | None = None

    def counts(self, now_us: int) -> bool:
        """Whether what it signs is to be believed."""
        return self.retired_until_us is None or now_us < self.retired_until_us


class _Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    event_id: int
    webhook_id: str
    token: str
    since_us: int = 0
    retired_until_us: int | None = None


class _Book(msgspec.Struct, frozen=True):
    tokens: list[_Entry]


class TokenBook:
    """The signature tokens by event id, newest first; several count while a rotation is under way.

    `tokens` and `reread` are for the receiver: they answer from memory, and a store that fails later
    leaves what was known. The other calls are for `webhooks`: they go to the store and raise its errors.
    Changes are read-modify-write: whoever makes them holds the lease of the webhooks.
    """

    def __init__(self, secrets: Secrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock
        self._known: Mapping[int, Sequence[HeldToken]] | None = None
        self._read_at = self._changed_at = float("-inf")
        self._failure: IngestError | None = None
        self._reading = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def tokens(self, event_id: int) -> Sequence[Secret]:
        """The tokens that count for deliveries of this event, newest first; none for an unknown one.

        Waits for the store only before the first time that it could be read, and then raises
        `StorageError`, `ConfigError` or `UnreachableError` when it cannot be.
        """
        known = self._known
        if known is None:
            known = await self._first_read()
        elif self._clock.monotonic() - self._read_at > _REFRESH_SECONDS:
            self._refresh_soon()
        held = known.get(event_id)
        if not held:
            return ()
        now_us = self._clock.now_us()
        return [one.token for one in held if one.counts(now_us)]

    async def reread(self) -> bool:
        """Read the store again, unless that was done just now; True when it is worth to try once more.

        That is when the tokens have changed, be it that another call has just read them. A store that
        cannot be read changes nothing.
        """
        async with self._reading:
            if self._clock.monotonic() - self._read_at >= REREAD_SECONDS:
                await self._read_quietly()
        return self._clock.monotonic() - self._changed_at < REREAD_SECONDS

    async def held(self) -> Sequence[HeldToken]:
        """All tokens as the store has them now, those that have run out, too."""
        return await self._load()

    async def ensure_writable(self) -> None:
        """Raise now what keeping a token would raise: before Productive is told to make one."""
        await self._change(lambda held: held, even_if_same=True)

    async def add(self, event_id: int, webhook_id: str, token: Secret) -> None:
        """Keep the token of a webhook, durably, instead of any other of the same webhook."""
        new = HeldToken(event_id, webhook_id, token, self._clock.now_us())
        await self._change(lambda held: [*(one for one in held if one.webhook_id != webhook_id), new])

    async def retire(self, webhook_ids: Collection[str], *, grace_seconds: float = GRACE_SECONDS) -> None:
        """These webhooks are gone: their tokens count for `grace_seconds` more, never longer than before."""
        until_us = self._clock.now_us() + round(grace_seconds * MICROSECONDS)

        def retired(one: HeldToken) -> HeldToken:
            if one.webhook_id not in webhook_ids:
                return one
            before = one.retired_until_us
            return replace(one, retired_until_us=until_us if before is None else min(before, until_us))

        if webhook_ids:
            await self._change(lambda held: [retired(one) for one in held])

    async def close(self) -> None:
        """End what runs in the background; the store stays open."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    async def _first_read(self) -> Mapping[int, Sequence[HeldToken]]:
        async with self._reading:
            if self._known is None and self._clock.monotonic() - self._read_at >= REREAD_SECONDS:
                await self._read_quietly()
            if self._known is not None:
                return self._known
            failure = self._failure or UnreachableError("the webhooks' tokens are not read yet")
            raise type(failure)(failure.message, advice=failure.advice)

    def _refresh_soon(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        async with self._reading:
            await self._read_quietly()

    async def _read_quietly(self) -> None:
        """Take over what the store has; a failure is kept, and told once until it changes."""
        try:
            async with asyncio.timeout(_READ_SECONDS):
                self._take(await self._load())
        except TimeoutError:
            self._fail(UnreachableError("the store of the webhooks' tokens does not answer"))
        except IngestError as error:
            self._fail(error)
        finally:
            self._read_at = self._clock.monotonic()

    def _fail(self, error: IngestError) -> None:
        if self._failure is None or self._failure.message != error.message:
            log.warning("the webhooks' tokens cannot be read: %s", error)
        self._failure = error

    def _take(self, held: Sequence[HeldToken]) -> None:
        self._failure = None
        known: dict[int, list[HeldToken]] = {}
        for one in sorted(held, key=_newest_first):
            known.setdefault(one.event_id, []).append(one)
        if known != self._known:
            if self._known is not None:
                self._changed_at = self._clock.monotonic()
            self._known = known

    async def _load(self) -> list[HeldToken]:
        secret = await self._secrets.get(TOKENS_SECRET)
        return [] if secret is None else _parsed(secret)

    async def _change(
        self, change: Callable[[list[HeldToken]], list[HeldToken]], *, even_if_same: bool = False
    ) -> None:
        async with self._reading:
            now_us = self._clock.now_us()
            before = await self._load()
            held = [one for one in change(before) if one.counts(now_us)]
            if len(held) > _MOST_TOKENS:
                held = sorted(held, key=_newest_first)[:_MOST_TOKENS]
            if held != before or even_if_same:
                await self._secrets.put(TOKENS_SECRET, _written(held))
            self._take(held)
            self._read_at = self._clock.monotonic()


def _newest_first(one: HeldToken) -> tuple[bool, int]:
    return one.retired_until_us is not None, -one.since_us


def _parsed(secret: Secret) -> list[HeldToken]:
    try:
        book = msgspec.json.decode(secret.reveal(), type=_Book)
    except (msgspec.MsgspecError, ValueError):
        # Without the cause, which may quote what it could not read.
        raise StorageError(
            f"the secret `{TOKENS_SECRET}` does not hold webhooks' tokens",
            advice="Delete that secret, then `productive-ingest webhooks register --url URL` reads the "
            "tokens from Productive again.",
        ) from None
    return [
        HeldToken(
            entry.event_id, entry.webhook_id, Secret(entry.token), entry.since_us, entry.retired_until_us
        )
        for entry in book.tokens
        if entry.token
    ]


def _written(held: Sequence[HeldToken]) -> Secret:
    """One line of ASCII, which every store of secrets takes."""
    entries = [
        _Entry(one.event_id, one.webhook_id, one.token.reveal(), one.since_us, one.retired_until_us)
        for one in held
    ]
    return Secret(json.dumps(msgspec.to_builtins(_Book(entries)), separators=(",", ":")))
