"""The client: one request, with its limits and retries, and what it came to."""

from __future__ import annotations

import copy
import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from shared.clock import MICROSECONDS, Clock, SystemClock
from shared.errors import IngestError, ProtocolError, UnreachableError
from shared.productive.answers import Answer
from shared.productive.connection import Connection
from shared.productive.interpretation import interpret
from shared.productive.jsonapi import ApiError, errors_of
from shared.productive.limits import Budget, Family, Limiter, LimitPolicy
from shared.productive.refusals import Parameters
from shared.productive.retry import PATIENT, RetryPolicy, Timeouts
from shared.productive.server_clock import ServerClock
from shared.productive.server_time import ServerTime, ServerTimePolicy
from shared.productive.transport import MAX_BODY_BYTES, Arrived, Attempt, Failed, Transport

MEDIA_TYPE = "application/vnd.api+json"
EXACT_TIMES = "filteringSkipDatetimeCastToDate"
"""The feature flag, documented in the guide on filtering, that keeps times in filters from being cut to
days."""

USER_AGENT = f"productive-ingest/{metadata.version('productive-ingest')}"

_TRY_AGAIN = frozenset({408, 425, *range(500, 600)})
_EPOCH_LIKE = 1_000_000_000
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Stats:
    """What this client and its copies did so far.

    `requests` counts everything sent, `failures` attempts that had to be made again, `throttled` the
    429s among the answers (0 when nobody else uses the same limits).
    """

    requests: int = 0
    failures: int = 0
    throttled: int = 0


