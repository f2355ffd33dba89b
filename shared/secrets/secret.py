"""A secret as a type, so that it cannot slip into a log line, an error or a `repr`."""

from __future__ import annotations

import hmac
from typing import NoReturn

_HIDDEN = "•••"


class Secret:
    """A text that shows itself only where `reveal` is written out.

    `str`, `repr` and `format` give a fixed mark, whatever the length; it cannot be pickled; equality
    takes the same time wherever two secrets differ.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; for the one place that sends it."""
        return self._value

    def redact(self, text: str) -> str:
        """`text`, which came from elsewhere, with every occurrence of the secret hidden."""
        return text.replace(self._value, _HIDDEN) if self._value else text

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self._value.encode(errors="surrogatepass"), other._value.encode(errors="surrogatepass")
        )

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return f"Secret({_HIDDEN})"

    def __str__(self) -> str:
        return _HIDDEN

    def __format__(self, _spec: str) -> str:
        return _HIDDEN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be stored or sent by accident")
