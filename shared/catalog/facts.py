"""Reads facts.toml, the hand-edited statement of what Productive's resources are, and checks it.

Only the generator and tests use this; the services read the catalog that is made of it.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from shared.catalog.types import Described
from shared.errors import ConfigError

FACTS_PATH = Path(__file__).with_name("facts.toml")

ANY = "any"
"""The target of a relationship that is polymorphic, or whose target is not stated."""

_T = TypeVar("_T")
_ADVICE = "Correct shared/catalog/facts.toml; its head explains every key."


class ResourceFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of facts.toml; the head of that file says what each key means.

    `attributes` maps a described type to names; `to_one` and `to_many` map a target to relationships.
    """

    about: str
    set: Literal["core", "people", "extended"]
    path: str | None = None
    type: str | None = None
    fallback_path: str | None = None
    listable: bool = True
    documented: bool = True
    cursor: bool = True
    limit: Literal["reports", "salaries"] | None = None
    params: dict[str, str] = {}
    change_filter: Literal["updated_at", "last_activity_at"] | None = None
    sorts: tuple[str, ...] | None = None
    events: dict[Literal["create", "update", "delete", "archive"], tuple[int, ...]] = {}
    attributes: dict[Described, tuple[str, ...]] = {}
    secret: tuple[str, ...] = ()
    joins: dict[str, str] = {}
    to_one: dict[str, tuple[str, ...]] = {}
    to_many: dict[str, tuple[str, ...]] = {}
    include_organization: bool = False
    notes: tuple[str, ...] = ()

    def described(self) -> dict[str, Described]:
        """Attributes with their described type, by name."""
        return dict(sorted((name, kind) for kind, names in self.attributes.items() for name in names))


class Facts(msgspec.Struct, frozen=True):
    """All of facts.toml: resources by name in its order, and the types that are no resources."""

    resources: dict[str, ResourceFacts]
    foreign_types: tuple[str, ...] = ()

    def type_of(self, resource: str) -> str:
        """The JSON:API type of a resource's records."""
        return self.resources[resource].type or resource


def read_facts(path: Path = FACTS_PATH) -> Facts:
    """Parse and check facts.toml; every mistake is a `ConfigError` that names its place."""
    return parse_facts(path.read_text(encoding="utf-8"))


def parse_facts(text: str) -> Facts:
    """Like `read_facts`, from its text."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"facts.toml is not TOML: {error}", advice=_ADVICE) from error
    foreign = _converted(document.pop("foreign_types", []), tuple[str, ...], "foreign_types")
    resources = {name: _converted(entry, ResourceFacts, name) for name, entry in document.items()}
    facts = Facts(resources, foreign)
    problems = [problem for name in resources for problem in _problems(facts, name)]
    problems.extend(_event_problems(facts))
    if problems:
        raise ConfigError("facts.toml contradicts itself:\n  " + "\n  ".join(problems), advice=_ADVICE)
    return facts


def _converted(value: object, shape: type[_T], place: str) -> _T:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise ConfigError(f"facts.toml, {place}: {error}", advice=_ADVICE) from error


def _problems(facts: Facts, name: str) -> Iterator[str]:
    resource = facts.resources[name]
    attributes = Counter(name for names in resource.attributes.values() for name in names)
    yield from (f"{name}: attribute {twice!r} is stated twice" for twice in _repeated(attributes))
    for secret in resource.secret:
        if secret not in attributes:
            yield f"{name}: secret {secret!r} is not an attribute"
    for attribute, target in resource.joins.items():
        if attribute not in attributes:
            yield f"{name}: joins {attribute!r}, which is not an attribute"
        if target not in facts.resources:
            yield f"{name}: {attribute!r} joins {target!r}, which is not a resource"

    targets = (resource.to_one, resource.to_many)
    relationships = Counter(name for kind in targets for names in kind.values() for name in names)
    yield from (f"{name}: relationship {twice!r} is stated twice" for twice in _repeated(relationships))
    known = {facts.type_of(other) for other in facts.resources} | set(facts.foreign_types) | {ANY}
    for target in sorted({target for kind in targets for target in kind} - known):
        yield f"{name}: relationships point at {target!r}, which is neither a resource nor a foreign type"


def _event_problems(facts: Facts) -> Iterator[str]:
    events = Counter(
        event for resource in facts.resources.values() for ids in resource.events.values() for event in ids
    )
    yield from (f"webhook event {twice} is stated twice" for twice in _repeated(events))


def _repeated(counts: Counter[_T]) -> list[_T]:
    return [item for item, count in counts.items() if count > 1]
