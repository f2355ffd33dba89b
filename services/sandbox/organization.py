"""The organization as tests and demos see it: the truth about every record, and the way to change it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.sandbox.history import History
from services.sandbox.schema import Schema
from services.sandbox.storage import Link, Ref, Row, Table
from services.sandbox.zone import SECOND, stamp
from shared.clock import Clock

Kind = Literal["create", "update", "delete", "restore"]


@dataclass(frozen=True)
class Change:
    """Something happened to a record. `before` and `after` are resources with all relationships' ids."""

    kind: Kind
    table: str
    id: str
    at_us: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Organization:
    """All records. One thread, the event loop's, reads and writes them."""

    def __init__(
        self, tables: dict[str, Table], schema: Schema, clock: Clock, *, caller: Ref, home: Ref
    ) -> None:
        self._tables = tables
        self._schema = schema
        self._clock = clock
        self._listeners: list[Callable[[Change], None]] = []
        self._history = History(self, caller=caller)
        self._removed: dict[Ref, Row] = {}
        self.caller = caller
        self.home = home
        self.tables = tuple(tables)

    def count(self, table: str) -> int:
        """How many records a table has."""
        return len(self._tables[table])

    def resource(self, table: str, identifier: str | int) -> dict[str, Any]:
        """One record as JSON:API, with the true ids of all its relationships; KeyError when there is none.

        Do not change what it holds: its nested values are the organization's own.
        """
        return self._resource(table, self._tables[table].row(int(identifier)))

    def resources(self, table: str) -> Iterator[dict[str, Any]]:
        """All records of a table, in the order of their ids."""
        for row in self._tables[table]:
            yield self._resource(table, row)

    def ids(self, table: str) -> list[str]:
        """The ids of a table's records, in order."""
        return [str(identifier) for identifier in self._tables[table].ids]

    def rows(self, table: str) -> Table:
        """The storage of a table, for the parts of the sandbox."""
        return self._tables[table]

    def subscribe(self, listener: Callable[[Change], None]) -> None:
        """Have every change told, after it happened and before `put` or `remove` return."""
        self._listeners.append(listener)

    def put(
        self,
        table: str,
        identifier: str | int | None = None,
        *,
        attributes: Mapping[str, Any] | None = None,
        relationships: Mapping[str, Any] | None = None,
    ) -> str:
        """Create or change a record, as a person at the agency would; returns its id.

        `relationships` maps names to an id, a list of ids, None, or `(table, id)` where the target is not
        fixed. Moves `updated_at` and `last_activity_at` where the resource has them, unless they are given,
        and writes the activity or the version that Productive would write.
        """
        rows = self._tables[table]
        key = rows.next_id() if identifier is None else int(identifier)
        old = rows.get(key)
        before = self._resource(table, old) if old else None
        now = self.now_us(after=old.changed_us if old else 0)
        row = Row(
            key,
            {
                **(old.attributes if old else self._blank(table, now)),
                **self._touch(table, now),
                **(attributes or {}),
            },
            {**(old.links if old else self._unlinked(table)), **self._links(table, relationships or {})},
            old.created_us if old else now,
            now,
        )
        rows.put(row)
        self._tell(
            Change("update" if old else "create", table, str(key), now, before, self._resource(table, row))
        )
        return str(key)

    def remove(self, table: str, identifier: str | int) -> None:
        """Delete a record; KeyError when there is none. Relationships that led to it become null."""
        row = self._tables[table].row(int(identifier))
        before = self._resource(table, row)
        now = self.now_us(after=row.changed_us)
        self._tables[table].remove(row.id)
        self._removed[Ref(table, row.id)] = row
        self._tell(Change("delete", table, str(row.id), now, before, None))

    def restore(self, table: str, identifier: str | int) -> None:
        """Take a record out of the recycle bin, as it was; KeyError when it is not in it.

        No webhook tells of it (there is no such event), and its own times do not move: whether they do in
        earnest is not known.
        """
        row = self._removed.pop(Ref(table, int(identifier)))
        self._tables[table].put(row)
        now = self.now_us(after=row.changed_us)
        self._tell(Change("restore", table, str(row.id), now, None, self._resource(table, row)))

    def write(self, table: str, attributes: Mapping[str, Any], links: Mapping[str, Link], at_us: int) -> None:
        """Add a row that is itself a trace of a change, without leaving a trace of its own."""
        rows = self._tables[table]
        row = Row(
            rows.next_id(),
            {**self._blank(table, at_us), **attributes},
            {**self._unlinked(table), **links},
            at_us,
            at_us,
        )
        rows.put(row)

    def resolve(self, link: Ref) -> Ref | None:
        """Where a relationship leads, or None when the record has been deleted."""
        return link if link.id in self._tables[link.table] else None

    def now_us(self, *, after: int = 0) -> int:
        """The clock in whole milliseconds, and always later than `after`."""
        return max(self._clock.now_us() // 1000 * 1000, after + SECOND // 100)

    def _tell(self, change: Change) -> None:
        self._history.write(change)
        for listener in self._listeners:
            listener(change)

    def _resource(self, table: str, row: Row) -> dict[str, Any]:
        relationships = {name: {"data": self._data(link)} for name, link in row.links.items()}
        return {
            "id": str(row.id),
            "type": self._schema[table].type,
            "attributes": dict(row.attributes),
            "relationships": relationships,
        }

    def _data(self, link: Link) -> Any:
        if link is None:
            return None
        if isinstance(link, Ref):
            return self.identifier(link) if self.resolve(link) else None
        return [self.identifier(ref) for ref in link if self.resolve(ref)]

    def identifier(self, ref: Ref) -> dict[str, str]:
        """The JSON:API resource identifier of a record."""
        return {"type": self._schema[ref.table].type, "id": str(ref.id)}

    def _blank(self, table: str, now: int) -> dict[str, Any]:
        blank: dict[str, Any] = dict.fromkeys(self._schema[table].attributes)
        if "created_at" in blank:
            blank["created_at"] = stamp(now)
        return blank

    def _unlinked(self, table: str) -> dict[str, Link]:
        relations = self._schema[table].relations.values()
        unlinked: dict[str, Link] = {relation.name: () if relation.many else None for relation in relations}
        if "organization" in unlinked:
            unlinked["organization"] = self.home
        return unlinked

    def _touch(self, table: str, now: int) -> dict[str, str]:
        attributes = self._schema[table].attributes
        return {name: stamp(now) for name in ("updated_at", "last_activity_at") if name in attributes}

    def _links(self, table: str, relationships: Mapping[str, Any]) -> dict[str, Link]:
        return {name: self._link(table, name, value) for name, value in relationships.items()}

    def _link(self, table: str, name: str, value: Any) -> Link:
        if value is None:
            return None
        if isinstance(value, list):
            return tuple(ref for item in value if isinstance(ref := self._link(table, name, item), Ref))
        if isinstance(value, tuple):
            return Ref(str(value[0]), int(value[1]))
        target = self._schema[table].relations[name].target
        if target is None:
            raise ValueError(f"{table}.{name} has no fixed target: give (table, id)")
        return Ref(target, int(value))
