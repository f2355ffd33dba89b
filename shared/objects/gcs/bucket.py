"""The requests that objects in one bucket need, each one try, blocking, in the words of Google's client.

The client's own retries are off: they would go on after our patience ends, and cannot tell whether a
conditional write that failed had been carried out.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.cloud.storage import Client
from google.cloud.storage.exceptions import DataCorruption

from shared.google.endpoints import STORAGE, rest_credentials
from shared.objects.gcs.failures import tells_of_no_bucket

LARGEST_BYTES: Final = 65 << 20
"""What an object may have at the most: a record of the 64 MiB that a message may unfold to, and its frame."""

LARGEST_CONDITIONAL_BYTES: Final = 8 << 20
"""Up to here the client sends an object in one request, beyond in several (seen in its source).

Only in one request is a condition checked together with the content by whatever takes it: emulators ignore
it otherwise.
"""

_CONNECT_SECONDS: Final = 5.0
_SILENCE_SECONDS: Final = 15.0
_TIMEOUT: Final = (_CONNECT_SECONDS, _SILENCE_SECONDS)
PAGE: Final = 1_000
_MARK: Final = "write"
_TYPE: Final = "application/octet-stream"


class Content(NamedTuple):
    """An object's bytes, and the generation that has them."""

    data: bytes
    generation: int


class Written(NamedTuple):
    """What is known of an object without its bytes: its generation, and the mark of who wrote it."""

    generation: int
    mark: str | None


class NamesPage(NamedTuple):
    """A part of a list, and where the next one begins."""

    names: Sequence[str]
    next: str | None


class Bucket:
    """One bucket. Raises `google.api_core.exceptions` and, underneath them, those of `requests`."""

    def __init__(self, name: str) -> None:
        """Looks for credentials, which may take a while; sends no request to the bucket."""
        # Else the client asks for the bucket itself, in a thread of its own, to describe it in traces that
        # nobody switched on (seen in its source): with a right that we do not have.
        os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
        stand_in = STORAGE.stand_in
        options = None
        if stand_in is not None:
            endpoint = stand_in if "://" in stand_in else f"http://{stand_in}"
            options = ClientOptions(api_endpoint=endpoint)
        # No project: no request of ours is about one, and none may be known.
        self._client = Client(project=None, credentials=rest_credentials(STORAGE), client_options=options)
        self._bucket = self._client.bucket(name)

    def read(self, name: str) -> Content | None:
        """The object, or None when there is none. One request, so that bytes and generation belong together.

        The client compares the bytes with the CRC32C that comes along. `ValueError` for an object that is
        larger than any of ours.
        """
        blob = self._bucket.blob(name)
        sink = _Bounded(LARGEST_BYTES)
        try:
            blob.download_to_file(sink, checksum="crc32c", timeout=_TIMEOUT, retry=None)
        except exceptions.NotFound as error:
            if tells_of_no_bucket(error):
                raise
            return None
        except DataCorruption as error:
            raise exceptions.InternalServerError(f"{name} came damaged") from error
        return Content(sink.getvalue(), int(blob.generation))

    def write(self, name: str, data: bytes, *, mark: str, expected: int | None = None) -> int:
        """Write the whole object; its generation. With `expected` only if that is the object's generation.

        0 expects none. `PreconditionFailed` when it is another. The CRC32C that goes along lets the store
        refuse what came damaged.
        """
        blob = self._bucket.blob(name)
        blob.metadata = {_MARK: mark}
        blob.upload_from_string(
            data,
            content_type=_TYPE,
            if_generation_match=expected,
            checksum="crc32c",
            timeout=_TIMEOUT,
            retry=None,
        )
        return int(blob.generation)

    def written(self, name: str) -> Written | None:
        """Who wrote what the object has now; None when there is none."""
        blob = self._bucket.blob(name)
        try:
            blob.reload(timeout=_TIMEOUT, retry=None)
        except exceptions.NotFound as error:
            if tells_of_no_bucket(error):
                raise
            return None
        return Written(int(blob.generation), (blob.metadata or {}).get(_MARK))

    def delete(self, name: str) -> bool:
        """Delete the object; False when there was none."""
        try:
            self._bucket.blob(name).delete(timeout=_TIMEOUT, retry=None)
        except exceptions.NotFound as error:
            if tells_of_no_bucket(error):
                raise
            return False
        return True

    def names(self, prefix: str, *, after: str | None = None, most: int | None = None) -> NamesPage:
        """A page of the names that begin with `prefix`; `after` is `next` of the page before."""
        found = self._client.list_blobs(
            self._bucket,
            prefix=prefix or None,
            page_token=after,
            page_size=most or PAGE,
            fields="items(name),nextPageToken",
            timeout=_TIMEOUT,
            retry=None,
        )
        page = next(found.pages, ())
        return NamesPage([blob.name for blob in page], found.next_page_token)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()


class _Bounded(io.BytesIO):
    """Takes so many bytes and no more."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        if self.tell() + len(data) > self._most:
            raise ValueError(f"larger than {self._most:,} bytes")
        return super().write(data)
