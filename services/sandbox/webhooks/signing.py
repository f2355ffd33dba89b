"""The signature of a delivery, in both spellings that are documented."""

from __future__ import annotations

import hashlib
import hmac
import itertools

HEADER = "Productive-Signature"
_SPELLINGS = ("t={}, s={}", "t={},s={}")


class Signer:
    """Signs `<t>.<body>` with HMAC-SHA256; one guide writes a space between the parts, the other none."""

    def __init__(self) -> None:
        self._spellings = itertools.cycle(_SPELLINGS)

    def header(self, token: str, body: bytes, *, seconds: int) -> str:
        """The header's value for a body sent at `seconds` since 1970."""
        digest = hmac.new(token.encode(), b"%d.%b" % (seconds, body), hashlib.sha256).hexdigest()
        return next(self._spellings).format(seconds, digest)
