"""The signature, computed a second time."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from services.sandbox.webhooks.signing import Signer


@given(token=st.text(min_size=1), body=st.binary(), seconds=st.integers(min_value=0, max_value=2**40))
def test_any_body_is_signed_with_its_time_in_front(token: str, body: bytes, seconds: int) -> None:
    signer = Signer()
    for separator in (", ", ","):
        time, digest = signer.header(token, body, seconds=seconds).split(separator, 1)
        message = str(seconds).encode() + b"." + body
        assert time == f"t={seconds}"
        assert digest == "s=" + hmac.new(token.encode(), message, hashlib.sha256).hexdigest()
