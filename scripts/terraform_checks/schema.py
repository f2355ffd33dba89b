"""What the Google provider takes: a committed extract of its schema, of the resources that we use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = Path(__file__).parent / "google_schema.json"


class Argument(msgspec.Struct, frozen=True):
    """One argument: `string`, `number`, `boolean`, or `list(...)` or `map(...)` of one of these."""

    type: str
    required: bool = False


class Block(msgspec.Struct, frozen=True):
    """What may stand in a block. `computed` can only be referred to; `many`: may be repeated."""

    arguments: Mapping[str, Argument] = {}
    blocks: Mapping[str, Block] = {}
    computed: Mapping[str, str] = {}
    required: bool = False
    many: bool = False


class Schema(msgspec.Struct, frozen=True):
    """Of one version of a provider."""

    about: str
    provider: str
    version: str
    resources: Mapping[str, Block]


@cache
def load_schema() -> Schema:
    """The committed extract."""
    return msgspec.json.decode(FILE.read_bytes(), type=Schema)
