"""Ending a statement before it ends by itself, from another thread than the one that runs it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import duckdb

_AGAIN_SECONDS = 0.05


class Stop:
    """Interrupts what runs on a cursor: once its time is up, or as soon as `now` is called.

    `expired` says that it was the time.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.expired = False
        self._wanted = threading.Event()
        self._ended = threading.Event()

    def now(self) -> None:
        """Interrupt, or let what comes next not even begin; from any thread, and never waits."""
        self._wanted.set()

    @contextlib.contextmanager
    def watching(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """What runs on the cursor in this block can be interrupted, and nothing after it."""
        if self._wanted.is_set():
            raise duckdb.InterruptException("INTERRUPT Error: Interrupted!")
        watcher = threading.Thread(target=self._watch, args=(cursor,), name="duckdb-stop", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            self._ended.set()
            self._wanted.set()
            watcher.join()

    def _watch(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.expired = not self._wanted.wait(self.seconds)
        pause = 0.0
        while not self._ended.wait(pause):
            # Again and again: an interruption between two statements is forgotten when the second begins.
            cursor.interrupt()
            pause = _AGAIN_SECONDS
