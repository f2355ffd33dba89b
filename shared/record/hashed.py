"""The parser of a column that holds pseudonyms: nothing of a value is left but its pseudonym."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from shared.catalog.hashing import HashedColumn
from shared.catalog.model import ColumnType
from shared.errors import ConfigError
from shared.record.values import PARSERS, UNFIT, Parsed, Parser

_json = msgspec.json.Encoder(decimal_format="number", order="sorted")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def hashed_parser(column: HashedColumn) -> Parser:
    """From a value of the API to its pseudonym. It takes everything, so that nothing is kept in clear.

    `ConfigError` without a key, before anything is read.
    """
    hasher = column.hasher
    if hasher is None:
        raise ConfigError(
            f"there is no key to hash {column.name!r} with", advice="Take it out of `hash`, or set a key."
        )

    def parse(value: Any) -> Parsed:
        return hasher.pseudonym(canonical_text(value, column.original))

    return parse


def canonical_text(value: Any, type_: ColumnType) -> str:
    """One text for all spellings of a value of a type.

    Texts and numbers as they are in a column that is not hashed, dates as `YYYY-MM-DD`, times in UTC with
    microseconds, flags as `true` and `false`. Objects, lists, and whatever does not fit the type as
    compact JSON with sorted keys.
    """
    parsed = value if type_ is ColumnType.JSON else PARSERS[type_](value)
    match type_:
        case ColumnType.STRING | ColumnType.NUMERIC if isinstance(parsed, str):
            return parsed
        case ColumnType.TIMESTAMP if isinstance(parsed, int):
            return (_EPOCH + timedelta(microseconds=parsed)).isoformat(timespec="microseconds")
        case ColumnType.DATE if isinstance(parsed, int):
            return (date(1970, 1, 1) + timedelta(days=parsed)).isoformat()
        case _:
            return _json.encode(value if parsed is UNFIT else parsed).decode()
