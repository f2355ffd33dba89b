"""The body of a delivery.

Its shape is known from one example of `create_task`. Relationships come with their ids for some relations
without asking, and others are missing altogether; so a delivery is rarely all that there is to know. Which
ones differs by table here, and stays the same for as long as the seed does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import msgspec

from services.sandbox.organization import Change, Organization
from services.sandbox.schema import Schema
from services.sandbox.webhooks.events import Event
from services.sandbox.webhooks.settings import WebhookSettings
from services.sandbox.zone import stamp

_NOT_INCLUDED = {"meta": {"included": False}}
# As others saw it: a task comes with its project and its assignee, and without its list.
_SEEN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "tasks": (("project", "assignee"), ("task_list",))
}
_CUT = 0.3

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class _Habit:
    """What the partial deliveries of a table are like."""

    shown: dict[str, str]
    """The relationships that come with their ids and their objects, with the tables they lead to."""
    missing: frozenset[str]
    cut: frozenset[str]
    """The attributes that some deliveries lack."""


class Payloads:
    """Makes bodies of changes."""

    def __init__(
        self, organization: Organization, schema: Schema, settings: WebhookSettings, *, seed: int
    ) -> None:
        self._organization = organization
        self._schema = schema
        self._settings = settings
        self._seed = seed
        self._random = random.Random(f"payloads {seed}")  # noqa: S311 -- made to be repeatable
        self._habits: dict[str, _Habit] = {}

    def body(self, event: Event, change: Change) -> bytes:
        """What a change is told as, for every webhook that listens to it."""
        document: dict[str, Any] = {
            "event": event.name,
            "item_type": event.item_type,
            "item_id": int(change.id),
            "created": stamp(change.at_us),
        }
        resource = change.after or change.before
        if resource is not None and (not event.ends or self._settings.delete_with_object):
            document["object"] = self._object(change.table, resource)
        return _encode(document)

    def _object(self, table: str, resource: dict[str, Any]) -> dict[str, Any]:
        habit = self._habits.get(table)
        if habit is None:
            habit = self._habits[table] = self._habit(table)
        whole = self._random.random() < self._settings.complete_share
        attributes, relationships = resource["attributes"], resource["relationships"]
        included = self._included(habit, relationships)
        if whole:
            many = {name for name, relation in self._schema[table].relations.items() if relation.many}
            relationships = {
                name: _NOT_INCLUDED if name in many else end for name, end in relationships.items()
            }
        else:
            if self._random.random() < self._settings.cut_share:
                attributes = {name: value for name, value in attributes.items() if name not in habit.cut}
            relationships = {
                name: end if name in habit.shown or name == "organization" else _NOT_INCLUDED
                for name, end in relationships.items()
                if name not in habit.missing
            }
        return {
            "data": {**resource, "attributes": attributes, "relationships": relationships},
            "included": included,
        }

    def _included(self, habit: _Habit, relationships: dict[str, Any]) -> list[dict[str, Any]]:
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for name, table in habit.shown.items():
            end = relationships[name]["data"]
            if end is not None and (table, end["id"]) not in found:
                resource = self._organization.resource(table, end["id"])
                resource["relationships"] = {
                    inner: data if inner == "organization" else _NOT_INCLUDED
                    for inner, data in resource["relationships"].items()
                }
                found[table, end["id"]] = resource
        return list(found.values())

    def _habit(self, table: str) -> _Habit:
        chance = random.Random(f"habit {self._seed} {table}")  # noqa: S311 -- made to be repeatable
        resource = self._schema[table]
        targets = {
            name: relation.target
            for name, relation in resource.relations.items()
            if relation.target is not None and not relation.many and name != "organization"
        }
        if table in _SEEN:
            shown, missing = _SEEN[table]
        else:
            names = sorted(targets)
            chance.shuffle(names)
            some = min(2, len(names) - 1)
            shown, missing = tuple(names[:some]), tuple(names[some : some + 1])
        return _Habit(
            shown={name: targets[name] for name in shown},
            missing=frozenset(missing),
            cut=frozenset(name for name in sorted(resource.attributes) if chance.random() < _CUT),
        )
