"""Columns whose values are replaced by pseudonyms before they leave this process."""

from __future__ import annotations

import hashlib
import hmac

from shared.catalog.model import Column, ColumnType
from shared.errors import ConfigError
from shared.secrets.secret import Secret

LEAST_KEY_LENGTH = 32


class ColumnHasher:
    """Turns texts into pseudonyms: HMAC-SHA256 under a secret key, 64 lower-case hexadecimal digits.

    Equal texts give equal pseudonyms in every table and every run, so that they can be joined and
    counted; without the key nobody can try out which text a pseudonym stands for. `ConfigError` for a
    key so short that it could be tried out itself.
    """

    __slots__ = ("_key",)

    def __init__(self, key: Secret) -> None:
        if len(key.reveal()) < LEAST_KEY_LENGTH:
            raise ConfigError(
                f"the key for hashed columns is shorter than {LEAST_KEY_LENGTH} characters",
                advice="Take a long random text, for instance what `openssl rand -hex 32` prints.",
            )
        self._key = key

    def pseudonym(self, text: str) -> str:
        """The pseudonym of a text; halves of surrogate pairs count as what they are."""
        key = self._key.reveal().encode(errors="surrogatepass")
        return hmac.new(key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "ColumnHasher(•••)"


class HashedColumn(Column, frozen=True, kw_only=True):
    """A selected column that holds pseudonyms: STRING, whatever `original` type its values have.

    `hasher` is None where nothing is read or written, as in a listing of columns; whoever would need it
    refuses to work without.
    """

    original: ColumnType
    hasher: ColumnHasher | None = None


def hashed(column: Column, hasher: ColumnHasher | None) -> HashedColumn:
    """The column as one that holds pseudonyms."""
    return HashedColumn(
        name=column.name,
        type=ColumnType.STRING,
        kind=column.kind,
        field=column.field,
        references=column.references,
        secret=column.secret,
        guessed=column.guessed,
        original=column.type,
        hasher=hasher,
    )
