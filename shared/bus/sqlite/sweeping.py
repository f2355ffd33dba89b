"""Looking at every message and dead letter of the file, and changing or removing some of them.

Each function is one step inside a transaction of its caller, as those in `statements`; `scrub` is the
exception, and stays outside of transactions.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shared.bus.port import Message, Swept
from shared.bus.sqlite.statements import Outgoing

Place = Literal["messages", "dead_letters"]
PLACES: tuple[Place, ...] = ("messages", "dead_letters")

_CHUNK_MESSAGES = 200
_CHUNK_BYTES = 16 * 1024 * 1024

_READ = {
    "messages": "SELECT id, attributes, body FROM contents WHERE id > ? ORDER BY id LIMIT ?",
    "dead_letters": "SELECT id, attributes, body FROM dead_letters WHERE id > ? ORDER BY id LIMIT ?",
}
_DELETE = {
    "messages": "DELETE FROM messages WHERE id = ?",
    "dead_letters": "DELETE FROM dead_letters WHERE id = ?",
}
_REPLACE = {
    "messages": "UPDATE contents SET attributes = ?, body = ? WHERE id = ?",
    "dead_letters": "UPDATE dead_letters SET attributes = ?, body = ? WHERE id = ?",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What shall become of one message: another content, or None for its end."""

    id: int
    content: Outgoing | None


def read_after(connection: sqlite3.Connection, place: Place, *, after: int) -> list[tuple[int, Message]]:
    """The next messages by id, at least one where there is one, and not many bytes at a time."""
    found: list[tuple[int, Message]] = []
    size = 0
    for id_, attributes, body in connection.execute(_READ[place], (after, _CHUNK_MESSAGES)):
        size += len(body)
        if found and size > _CHUNK_BYTES:
            break
        found.append((id_, Message(body, json.loads(attributes))))
    return found


def apply(connection: sqlite3.Connection, place: Place, changes: Sequence[Change], *, now_us: int) -> Swept:
    """Make the changes, but to what is gone by now."""
    swept = Swept()
    for change in changes:
        leased = place == "messages" and _is_leased(connection, change.id, now_us=now_us)
        if change.content is None:
            dropped = connection.execute(_DELETE[place], (change.id,)).rowcount
            swept += Swept(dropped=dropped, leased=int(leased and dropped > 0))
            continue
        content = change.content
        replaced = connection.execute(_REPLACE[place], (content.attributes, content.body, change.id)).rowcount
        if replaced and place == "messages":
            _resize(connection, change.id, content.size)
        swept += Swept(replaced=replaced, leased=int(leased and replaced > 0))
    return swept


def scrub(connection: sqlite3.Connection) -> bool:
    """Take what was deleted out of the file itself; False when that has to be tried again.

    Deleted cells are overwritten as their pages are written (`secure_delete`), but whole pages that became
    free keep their bytes until they are used again, and the log keeps older pages until it is worked in
    (documented in SQLite's "PRAGMA secure_delete" and "Write-Ahead Logging").
    """
    if connection.in_transaction:
        return False
    # As a script, which runs to its end; see `committer.tidy`.
    connection.executescript("PRAGMA incremental_vacuum")
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy


def _is_leased(connection: sqlite3.Connection, id_: int, *, now_us: int) -> bool:
    row = connection.execute(
        "SELECT 1 FROM messages WHERE id = ? AND leased = 1 AND available_us > ?", (id_, now_us)
    ).fetchone()
    return row is not None


def _resize(connection: sqlite3.Connection, id_: int, size: int) -> None:
    """Totals follow messages that come and go by themselves, but not those that change."""
    before = connection.execute("SELECT size FROM messages WHERE id = ?", (id_,)).fetchone()[0]
    connection.execute("UPDATE messages SET size = ? WHERE id = ?", (size, id_))
    connection.execute("UPDATE totals SET bytes = bytes + ?", (size - before,))
