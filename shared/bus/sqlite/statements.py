"""What happens in the file, step by step; each function is one step inside a transaction of its caller.

No step keeps anything in Python, so that each can be run again after a rollback. Times are
wall-clock microseconds.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from shared.bus.limits import MAX_LEASE_SECONDS, MAX_REASON_CHARACTERS
from shared.bus.port import Backlog, DeadLetter, Delivery, Message
from shared.clock import MICROSECONDS

_as_json = json.JSONEncoder(separators=(",", ":")).encode
_MAX_LEASE_US = round(MAX_LEASE_SECONDS * MICROSECONDS)
_LEASE_ID = re.compile(r"([0-9]{1,18})\.([0-9]{1,9})")
_DEAD_LETTER_ID = re.compile(r"[0-9]{1,18}")

_AVAILABLE_AGAIN = "(available_us BETWEEN 1 AND :now OR available_us > :latest)"
"""Leases and delays that have ended. One too far off is from before the clock stepped back."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message ready to be stored: its size as counted, its attributes as JSON."""

    body: bytes
    attributes: str
    size: int


def outgoing(message: Message, size: int) -> Outgoing:
    """ASCII JSON keeps every string there is in Python, half surrogate pairs too."""
    return Outgoing(message.body, _as_json(dict(message.attributes)), size)


def insert(
    connection: sqlite3.Connection, messages: Sequence[Outgoing], *, now_us: int, max_bytes: int
) -> bool:
    """Add messages; False, and nothing is added, while they do not fit. An empty bus takes anything."""
    waiting = connection.execute("SELECT bytes FROM totals").fetchone()[0]
    if waiting and waiting + sum(message.size for message in messages) > max_bytes:
        return False
    # One statement for all of them: a thread waits anew for the interpreter after each that it runs, and so
    # a publish of many would wait as often, while the event loop is busy receiving them.
    first = connection.execute(
        "SELECT 1 + coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'messages'"
    ).fetchone()[0]
    places: list[tuple[int, str, int, int]] = []
    offset = 1
    for message in messages:
        places.append((message.size, message.attributes, offset, len(message.body)))
        offset += len(message.body)
    parameters = {
        "first": first,
        "now": now_us,
        "places": _as_json(places),
        "bodies": b"".join(message.body for message in messages),
    }
    connection.execute(
        "INSERT INTO messages (id, size, published_us, rank_us)"
        " SELECT :first + key, json_extract(value, '$[0]'), :now, :now FROM json_each(:places)",
        parameters,
    )
    connection.execute(
        "INSERT INTO contents SELECT :first + key, json_extract(value, '$[1]'),"
        " ifnull(substr(:bodies, json_extract(value, '$[2]'), json_extract(value, '$[3]')), x'')"
        " FROM json_each(:places)",
        parameters,
    )
    return True


def is_any_available(connection: sqlite3.Connection, *, now_us: int) -> bool:
    """Whether `lease` would find a message."""
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE available_us BETWEEN 0 AND :now)"
        " OR EXISTS (SELECT 1 FROM messages WHERE available_us > :latest)",
        _times(now_us),
    ).fetchone()
    return bool(row[0])


def lease(
    connection: sqlite3.Connection, *, now_us: int, lease_us: int, max_messages: int, max_bytes: int
) -> list[Delivery]:
    """Lease what is ready, longest waiting first; what comes back from a lease or a delay waits anew."""
    connection.execute(
        f"UPDATE messages SET rank_us = min(available_us, :now), available_us = 0, leased = 0"  # noqa: S608
        f" WHERE {_AVAILABLE_AGAIN}",
        _times(now_us),
    )
    chosen: list[tuple[int, int, int]] = []
    total = 0
    for id_, size, published_us, attempts in connection.execute(
        "SELECT id, size, published_us, attempts FROM messages"
        " WHERE available_us = 0 ORDER BY rank_us, id LIMIT ?",
        (max_messages,),
    ):
        total += size
        if chosen and total > max_bytes:
            break
        chosen.append((id_, published_us, attempts + 1))
    connection.executemany(
        "UPDATE messages SET available_us = ?, leased = 1, attempts = ? WHERE id = ?",
        [(now_us + lease_us, attempt, id_) for id_, _, attempt in chosen],
    )
    deliveries = []
    for id_, published_us, attempt in chosen:
        attributes, body = connection.execute(
            "SELECT attributes, body FROM contents WHERE id = ?", (id_,)
        ).fetchone()
        deliveries.append(
            Delivery(
                message=Message(body, json.loads(attributes)),
                message_id=str(id_),
                lease_id=f"{id_}.{attempt}",
                attempt=attempt,
                published_us=published_us,
            )
        )
    return deliveries


def ack(connection: sqlite3.Connection, lease_ids: Sequence[str], *, now_us: int) -> None:
    """Delete messages whose leases still hold."""
    connection.executemany(
        "DELETE FROM messages WHERE id = ? AND attempts = ? AND leased = 1 AND available_us > ?",
        [(id_, attempt, now_us) for id_, attempt in _parse(lease_ids)],
    )


