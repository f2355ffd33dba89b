"""Where Productive is to send: our public address, and how a webhook of ours is told from others'."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from yarl import URL

from services.ingest.delivery import PATH
from shared.errors import ConfigError

_TARGET = re.compile(rf"(?P<prefix>(?:/[A-Za-z0-9._~%-]+)*){PATH}/(?P<event>[1-9][0-9]{{0,2}})")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_LONGEST = 500
_EXAMPLE = "Write it like https://hooks.example.com."


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """The receiver as Productive reaches it; `base` has no slash at its end.

    One webhook is for one event (documented), and each event has a path of its own, so that the receiver
    knows the event and the token before it reads a body.
    """

    base: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The address a person wrote; `ConfigError` when Productive should not, or cannot, send there."""
        url = _url(text)
        if url is None or url.host is None:
            raise ConfigError("the public address of the receiver is not a URL", advice=_EXAMPLE)
        if url.user is not None or url.password is not None:
            raise ConfigError(
                "the public address of the receiver holds a user name or a password",
                advice=f"Leave it out: deliveries are signed. {_EXAMPLE}",
            )
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
            raise ConfigError(
                "the public address of the receiver must begin with https://",
                advice="Webhooks carry the agency's data. http:// is for this machine alone (127.0.0.1).",
            )
        if "?" in text or "#" in text:
            raise ConfigError(
                "the public address of the receiver ends before any `?` or `#`", advice=_EXAMPLE
            )
        prefix = url.path.rstrip("/").removesuffix(PATH).rstrip("/")
        if not _PREFIX.fullmatch(prefix):
            raise ConfigError(
                "the public address of the receiver has a path that cannot be told apart later",
                advice=f"Use letters, digits, `.`, `_`, `~` and `-` in it. {_EXAMPLE}",
            )
        return cls(f"{_origin(url)}{prefix}")

    def target(self, event_id: int) -> str:
        """The URL of one event's webhook."""
        return f"{self.base}{PATH}/{event_id}"

    @property
    def is_of_this_machine(self) -> bool:
        """Whether nobody else can reach it."""
        return is_loopback(URL(self.base).host or "")


@dataclass(frozen=True, slots=True)
class Place:
    """A target URL of our shape, taken apart."""

    base: str
    event_id: int


def place_of(target_url: str) -> Place | None:
    """What a webhook's target says when it is of our shape; None for everybody else's webhooks."""
    url = _url(target_url)
    if url is None or url.host is None or url.scheme not in {"http", "https"} or url.query_string:
        return None
    match = _TARGET.fullmatch(url.path)
    return Place(f"{_origin(url)}{match['prefix']}", int(match["event"])) if match else None


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _url(text: str) -> URL | None:
    if len(text) > _LONGEST or not text.isprintable() or " " in text:
        return None
    try:
        return URL(text)
    except ValueError:
        return None


def _origin(url: URL) -> str:
    """Scheme, host and port in one spelling, the scheme's own port left out."""
    return str(url.origin())
