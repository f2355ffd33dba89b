"""The query string as a structure: what is asked for, before anybody decides whether it is supported."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

MAX_PAGE_SIZE = 200
DEFAULT_PAGE_SIZE = 30

_BRACKETS = re.compile(r"\[([^\]]*)\]")

IncludeTree = dict[str, "IncludeTree"]


@dataclass(frozen=True)
class Query:
    """One request's parameters. `filters` is nested as its brackets are; later keys win, as in Rack."""

    pairs: list[tuple[str, str]]
    filters: dict[str, Any] = field(default_factory=dict)
    sorts: tuple[tuple[str, bool], ...] = ()
    """Names with whether they descend."""
    include: IncludeTree = field(default_factory=dict)
    fields: dict[str, frozenset[str]] = field(default_factory=dict)
    """Sparse fieldsets by JSON:API type."""
    number: int | None = None
    size: int = DEFAULT_PAGE_SIZE
    after: str | None = None
    """The cursor; empty for the first page, None when numbered pages are asked for."""


def parse(raw: str) -> Query:
    """Read a raw query string. A `+` is a space: whoever means a plus has to encode it."""
    pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=1_000)
    filters: dict[str, Any] = {}
    fields: dict[str, frozenset[str]] = {}
    include: IncludeTree = {}
    single: dict[str, str] = {}
    for key, value in pairs:
        root, _, rest = key.partition("[")
        if root == "filter" and rest:
            _nest(filters, _BRACKETS.findall(key), value)
        elif root == "fields" and rest:
            fields[rest.rstrip("]")] = frozenset(_names(value))
        elif key == "include":
            for path in _names(value):
                _grow(include, path.split("."))
        else:
            single[key] = value
    return Query(
        pairs=pairs,
        filters=filters,
        sorts=tuple((name.lstrip("-"), name.startswith("-")) for name in _names(single.get("sort", ""))),
        include=include,
        fields=fields,
        number=max(1, _whole(single["page[number]"], 1)) if "page[number]" in single else None,
        size=_size(single.get("page[size]", single.get("per_page"))),
        after=single.get("page[after]"),
    )


def _size(text: str | None) -> int:
    """The page size: too large is cut silently, as measured on the real API."""
    wanted = _whole(text, DEFAULT_PAGE_SIZE) if text else DEFAULT_PAGE_SIZE
    return min(wanted, MAX_PAGE_SIZE) if wanted > 0 else DEFAULT_PAGE_SIZE


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]


def _grow(tree: IncludeTree, path: list[str]) -> None:
    for name in path:
        tree = tree.setdefault(name, {})


def _nest(tree: dict[str, Any], path: list[str], value: str) -> None:
    for name in path[:-1]:
        branch = tree.get(name)
        if not isinstance(branch, dict):
            branch = tree[name] = {}
        tree = branch
    if path:
        tree[path[-1]] = value