def release(connection: sqlite3.Connection, lease_ids: Sequence[str], *, now_us: int, delay_us: int) -> None:
    """End leases that still hold; the messages wait in turn as if published when the delay ends."""
    delay_us = max(0, min(delay_us, _MAX_LEASE_US))
    available_us = now_us + delay_us if delay_us else 0
    connection.executemany(
        "UPDATE messages SET available_us = ?, rank_us = ?, leased = 0"
        " WHERE id = ? AND attempts = ? AND leased = 1 AND available_us > ?",
        [(available_us, now_us + delay_us, id_, attempt, now_us) for id_, attempt in _parse(lease_ids)],
    )


def undo_lease(connection: sqlite3.Connection, lease_ids: Sequence[str]) -> None:
    """As if leases that nobody got to see had never been."""
    connection.executemany(
        "UPDATE messages SET available_us = 0, leased = 0, attempts = attempts - 1"
        " WHERE id = ? AND attempts = ? AND leased = 1",
        _parse(lease_ids),
    )


def end_leases(connection: sqlite3.Connection) -> int:
    """End every lease; the messages are ready at once, in the order in which they were. How many it were."""
    return connection.execute("UPDATE messages SET available_us = 0, leased = 0 WHERE leased = 1").rowcount


def extend(connection: sqlite3.Connection, lease_ids: Sequence[str], *, now_us: int, lease_us: int) -> None:
    """Start the time of leases that still hold anew."""
    connection.executemany(
        "UPDATE messages SET available_us = ?"
        " WHERE id = ? AND attempts = ? AND leased = 1 AND available_us > ?",
        [(now_us + lease_us, id_, attempt, now_us) for id_, attempt in _parse(lease_ids)],
    )


def set_aside(connection: sqlite3.Connection, lease_id: str, *, reason: str, now_us: int) -> None:
    """Make a message whose lease still holds a dead letter."""
    for id_, attempt in _parse([lease_id]):
        moved = connection.execute(
            "INSERT INTO dead_letters (attempts, died_us, reason, attributes, body)"
            " SELECT attempts, ?, ?, attributes, body FROM messages JOIN contents USING (id)"
            " WHERE id = ? AND attempts = ? AND leased = 1 AND available_us > ?",
            (now_us, _storable(reason), id_, attempt, now_us),
        ).rowcount
        if moved:
            connection.execute("DELETE FROM messages WHERE id = ?", (id_,))


def bury(connection: sqlite3.Connection, message: Outgoing, *, reason: str, now_us: int) -> None:
    """Add a dead letter that was never delivered."""
    connection.execute(
        "INSERT INTO dead_letters (attempts, died_us, reason, attributes, body) VALUES (0, ?, ?, ?, ?)",
        (now_us, _storable(reason), message.attributes, message.body),
    )


def dead_letters(connection: sqlite3.Connection, *, limit: int, after: int) -> list[DeadLetter]:
    """Dead letters by id."""
    rows = connection.execute(
        "SELECT id, attributes, body, reason, attempts, died_us FROM dead_letters"
        " WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [
        DeadLetter(str(id_), Message(body, json.loads(attributes)), reason, attempts, died_us)
        for id_, attributes, body, reason, attempts, died_us in rows
    ]


def replay(connection: sqlite3.Connection, id_: int, *, now_us: int, max_bytes: int) -> bool | None:
    """Turn a dead letter into a new message; False while there is no room, None when there is none."""
    row = connection.execute("SELECT attributes, body FROM dead_letters WHERE id = ?", (id_,)).fetchone()
    if row is None:
        return None
    attributes, body = row
    size = len(body) + sum(
        len(text.encode(errors="surrogatepass")) for pair in json.loads(attributes).items() for text in pair
    )
    if not insert(connection, [Outgoing(body, attributes, size)], now_us=now_us, max_bytes=max_bytes):
        return False
    connection.execute("DELETE FROM dead_letters WHERE id = ?", (id_,))
    return True


def backlog(connection: sqlite3.Connection) -> Backlog:
    """Counted as messages come and go, not by looking at them."""
    messages, bytes_, dead, oldest_us = connection.execute(
        "SELECT messages, bytes, dead_letters, (SELECT published_us FROM messages ORDER BY id LIMIT 1)"
        " FROM totals"
    ).fetchone()
    return Backlog(messages=messages, bytes=bytes_, oldest_us=oldest_us, dead_letters=dead)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether there is no message at all, leased and delayed ones counted."""
    return bool(connection.execute("SELECT messages = 0 FROM totals").fetchone()[0])


def _parse(lease_ids: Sequence[str]) -> list[tuple[int, int]]:
    """Message id and attempt of each lease id; what is not one of ours is left out, as a lease long ended."""
    matches = (_LEASE_ID.fullmatch(lease_id) for lease_id in lease_ids)
    return [(int(match[1]), int(match[2])) for match in matches if match]


def parse_dead_letter_id(id_: str) -> int | None:
    """The number of a dead letter, None when it cannot be the id of one."""
    return int(id_) if _DEAD_LETTER_ID.fullmatch(id_) else None


def _times(now_us: int) -> dict[str, int]:
    return {"now": now_us, "latest": now_us + _MAX_LEASE_US}


def _storable(reason: str) -> str:
    return reason[:MAX_REASON_CHARACTERS].encode(errors="replace").decode()
