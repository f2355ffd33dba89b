"""Bodies of the JSON:API kind, read without losing a digit, whatever shape they have."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

_decoder = msgspec.json.Decoder(float_hook=Decimal)

_MAX_ERRORS = 20
_MAX_TEXT = 500


class UnreadableError(ValueError):
    """The body is not JSON, or only the beginning of it."""


def parse(body: bytes) -> Any:
    """The JSON value in `body`: decimals as `Decimal`, integers of any size as `int`.

    One bad string must not cost a page: bytes that are not UTF-8, lone surrogates and control
    characters, which strict parsers refuse, are read too. What has no character is written out (`\\ud800`,
    and `\\udcff` for the byte FF), so that nothing is lost and every string in the result can be encoded
    again. NaN, Infinity and numbers that nothing can hold become their texts.
    Raises `UnreadableError`.
    """
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
        return _parse_leniently(body)


def _parse_leniently(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig", errors="surrogateescape")
        value = json.loads(text, strict=False, parse_float=_decimal, parse_int=_integer, parse_constant=str)
        return _written_out(value)
    except (ValueError, RecursionError):
        raise UnreadableError(f"{len(body):,} bytes that are not one JSON document") from None


def _decimal(digits: str) -> Decimal | str:
    try:
        return Decimal(digits)
    except ArithmeticError:  # an exponent of more than 18 digits, which no number type here takes
        return digits


def _integer(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:  # longer than Python converts in reasonable time
        return Decimal(digits)


def _written_out(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, list):
        return [_written_out(item) for item in value]
    if isinstance(value, dict):
        return {_written_out(key): _written_out(item) for key, item in value.items()}
    return value


class ApiError(NamedTuple):
    """One entry of an error envelope; what is missing is empty.

    `status` is left out: Productive sends it as a number, as a string and as a word, and the HTTP
    status says it better.
    """

    code: str = ""
    title: str = ""
    detail: str = ""
    parameter: str = ""
    pointer: str = ""

    @property
    def text(self) -> str:
        """All of it in lower case, to look for words in."""
        return " ".join(self).lower()

    def __str__(self) -> str:
        said = self.detail if self.title in self.detail else f"{self.title}: {self.detail}".strip(": ")
        return said or self.code or "no reason given"


def errors_of(document: Any) -> tuple[ApiError, ...]:
    """The errors in an answer's body; empty when there are none that can be understood."""
    entries = document.get("errors") if isinstance(document, dict) else None
    if isinstance(entries, dict):
        entries = [entries]
    if not isinstance(entries, list):
        return ()
    return tuple(_error(entry) for entry in entries[:_MAX_ERRORS])


def _error(entry: Any) -> ApiError:
    if not isinstance(entry, dict):
        return ApiError(detail=_text(entry))
    source = entry.get("source")
    if not isinstance(source, dict):
        source = {}
    return ApiError(
        code=_text(entry.get("code")),
        title=_text(entry.get("title")),
        detail=_text(entry.get("detail")),
        parameter=_text(source.get("parameter")),
        pointer=_text(source.get("pointer")),
    )


def _text(value: Any) -> str:
    if value is None or isinstance(value, (dict, list)):
        return ""
    return "".join(character if character.isprintable() else " " for character in str(value)[:_MAX_TEXT])


def integer(value: Any) -> int | None:
    """A count as an integer, however it was written: 3, "3", 3.0; None when it is not one."""
    if isinstance(value, bool):
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError, ArithmeticError):
        return None
    return number if number >= 0 else None


def identifier(resource: Any) -> str | None:
    """A resource's id as text, whether it came as a string or as a number; None when it has none."""
    value = resource.get("id") if isinstance(resource, dict) else None
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        return None
    return str(value)
