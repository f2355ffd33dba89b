"""Cursors: opaque, bound to their endpoint and query, and full of characters that have to be encoded.

`+`, `/` and `=` are in every one of them, so that a client which does not encode values strictly
(documented: a `+` has to be sent as `%2B`) gets its cursor refused here instead of in production.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import msgspec

from services.sandbox.problems import keyset

_PREFIX = "k+/"


def mint(scope: bytes, position: list[Any]) -> str:
    """A cursor that stands behind the row at `position`."""
    payload = msgspec.json.encode(position)
    # Padding with spaces makes the length leave a remainder of 1 by 3, which is what gives `==`.
    payload += b" " * ((1 - len(payload) - 8) % 3)
    return _PREFIX + base64.b64encode(_seal(scope, payload) + payload).decode()


def read(scope: bytes, cursor: str) -> list[Any]:
    """The position in a cursor; refuses one that is malformed or was made for something else."""
    if not cursor.startswith(_PREFIX):
        raise _invalid()
    try:
        raw = base64.b64decode(cursor[len(_PREFIX) :], validate=True)
    except (ValueError, binascii.Error):
        raise _invalid() from None
    seal, payload = raw[:8], raw[8:]
    if seal != _seal(scope, payload):
        raise _invalid()
    position: list[Any] = msgspec.json.decode(payload)
    return position


def _seal(scope: bytes, payload: bytes) -> bytes:
    return hashlib.blake2b(
        payload, key=hashlib.blake2b(scope, digest_size=32).digest(), digest_size=8
    ).digest()


def _invalid() -> Exception:
    return keyset("keyset_invalid_cursor", "The cursor is malformed or belongs to another endpoint")
