"""Which values BigQuery's columns can hold, and what is said of one that they cannot.

The ranges are BigQuery's (documented): years 1 to 9999, 64 bits, 29 digits before and 9 after the point.
Columns are looked at as a whole where that is possible, since a Python call per value would cost more than
the encoding itself. Reasons name the column and never the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Final

import msgspec

from shared.catalog.model import ColumnType
from shared.warehouse.bigquery.changes import KEY

_INT64 = (-(1 << 63), (1 << 63) - 1)
_TIMESTAMPS = (-62_135_596_800_000_000, 253_402_300_799_999_999)
_DATES = (-719_162, 2_932_896)
_NUMERIC = re.compile(r"-?[0-9]{1,29}(\.[0-9]{1,9})?")
_JSON = msgspec.json.Decoder(msgspec.Raw)
_YEARS = "lies outside the years 1 to 9999"


@dataclass(frozen=True, slots=True)
class Form:
    """What a column's values must be: of this Python type, and all of them as `fit` wants them.

    `fit` gets values of the right type without NULLs, and may also raise `ValueError`.
    """

    python: type
    misfit: str
    fit: Callable[[Sequence[Any]], bool] | None = None
    nullable: bool = True

    def holds_all(self, values: Sequence[Any]) -> bool:
        """Whether every value fits; texts that are no valid Unicode are left for the encoder to find."""
        types = set(map(type, values))
        if type(None) in types:
            if not self.nullable:
                return False
            types.discard(type(None))
            values = [value for value in values if value is not None]
        return not types or (types == {self.python} and self._fits(values))

    def misfit_of(self, value: Any) -> str | None:
        """Why one value does not fit, None if it does."""
        if value is None:
            return None if self.nullable else "has no value"
        # A flag is an integer to Python.
        if not isinstance(value, self.python) or (self.python is int and isinstance(value, bool)):
            return f"holds a value of type {type(value).__name__} and needs {self.python.__name__}"
        return None if self._fits((value,)) and _is_unicode(value) else self.misfit

    def _fits(self, values: Sequence[Any]) -> bool:
        try:
            return self.fit is None or self.fit(values)
        except (ValueError, RecursionError):
            return False


def form_of(name: str, type_: ColumnType) -> Form:
    """The form of a column; the key's alone must have a value."""
    form = _FORMS[type_]
    return replace(form, nullable=False) if name == KEY else form


def _within(least: int, most: int) -> Callable[[Sequence[int]], bool]:
    return lambda values: least <= min(values) and max(values) <= most


def _are_decimals(values: Sequence[str]) -> bool:
    return all(map(_NUMERIC.fullmatch, values))


def _are_json(values: Sequence[str]) -> bool:
    # Read to the end without being built. A lone surrogate, escaped or not, is an error, too.
    for value in values:
        _JSON.decode(value)
    return True


def _are_strings(values: Sequence[list[Any]]) -> bool:
    return set(map(type, chain.from_iterable(values))) <= {str}


def _is_unicode(value: Any) -> bool:
    try:
        for text in value if isinstance(value, list) else (value,):
            str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


_FORMS: Final[Mapping[ColumnType, Form]] = {
    ColumnType.STRING: Form(str, "is not valid Unicode text"),
    ColumnType.INT64: Form(int, "does not fit into 64 bits", _within(*_INT64)),
    ColumnType.BOOL: Form(bool, "is not a boolean"),
    ColumnType.TIMESTAMP: Form(int, _YEARS, _within(*_TIMESTAMPS)),
    ColumnType.DATE: Form(int, _YEARS, _within(*_DATES)),
    ColumnType.NUMERIC: Form(
        str, "is not a decimal of at most 29 digits before and 9 after the point", _are_decimals
    ),
    ColumnType.JSON: Form(str, "holds text that is not JSON", _are_json),
    ColumnType.STRING_ARRAY: Form(list, "is not a list of strings", _are_strings),
}
