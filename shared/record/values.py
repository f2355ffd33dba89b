"""How one value of the API becomes one value of a column: exactly, or not at all.

Each parser takes what the JSON held (numbers as `int` or `Decimal`, see `shared.productive.jsonapi`) and
returns the travelling form described at `ColumnType`, or `UNFIT`. None of them rounds, cuts or guesses:
what does not fit is kept in `_unparsed` by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from shared.catalog.model import ColumnType
from shared.clock import MICROSECONDS
from shared.record.model import Value


class _Unfit(Enum):
    UNFIT = "unfit"


UNFIT: Final = _Unfit.UNFIT
Parsed = Value | Literal[_Unfit.UNFIT]
Parser = Callable[[Any], Parsed]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
NUMERIC_INTEGER_DIGITS, NUMERIC_DECIMALS = 29, 9  # BigQuery's NUMERIC: 38 digits, 9 of them decimals
_NUMERIC_BOUND = 10**NUMERIC_INTEGER_DIGITS
_LONGEST_NUMBER = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_WITHOUT_ZONE = _EPOCH.replace(tzinfo=None)  # zones make a subtraction twice as dear
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MICROSECOND = timedelta(microseconds=1)

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?)(Z|[+-][0-9]{2}:?[0-9]{2})?"
)

_json = msgspec.json.Encoder(decimal_format="number")


def json_text(value: Any) -> str:
    """`value` as JSON, every digit of its numbers kept."""
    return _json.encode(value).decode()


def parse_string(value: Any) -> Parsed:
    """Text as it is; numbers (Productive mixes both spellings) as their own digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    return UNFIT


def parse_int64(value: Any) -> Parsed:
    """Whole numbers of 64 bits, also when spelled `3.0` or `"3"`."""
    if isinstance(value, bool):
        return UNFIT
    if isinstance(value, Decimal):
        whole = value.is_finite() and value.adjusted() < 20 and value == value.to_integral_value()
        number = int(value) if whole else None
    elif isinstance(value, str):
        number = int(value) if _INTEGER.fullmatch(value) else None
    else:
        number = value if isinstance(value, int) else None
    return number if number is not None and INT64_MIN <= number <= INT64_MAX else UNFIT


def parse_bool(value: Any) -> Parsed:
    """True and false; nothing else is taken for one."""
    return value if isinstance(value, bool) else UNFIT


def parse_numeric(value: Any) -> Parsed:
    """A decimal within BigQuery's NUMERIC, in canonical text: plain notation without needless zeros."""
    if type(value) is int:
        return str(value) if -_NUMERIC_BOUND < value < _NUMERIC_BOUND else UNFIT
    if isinstance(value, str):
        if len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
            return UNFIT
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite():
        return UNFIT
    return canonical_numeric(value)


def canonical_numeric(value: Decimal) -> str | Literal[_Unfit.UNFIT]:
    """The one spelling of a finite decimal within NUMERIC, or `UNFIT` when it needs more digits."""
    if not value:
        return "0"
    # A tiny JSON text such as 1e999999 must not become a huge string: look at the exponent before the digits.
    if not -NUMERIC_DECIMALS <= value.adjusted() < NUMERIC_INTEGER_DIGITS:
        return UNFIT
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0")
    if len(decimals) > NUMERIC_DECIMALS:
        return UNFIT
    return f"{whole}.{decimals}" if decimals else whole


def parse_timestamp(value: Any) -> Parsed:
    """ISO 8601 to microseconds since 1970 UTC; without an offset it is taken as UTC."""
    if not isinstance(value, str):
        return UNFIT
    match = _TIMESTAMP.fullmatch(value)
    if match is None:
        return UNFIT
    local, decimals, offset = match.groups()
    if decimals and len(decimals) > 7 and decimals[7:].strip("0"):
        return UNFIT
    try:
        elapsed = datetime.fromisoformat(local) - _EPOCH_WITHOUT_ZONE
        micros = (elapsed.days * 86_400 + elapsed.seconds) * MICROSECONDS + elapsed.microseconds
        if offset:
            micros -= _offset_us(offset)
    except ValueError:
        return UNFIT
    return micros if _TIMESTAMP_MIN <= micros <= _TIMESTAMP_MAX else UNFIT


@lru_cache(maxsize=256)
def _offset_us(offset: str) -> int:
    """Microseconds that a zone (`Z`, `+01:00`) is ahead of UTC; `ValueError` for a day and more."""
    ahead = datetime.fromisoformat(f"1970-01-01T00:00:00{offset}").utcoffset() or timedelta()
    return ahead // _MICROSECOND


_TIMESTAMP_MIN = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_TIMESTAMP_MAX = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def parse_date(value: Any) -> Parsed:
    """`YYYY-MM-DD` to days since 1970; a point in time is not a date."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return UNFIT
    try:
        return date.fromisoformat(value).toordinal() - _EPOCH_DAY
    except ValueError:
        return UNFIT


def parse_string_array(value: Any) -> Parsed:
    """A list of ids, as strings."""
    if not isinstance(value, list):
        return UNFIT
    items = [parse_string(item) for item in value]
    return [item for item in items if isinstance(item, str)] if UNFIT not in items else UNFIT


PARSERS: Mapping[ColumnType, Parser] = {
    ColumnType.STRING: parse_string,
    ColumnType.INT64: parse_int64,
    ColumnType.BOOL: parse_bool,
    ColumnType.TIMESTAMP: parse_timestamp,
    ColumnType.DATE: parse_date,
    ColumnType.NUMERIC: parse_numeric,
    ColumnType.JSON: json_text,
    ColumnType.STRING_ARRAY: parse_string_array,
}
