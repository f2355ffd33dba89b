"""How rows are sent. Every wait and every memory has an end; the defaults suit a writer of a few tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LARGEST_REQUEST: Final = 9_500_000
"""Bytes of one request. 10 MB was the limit for years and 20 MB is documented now: below both."""


@dataclass(frozen=True, slots=True)
class AppendSettings:
    """See the fields; seconds and bytes throughout."""

    rows_at_once: int = 500
    """Rows that are encoded before others get their turn: a few milliseconds."""
    request_bytes: int = 1_000_000
    """What a request is filled to; a single row may be larger, up to `LARGEST_REQUEST`."""
    requests_in_flight: int = 16
    """Unanswered requests of one table."""
    bytes_in_flight: int = 20_000_000
    """Unanswered bytes of one table."""
    requests_of_all: int = 500
    """Requests of all tables together."""
    bytes_of_all: int = 64_000_000
    """Encoded bytes of all tables together."""
    connections: int = 60
    """Most connections; the one unused for longest makes room. Google's smallest quota seen is 100."""
    idle_seconds: float = 120.0
    """A connection unused for so long is closed: one that idled for minutes fails (seen by others)."""
    open_seconds: float = 20.0
    """How long opening a connection may take."""
    response_seconds: float = 30.0
    """How long the oldest unanswered request may stay so before the connection counts as dead."""
    first_wait_seconds: float = 0.2
    """The first pause before rows are sent again; it doubles; chance makes it shorter, by half at most."""
    longest_wait_seconds: float = 15.0
    """The longest pause before rows are sent again."""
    patience_seconds: float = 120.0
    """How long unconfirmed rows are sent again before `UnreachableError`."""
    missing_seconds: float = 30.0
    """How long a table may be missing: one just made is not known everywhere at once (seen by others)."""
    schema_seconds: float = 300.0
    """How long new columns may take to reach the write path: minutes are normal (documented)."""
    refusals: int = 256
    """Requests of one append that may be refused as a whole until rows are no longer told apart."""
