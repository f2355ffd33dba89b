"""Productive's signature of a delivery: read leniently, believed strictly.

`Productive-Signature: t=<unix seconds>, s=<hex>` (documented; with and without the space), where `s` is the
HMAC-SHA256 of `<t>.<raw body>` under the webhook's signature token. Whether a repeated delivery is signed
anew is not known: one that is not will be refused as too old, which the metrics show.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.clock import MICROSECONDS
from shared.secrets import Secret

HEADER: Final = "Productive-Signature"

_LONGEST_HEADER = 512
_SECONDS = re.compile(r"[0-9]{1,12}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_USUAL = re.compile(r"t=([0-9]{1,12}), ?s=([0-9a-f]{64})")
_NOBODYS_TOKEN = (Secret(secrets.token_hex(16)),)
"""Tried where a webhook has no token, so that its absence takes as long to find as a wrong signature."""


class Refusal(StrEnum):
    """Why a signature was not believed; for the metrics, never for the client."""

    MISSING = "no_signature"
    MALFORMED = "malformed_signature"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    WRONG = "wrong_signature"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it was claimed: `timestamp` is the text that was signed, `digest` has 32 bytes."""

    timestamp: str
    digest: bytes

    def is_by(self, tokens: Sequence[Secret], body: bytes) -> bool:
        """Whether one of the tokens made it over `body`; the time taken tells neither which nor how nearly.

        An empty token signs nothing: everybody has it.
        """
        signed = b"%b.%b" % (self.timestamp.encode(), body)
        found = False
        for token in tokens or _NOBODYS_TOKEN:
            expected = hmac.digest(token.reveal().encode(), signed, "sha256")
            found |= hmac.compare_digest(expected, self.digest) and bool(token)
        return found and bool(tokens)


def read_signature(headers: Sequence[str], *, now_us: int, tolerance_seconds: float) -> Signature | Refusal:
    """The claim in a request's signature headers, if it is one, and of about now (in either direction)."""
    if not headers:
        return Refusal.MISSING
    signature = _parse(headers[0]) if len(headers) == 1 else None
    if signature is None:
        return Refusal.MALFORMED
    age = now_us / MICROSECONDS - int(signature.timestamp)
    if abs(age) > tolerance_seconds:
        return Refusal.TOO_OLD if age > 0 else Refusal.TOO_NEW
    return signature


def _parse(header: str) -> Signature | None:
    usual = _USUAL.fullmatch(header)
    if usual:
        return Signature(usual[1], bytes.fromhex(usual[2]))
    if len(header) > _LONGEST_HEADER:
        return None
    parts: dict[str, str] = {}
    for part in header.split(","):
        name, _, value = part.partition("=")
        name = name.strip()
        if name in ("t", "s") and name in parts:
            return None
        parts[name] = value.strip()
    timestamp, digest = parts.get("t", ""), parts.get("s", "")
    if not _SECONDS.fullmatch(timestamp) or not _DIGEST.fullmatch(digest):
        return None
    return Signature(timestamp, bytes.fromhex(digest))


def sign(token: Secret, body: bytes, *, seconds: int) -> str:
    """The header's value as Productive makes it, for deliveries of our own: a test event, a benchmark."""
    digest = hmac.digest(token.reveal().encode(), b"%d.%b" % (seconds, body), "sha256")
    return f"t={seconds}, s={digest.hex()}"
