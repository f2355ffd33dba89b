"""Sends the receiver a signed test event through its public URL, and says in words what came back."""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import aiohttp
from yarl import URL

from services.ingest.reading.payload import TEST_EVENT
from services.ingest.receiver.signature import HEADER, sign
from services.ingest.tokens import REREAD_SECONDS
from services.ingest.webhooks.address import is_loopback
from services.ingest.webhooks.events import Event
from shared.clock import MICROSECONDS, Clock
from shared.secrets import Secret

_SECONDS = 15.0


class Heard(StrEnum):
    """What a test event came to; the value is for people, `advice` says what to do about it."""

    ACCEPTED = "accepted"
    UNSIGNED = "401: the receiver has another token for it"
    NOT_THERE = "404: no receiver at this address"
    TOO_BUSY = "503: the receiver cannot keep anything"
    REDIRECTED = "redirected, which Productive may not follow"
    ANOTHER_ANSWER = "an answer that is not the receiver's"
    NO_SUCH_HOST = "the host's name is unknown"
    REFUSED = "the connection is refused"
    NO_TLS = "the certificate or the encryption is not good"
    TIMEOUT = "no answer in time"
    BROKEN = "the connection broke"

    @property
    def advice(self) -> str:
        """What a person can do."""
        return _ADVICE.get(self, "")


_ADVICE: Final = {
    Heard.UNSIGNED: "The receiver reads its tokens from another place, or its clock is wrong: start it with "
    "the same settings (SECRETS_URL, --data-dir) as this command.",
    Heard.NOT_THERE: "Something else answers there: check --url and the proxy in front of the receiver, "
    "which must pass the whole path on.",
    Heard.TOO_BUSY: "Look at the receiver: its bus and its objects take nothing. Productive tries again.",
    Heard.REDIRECTED: "Register the address that answers by itself.",
    Heard.ANOTHER_ANSWER: "Look at what stands between the internet and the receiver: a proxy, a login page, "
    "a limit on the size or the number of requests.",
    Heard.NO_SUCH_HOST: "Check the host's name in --url, and its DNS entry.",
    Heard.REFUSED: "Start the receiver, and let the port through to it.",
    Heard.NO_TLS: "Productive sends nothing to a host whose certificate is not good: renew it.",
    Heard.TIMEOUT: "A firewall may drop the packets, or the receiver hangs.",
    Heard.BROKEN: "Try again; if it stays so, look at the proxy in front of the receiver.",
}
_BY_STATUS: Final = {401: Heard.UNSIGNED, 404: Heard.NOT_THERE, 503: Heard.TOO_BUSY}


class Prober:
    """Knocks at the receiver, as Productive would: from here, which is not quite from the internet."""

    def __init__(self, clock: Clock, *, seconds: float = _SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds

    async def knock(self, event: Event, target_url: str, token: Secret) -> tuple[Heard, str]:
        """What a signed test event comes to, and the details in a few words. Never raises for an answer."""
        now_us = self._clock.now_us()
        body = json.dumps(
            {
                "event": TEST_EVENT,
                "item_type": event.thing,
                "item_id": 0,
                "created": datetime.fromtimestamp(now_us / MICROSECONDS, UTC).isoformat(
                    timespec="milliseconds"
                ),
            }
        ).encode()
        headers = {
            "Content-Type": "application/json",
            HEADER: sign(token, body, seconds=now_us // MICROSECONDS),
        }
        url = URL(target_url)
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=self._seconds),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    trust_env=not is_loopback(url.host or ""),
                ) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                return _heard(response.status), f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _unheard(error), _words(error)

    async def knock_all(
        self, targets: list[tuple[Event, str, Secret]], *, at_once: int = 4
    ) -> list[tuple[Heard, str]]:
        """One knock for each, a few at a time, in their order.

        A receiver that does not know a new token yet gets the time to read it, and a second knock.
        """
        slots = asyncio.Semaphore(at_once)

        async def one(event: Event, url: str, token: Secret) -> tuple[Heard, str]:
            async with slots:
                return await self.knock(event, url, token)

        heard = list(await asyncio.gather(*(one(*target) for target in targets)))
        unsigned = [index for index, (answer, _) in enumerate(heard) if answer is Heard.UNSIGNED]
        if unsigned:
            await self._clock.sleep(REREAD_SECONDS)
            again = await asyncio.gather(*(one(*targets[index]) for index in unsigned))
            for index, answer in zip(unsigned, again, strict=True):
                heard[index] = answer
        return heard


def _heard(status: int) -> Heard:
    if status == 200:
        return Heard.ACCEPTED
    if 300 <= status < 400:
        return Heard.REDIRECTED
    return _BY_STATUS.get(status, Heard.ANOTHER_ANSWER)


def _unheard(error: Exception) -> Heard:
    match error:
        case TimeoutError():
            return Heard.TIMEOUT
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return Heard.NO_TLS
        case aiohttp.ClientConnectorDNSError():
            return Heard.NO_SUCH_HOST
        case aiohttp.ClientConnectorError():
            return Heard.REFUSED
        case _:
            return Heard.BROKEN


def _words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return "".join(character if character.isprintable() else " " for character in text)[:200]
