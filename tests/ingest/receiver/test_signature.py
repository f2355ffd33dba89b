"""Which signatures are believed."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.receiver.signature import Refusal, Signature, read_signature, sign
from shared.clock import MICROSECONDS
from shared.secrets import Secret

NOW = 1_700_000_000
TOKEN = Secret("0f3a9c1e-6d2b-4f5a-8c7d-9e1b2a3c4d5e")
OTHER = Secret("11111111-2222-3333-4444-555555555555")
bodies = st.binary(min_size=1, max_size=200)


def read(*headers: str, tolerance: float = 300) -> Signature | Refusal:
    return read_signature(headers, now_us=NOW * MICROSECONDS, tolerance_seconds=tolerance)


def believed(header: str, body: bytes, *tokens: Secret) -> bool:
    signature = read(header)
    return isinstance(signature, Signature) and signature.is_by(tokens, body)


def test_the_documented_recipe_makes_a_signature_that_is_believed() -> None:
    digest = hmac.new(TOKEN.reveal().encode(), b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
    assert sign(TOKEN, b'{"a":1}', seconds=NOW) == f"t=1700000000, s={digest}"
    assert believed(f"t=1700000000, s={digest}", b'{"a":1}', TOKEN)


@pytest.mark.parametrize(
    "spelling",
    ["t={t}, s={s}", "t={t},s={s}", "s={s},t={t}", "  t = {t} ,  s = {s}  ", "v=2,t={t},x,s={s},=,"],
)
def test_every_spelling_of_the_header_is_read(spelling: str) -> None:
    t, s = sign(TOKEN, b"body", seconds=NOW)[2:].split(", s=")
    assert believed(spelling.format(t=t, s=s), b"body", TOKEN)
    assert believed(spelling.format(t=t, s=s.upper()), b"body", TOKEN)


@given(bodies, st.data())
def test_a_change_of_any_one_byte_of_the_body_is_refused(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(body) - 1))
    changed = bytearray(body)
    changed[at] ^= data.draw(st.integers(1, 255))
    header = sign(TOKEN, body, seconds=NOW)
    assert believed(header, body, TOKEN)
    assert not believed(header, bytes(changed), TOKEN)


@given(bodies, st.integers(0, 63), st.integers(1, 15))
def test_a_change_of_any_one_digit_of_the_digest_is_refused(body: bytes, at: int, by: int) -> None:
    t, s = sign(TOKEN, body, seconds=NOW).split(", s=")
    changed = s[:at] + f"{int(s[at], 16) ^ by:x}" + s[at + 1 :]
    assert not believed(f"{t}, s={changed}", body, TOKEN)


@given(bodies, st.integers(NOW - 300, NOW + 300), st.integers(NOW - 300, NOW + 300))
def test_another_time_than_the_signed_one_is_refused(body: bytes, signed: int, claimed: int) -> None:
    digest = sign(TOKEN, body, seconds=signed).split("s=")[1]
    assert believed(f"t={claimed},s={digest}", body, TOKEN) == (signed == claimed)
    assert not believed(f"t=0{signed},s={digest}", body, TOKEN)


@given(bodies, st.lists(st.sampled_from([TOKEN, OTHER, Secret("")]), max_size=5))
def test_any_of_several_tokens_may_have_signed(body: bytes, tokens: list[Secret]) -> None:
    assert believed(sign(TOKEN, body, seconds=NOW), body, *tokens) == (TOKEN in tokens)


def test_without_a_token_that_is_a_secret_nothing_is_believed() -> None:
    forged = sign(Secret(""), b"body", seconds=NOW)
    assert not believed(forged, b"body")
    assert not believed(forged, b"body", Secret(""))
    assert not believed(forged, b"body", Secret(""), TOKEN)


@given(st.integers(0, 2 * NOW), st.integers(0, 100_000))
def test_a_time_beyond_the_tolerance_is_refused_in_both_directions(t: int, tolerance: int) -> None:
    signature = read(sign(TOKEN, b"", seconds=t), tolerance=tolerance)
    if t < NOW - tolerance:
        assert signature is Refusal.TOO_OLD
    elif t > NOW + tolerance:
        assert signature is Refusal.TOO_NEW
    else:
        assert isinstance(signature, Signature)


S = "ab" * 32


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=",
        f"s={S}",
        f"t={NOW}",
        f"t={NOW},s=",
        f"t={NOW},s={S[:-2]}",
        f"t={NOW},s={S}00",
        f"t={NOW},s={S[:-2]}zz",
        f"t=-{NOW},s={S}",
        f"t={NOW}.0,s={S}",
        f"t=1{'0' * 12},s={S}",
        f"t=١٧,s={S}",
        f"t={NOW},t={NOW},s={S}",
        f"t={NOW},s={S},s={S}",
        f"t={NOW};s={S}",
        f"t={NOW},s={S}" + "," * 512,
    ],
)
def test_what_is_no_signature_is_refused_as_such(header: str) -> None:
    assert read(header) is Refusal.MALFORMED


def test_a_request_has_exactly_one_signature() -> None:
    header = sign(TOKEN, b"", seconds=NOW)
    assert read() is Refusal.MISSING
    assert read(header, header) is Refusal.MALFORMED


@given(st.text(max_size=100))
def test_no_text_whatever_breaks_the_reading(header: str) -> None:
    assert isinstance(read(header), Refusal)
