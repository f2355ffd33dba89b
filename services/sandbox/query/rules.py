"""Which filters an endpoint has: `filters.toml`, typed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Meaning = Literal["attribute", "since", "until", "relation", "special"]


@dataclass(frozen=True)
class Rule:
    """What one filter compares: `subject` is an attribute, a relationship, or a special's own name."""

    name: str
    meaning: Meaning
    subject: str


@cache
def load_rules() -> dict[str, dict[str, Rule]]:
    """The rules by table and filter name."""
    text = resources.files("services.sandbox.query").joinpath("filters.toml").read_text(encoding="utf-8")
    return {table: _rules(entry) for table, entry in tomllib.loads(text).items()}


def rules_of(table: str) -> dict[str, Rule]:
    """The rules of one table; one without an entry filters by id alone."""
    return load_rules().get(table, {"id": Rule("id", "attribute", "id")})


def _rules(entry: dict[str, list[str] | dict[str, str]]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for key, meaning in _KEYS.items():
        named = entry.get(key, {})
        pairs = named if isinstance(named, dict) else {name: name for name in named}
        rules |= {name: Rule(name, meaning, subject) for name, subject in pairs.items()}
    return rules


_KEYS: dict[str, Meaning] = {
    "attributes": "attribute",
    "alias": "attribute",
    "since": "since",
    "until": "until",
    "relations": "relation",
    "special": "special",
}
