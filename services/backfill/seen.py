"""The ids that a full walk of a table saw, kept beside its checkpoint until they are compared.

They are written page by page before the page's checkpoint, so that a killed walk has all of them when it
goes on: what is written twice, or comes again because the walk began anew, does no harm. Seeing more than
there is deletes less, never more.

Where objects may not be written as often as pages come, ids are kept in mind until the checkpoint is
written, and then go before it into an object of their own: no object is written twice.
"""

from __future__ import annotations

import secrets
from array import array
from bisect import bisect_left
from collections.abc import Container, Iterable, Sequence
from itertools import groupby

import msgspec

from shared.errors import StorageError
from shared.objects.port import Objects

_CHUNK_IDS = 5_000
"""How many ids one object holds at about the most: small enough to be written again for each page."""

_LARGEST = 2**63 - 1


class IdSet(Container[str]):
    """Ids, mostly numbers, at eight bytes each; to be filled first and then asked."""

    def __init__(self) -> None:
        self._numbers = array("q")
        self._sorted = True
        self._others: set[str] = set()

    def update(self, ids: Iterable[str]) -> None:
        """Take more ids in; those that are there already do not count twice."""
        for id_ in ids:
            number = _number(id_)
            if number is None:
                self._others.add(id_)
            else:
                self._numbers.append(number)
        self._sorted = False

    def __contains__(self, id_: object) -> bool:
        if not isinstance(id_, str):
            return False
        number = _number(id_)
        if number is None:
            return id_ in self._others
        self._sort()
        place = bisect_left(self._numbers, number)
        return place < len(self._numbers) and self._numbers[place] == number

    def __len__(self) -> int:
        self._sort()
        return len(self._numbers) + len(self._others)

    def _sort(self) -> None:
        if not self._sorted:
            self._numbers = array("q", (number for number, _ in groupby(sorted(self._numbers))))
            self._sorted = True


class SeenIds:
    """The ids of one table in one run, in objects of some thousand ids each."""

    def __init__(self, objects: Objects, root: str, *, paced: bool = False, empty: bool = False) -> None:
        """`root` is what the names of this run's and table's objects begin with; a point and a number follow.

        Not a folder of its own: one for every run and table would be left behind on a disk. `paced`: ids
        are safe only after the next `flush`. `empty`: there is certainly nothing yet.

        Who holds the crawl's lease is alone here, so that the names are asked for once at the most: in a
        bucket a list costs as much as a write.
        """
        self._objects = objects
        self._stored: set[str] | None = set() if empty else None
        self._root = root
        # Of its own where writes may be carried out late: none then replaces what another process wrote.
        self._names_begin = f"{root}.{secrets.token_hex(4)}." if paced else f"{root}."
        self._paced = paced
        self._chunk: list[str] = []
        self._number: int | None = 0 if paced else None

    async def add(self, page_ids: Sequence[str]) -> None:
        """Return when the ids of one more page are safe, or kept in mind where these are paced."""
        if not page_ids:
            return
        self._chunk += page_ids
        if not self._paced:
            await self._write(await self._next())
            if len(self._chunk) >= _CHUNK_IDS:
                self._close_chunk()

    async def flush(self) -> None:
        """Return when the ids of all pages are safe."""
        if self._paced and self._chunk:
            number = await self._next()
            # Whatever comes of this write: it may be carried out late, and must not replace a later one.
            self._number = number + 1
            await self._write(number)
            self._chunk = []

    async def all(self) -> IdSet:
        """Everything that was seen, by this process or an earlier one.

        Raises `StorageError` when an object cannot be read: then nothing may be deleted.
        """
        await self.flush()
        seen = IdSet()
        for name in await self._names():
            seen.update(await self._read(name))
        return seen

    async def clear(self) -> None:
        """Forget all: they are compared, or the walk begins anew."""
        for name in await self._names():
            await self._objects.delete(name)
        self._stored = set()
        self._chunk = []
        if not self._paced:
            self._number = None

    async def _next(self) -> int:
        """The number of the object to write; what an earlier process left is not taken up but followed."""
        if self._number is None:
            numbers = (name.rpartition(".")[2] for name in await self._names())
            self._number = 1 + max((int(number) for number in numbers if number.isdecimal()), default=-1)
        return self._number

    async def _write(self, number: int) -> None:
        name, stored = f"{self._names_begin}{number:06}", self._stored
        # Whether it is there is not known until the write has succeeded.
        self._stored = None
        await self._objects.write(name, msgspec.json.encode(self._chunk))
        if stored is not None:
            self._stored = stored | {name}

    def _close_chunk(self) -> None:
        self._chunk, self._number = [], None if self._number is None else self._number + 1

    async def _names(self) -> Sequence[str]:
        if self._stored is None:
            self._stored = set(await self._objects.list(f"{self._root}."))
        return sorted(self._stored)

    async def _read(self, name: str) -> list[str]:
        stored = await self._objects.read(name)
        try:
            return msgspec.json.decode(stored.data if stored else b"", type=list[str])
        except msgspec.MsgspecError as error:
            raise StorageError(
                f"the ids that a crawl saw cannot be read back from {name}: {error}",
                advice="Run `productive-ingest backfill --full --fresh`: it reads them again.",
            ) from None


def _number(id_: str) -> int | None:
    """The id as a number, if that number is written in no other way."""
    if not (id_.isascii() and id_.isdigit()) or len(id_) > 19 or (id_[0] == "0" and id_ != "0"):
        return None
    number = int(id_)
    return number if number <= _LARGEST else None