class ProductiveClient:
    """Talks to one organization.

    Use it as an async context manager, on one event loop. A `session` that is passed in stays open
    afterwards. All clients of one process that use the same token should share one `limiter` (and
    `server_time`), or be made from each other with `with_reserve` and `with_retry`.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        session: aiohttp.ClientSession | None = None,
        limiter: Limiter | None = None,
        server_time: ServerTime | None = None,
        clock: Clock | None = None,
        retry: RetryPolicy = PATIENT,
        timeouts: Timeouts | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.connection = connection
        self.clock: Clock = clock or SystemClock()
        self.server_clock = ServerClock(self.clock)
        self.limiter = limiter or Limiter(LimitPolicy(), self.clock)
        self.server_time = server_time or ServerTime(ServerTimePolicy(), self.server_clock)
        self.stats = Stats()
        self._session = session
        self._owned: aiohttp.ClientSession | None = None
        self._transport: Transport | None = None
        self._timeouts = timeouts or Timeouts()
        self._max_body_bytes = max_body_bytes
        self._retry = retry
        self._random = random
        self._reserve = 0.0
        self._met = False

    async def __aenter__(self) -> Self:
        session = self._session
        if session is None:
            loopback = URL(self.connection.api_url).host in _LOOPBACK
            session = self._owned = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=not loopback,
            )
        self._transport = Transport(session, self.clock, self._timeouts, self._max_body_bytes)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport = None
        if self._owned is not None:
            await self._owned.close()
            self._owned = None

    def with_reserve(self, share: float) -> ProductiveClient:
        """The same open client, but leaving `share` (0 to 1) of every limit to those that reserve less."""
        other = self._sibling()
        other._reserve = share
        return other

    def with_retry(self, retry: RetryPolicy) -> ProductiveClient:
        """The same open client with another patience."""
        other = self._sibling()
        other._retry = retry
        return other

    def _sibling(self) -> ProductiveClient:
        other = copy.copy(self)
        other._owned = None
        return other

    @property
    def has_met(self) -> bool:
        """Whether Productive has answered anything yet; if not, the address or the network may be wrong."""
        return self._met

    def budget_left(self) -> tuple[Budget, ...]:
        """What is left of each limit, for progress displays."""
        return self.limiter.budget_left()

    async def get(
        self,
        path: str,
        parameters: Parameters = (),
        *,
        family: Family | None = None,
        exact_times: bool = False,
    ) -> Answer:
        """Ask for a list or a record; `path` below the API's root, encoded; `parameters` not encoded.

        Raises `CredentialsError`, `UnreachableError` when patience ends, and `ProtocolError`.
        """
        return await self._request("GET", path, parameters, family=family, exact_times=exact_times)

    async def post(self, path: str, document: dict[str, Any]) -> Answer:
        """Create a record; `Found` with what was made. Errors as in `get`.

        It is sent a second time only when the first was surely not carried out.
        """
        return await self._request("POST", path, body=msgspec.json.encode(document))

    async def delete(self, path: str) -> Answer:
        """Delete a record; `Gone` when it is gone, now or before. Errors as in `get`."""
        return await self._request("DELETE", path)

    async def _request(
        self,
        method: Literal["GET", "POST", "DELETE"],
        path: str,
        parameters: Parameters = (),
        *,
        family: Family | None = None,
        exact_times: bool = False,
        body: bytes | None = None,
    ) -> Answer:
        arrived = await self._arrive(
            method,
            self._url(path, parameters),
            self._headers(exact_times=exact_times),
            body=body,
            family=family,
        )
        return interpret(
            arrived.status,
            arrived.document,
            self._errors(arrived),
            sent=parameters,
            observed_us=self.server_clock.translate(arrived.sent_us),
            where=f"/{path}",
            location=self._location(arrived),
        )

    async def _arrive(
        self, method: str, url: URL, headers: dict[str, str], *, body: bytes | None, family: Family | None
    ) -> Arrived:
        """Send until there is an answer that is neither a failure nor a request to wait."""
        failures = pauses = 0
        spent = 0.0
        while True:
            self._pause_for_server_time(url)
            started = self.clock.monotonic()
            async with self.limiter.permit(family, reserve=self._reserve) as permit:
                started = self.clock.monotonic()
                self.stats.requests += 1
                attempt = await self._open_transport().send(
                    method, url, headers, body=body, on_head=permit.answered
                )
                self._learn(attempt)
            spent += self.clock.monotonic() - started
            if isinstance(attempt, Arrived):
                if attempt.status == 429:
                    pauses += 1
                    self._hold(attempt, url, pauses)
                    continue
                if attempt.status not in _TRY_AGAIN:
                    return attempt
            failures += 1
            self.stats.failures += 1
            wait = max(self._retry.wait(failures, self._random), self._asked_wait(attempt))
            if self._patience_ends(attempt, method, failures, spent + wait):
                raise self._give_up(attempt, url, failures)
            _log.debug("%s: %s; trying again in %.1f s", url.path, _reason(attempt), wait)
            await self.clock.sleep(wait)
            spent += wait

    def _learn(self, attempt: Attempt) -> None:
        if isinstance(attempt, Failed):
            return
        # Whoever only sends us elsewhere is not the API.
        self._met = self._met or not 300 <= attempt.status < 400
        self.server_clock.observe(
            attempt.headers.get("Date"), sent_us=attempt.sent_us, received_us=attempt.head_us
        )
        self.server_time.add(elapsed=attempt.elapsed, runtime_header=attempt.headers.get("X-Runtime"))

    def _pause_for_server_time(self, url: URL) -> None:
        seconds = self.server_time.pause()
        if seconds > self.limiter.held_for():
            _log.warning(
                "Productive's server time for this organization is nearly used up: %.0f s pause", seconds
            )
            self.limiter.hold(seconds)
        self._bound_pause(self.limiter.held_for(), url, "Productive's limits")

    def _hold(self, arrived: Arrived, url: URL, pauses: int) -> None:
        """After a 429 nothing is sent until the announced reset."""
        self.stats.throttled += 1
        of_server_time = any("server time" in error.text for error in self._errors(arrived))
        seconds = self._announced(arrived)
        if seconds is None:
            seconds = (
                self.server_time.until_next_hour() if of_server_time else self.limiter.policy.shortest_window
            )
        limit = "server time limit" if of_server_time else "request limit"
        self._bound_pause(seconds, url, f"Productive's {limit}")
        if pauses > self._retry.pauses:
            raise UnreachableError(
                f"{url.path}: Productive said {pauses} times in a row that its {limit} is reached",
                advice="Something else uses up this organization's limits: end it, or try again later.",
            )
        _log.warning("Productive's %s is reached: %.0f s pause", limit, seconds)
        self.limiter.hold(max(seconds, min(1.0, self.limiter.policy.shortest_window)))

    def _announced(self, arrived: Arrived) -> float | None:
        """Seconds to wait, documented as `X-RateLimit-Reset`; a time of day is understood, too."""
        for name in ("X-RateLimit-Reset", "Retry-After"):
            seconds = _number(arrived.headers.get(name))
            if seconds is not None and seconds >= _EPOCH_LIKE:
                seconds -= self.server_clock.now_us() / MICROSECONDS
            if seconds is not None and seconds >= 0:
                return seconds
        return None

    def _bound_pause(self, seconds: float, url: URL, what: str) -> None:
        if seconds > self._retry.longest_pause:
            raise UnreachableError(
                f"{url.path}: {what} would make us wait for {seconds:,.0f} s",
                advice="Try again after that time.",
            )

    def _asked_wait(self, attempt: Attempt) -> float:
        asked = _number(attempt.headers.get("Retry-After")) if isinstance(attempt, Arrived) else None
        return min(max(asked or 0.0, 0.0), self._retry.longest_wait)

    def _patience_ends(self, attempt: Attempt, method: str, failures: int, spent: float) -> bool:
        never_sent = isinstance(attempt, Failed) and not attempt.contact
        if method == "POST" and not never_sent:
            return True
        if isinstance(attempt, Failed) and attempt.final:
            return True
        unmet = isinstance(attempt, Failed) and (never_sent or attempt.unreadable) and not self._met
        allowed = self._retry.first_contact_attempts if unmet else self._retry.attempts
        return failures >= allowed or spent > self._retry.total_seconds

    def _give_up(self, attempt: Attempt, url: URL, failures: int) -> IngestError:
        times = f" ({failures} attempts)" if failures > 1 else ""
        message = f"{self.connection.host}{url.path}: {_reason(attempt)}{times}"
        if isinstance(attempt, Failed) and attempt.unreadable:
            return ProtocolError(message, advice="Check the API's address; if it is right, try again later.")
        if isinstance(attempt, Failed) and not attempt.contact:
            return UnreachableError(
                message, advice="Check the network and the API's address, then try again."
            )
        return UnreachableError(message, advice="Try again later; what was read so far is kept.")

    def _errors(self, arrived: Arrived) -> tuple[ApiError, ...]:
        redact = self.connection.token.redact
        return tuple(ApiError(*map(redact, error)) for error in errors_of(arrived.document))

    def _location(self, arrived: Arrived) -> str | None:
        try:
            host = urlsplit(arrived.headers.get("Location", "")).hostname or ""
        except ValueError:
            return None
        return self.connection.token.redact(host)[:200] or None

    def _url(self, path: str, parameters: Parameters) -> URL:
        query = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in parameters)
        address = f"{self.connection.api_url}/{path}"
        return URL(f"{address}?{query}" if query else address, encoded=True)

    def _headers(self, *, exact_times: bool) -> dict[str, str]:
        headers = {
            "X-Auth-Token": self.connection.token.reveal(),
            "X-Organization-Id": self.connection.organization_id,
            "Accept": MEDIA_TYPE,
            "Content-Type": MEDIA_TYPE,
            "User-Agent": USER_AGENT,
        }
        if exact_times:
            headers["X-Feature-Flags"] = EXACT_TIMES
        return headers

    def _open_transport(self) -> Transport:
        if self._transport is None:
            raise RuntimeError("the client is not open: use it inside `async with`")
        return self._transport


def _reason(attempt: Attempt) -> str:
    return attempt.reason if isinstance(attempt, Failed) else f"HTTP {attempt.status}"


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
