"""Objects in a bucket: generations are Cloud Storage's own, conditions are checked by it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from google.api_core import exceptions

from shared.clock import Clock
from shared.errors import ConfigError, StorageError
from shared.google.retrying import Patience, retrying
from shared.google.threads import ClosedError, Threads
from shared.objects.gcs.bucket import LARGEST_BYTES, LARGEST_CONDITIONAL_BYTES, Bucket, NamesPage
from shared.objects.gcs.failures import storage_failure, too_large
from shared.objects.port import Generation, StoredObject, check_name

T = TypeVar("T")

_THREADS: Final = 8
"""As many requests at once; the client's session keeps ten connections."""


class GcsObjects:
    """See `shared.objects.port.Objects`.

    The object `a/b` is the bucket's object `PREFIX/a/b`. `StorageError` for more than `LARGEST_BYTES`, and
    in `compare_and_set` for more than `LARGEST_CONDITIONAL_BYTES`.

    Every call is tried again while that may help, so that each must know its own doing: a write carries a
    mark that nobody else's has, and one that finds its condition not met after an answer was lost looks
    whose mark the object has. One case cannot be told: a write of ours that was carried out, unanswered, and
    overwritten by another before we looked. It counts as one that came too late, which for whoever asks it
    is: somebody else's content is there.
    """

    least_seconds_between_writes = 1.0
    """Of one name: to create, replace and delete count alike; more is refused with 429 (documented)."""

    def __init__(self, bucket: str, prefix: str, *, clock: Clock, patience: Patience | None = None) -> None:
        self._name = bucket
        self._root = f"{prefix}/" if prefix else ""
        self._clock = clock
        self._patience = patience or Patience()
        self._threads = Threads(_THREADS, f"objects {bucket}")
        self._bucket: Bucket | None = None

    async def open(self) -> None:
        """Find credentials, and see that the bucket is there and ours to use; `StorageError`.

        Asks for a list of one name: the right to see the bucket itself (storage.buckets.get) is none that we
        need otherwise.
        """

        def connect(_: int) -> Bucket:
            return Bucket(self._name)

        self._bucket = await self._run(connect)
        await self._call(lambda bucket, _: bucket.names(self._root, most=1))

    async def read(self, name: str) -> StoredObject | None:
        """See `Objects.read`."""
        path = self._path(name)
        content = await self._call(lambda bucket, _: bucket.read(path))
        return StoredObject(content.data, _generation(content.generation)) if content else None

    async def write(self, name: str, data: bytes) -> Generation:
        """See `Objects.write`."""
        path, mark = self._path(name), secrets.token_hex(16)
        if len(data) > LARGEST_BYTES:
            raise too_large(name, len(data), LARGEST_BYTES)
        return _generation(await self._call(lambda bucket, _: bucket.write(path, data, mark=mark)))

    async def compare_and_set(self, name: str, data: bytes, expected: Generation | None) -> Generation | None:
        """See `Objects.compare_and_set`."""
        path, mark = self._path(name), secrets.token_hex(16)
        if len(data) > LARGEST_CONDITIONAL_BYTES:
            raise too_large(name, len(data), LARGEST_CONDITIONAL_BYTES)
        number = int(expected) if expected is not None else 0

        def attempt(bucket: Bucket, failures: int) -> int | None:
            try:
                return bucket.write(path, data, mark=mark, expected=number)
            except exceptions.PreconditionFailed:
                there = bucket.written(path) if failures else None
                return there.generation if there is not None and there.mark == mark else None

        generation = await self._call(attempt)
        return None if generation is None else _generation(generation)

    async def delete(self, name: str) -> bool:
        """See `Objects.delete`. True as well when it was gone after a try whose answer was lost."""
        path = self._path(name)
        return await self._call(lambda bucket, failures: bucket.delete(path) or failures > 0)

    async def list(self, prefix: str = "") -> Sequence[str]:
        """See `Objects.list`. `ConfigError` when no name can begin with `prefix`."""
        folder, _, _ = prefix.rpartition("/")
        if folder or prefix.startswith("/"):
            check_name(folder)
        names: list[str] = []
        after: str | None = None
        while True:
            page = await self._page(self._root + prefix, after)
            names += (name.removeprefix(self._root) for name in page.names)
            after = page.next
            if after is None:
                return sorted(name for name in names if _is_ours(name))

    async def close(self) -> None:
        """See `Objects.close`. What is under way is finished, unless that takes long."""
        await self._threads.close()
        if self._bucket is not None:
            self._bucket.close()

    def _path(self, name: str) -> str:
        return self._root + check_name(name)

    async def _page(self, prefix: str, after: str | None) -> NamesPage:
        return await self._call(lambda bucket, _: bucket.names(prefix, after=after))

    async def _call(self, call: Callable[[Bucket, int], T]) -> T:
        bucket = self._bucket
        if bucket is None:
            raise RuntimeError("the objects are not open")
        return await self._run(lambda failures: call(bucket, failures))

    async def _run(self, call: Callable[[int], T]) -> T:
        async def attempt(failures: int) -> T:
            return await self._threads.run(lambda: call(failures), self._patience.attempt)

        try:
            return await retrying(attempt, clock=self._clock, patience=self._patience)
        except ClosedError:
            raise StorageError(f"the objects gs://{self._name} are closed") from None
        except Exception as error:
            raise storage_failure(error, self._name) from error


def _generation(number: int) -> Generation:
    return Generation(str(number))


def _is_ours(name: str) -> bool:
    """Whether an object is one: somebody else's file in the bucket, or a console's "folder", is not."""
    try:
        check_name(name)
    except ConfigError:
        return False
    return True
