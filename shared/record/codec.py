"""A record batch as messages of the bus, and back.

The body is JSON, compressed with Zstandard when that is worth it. A batch over the bus's message limit
is split; a single record over it is kept in the objects store and the message carries only its name
(a claim check), which the reader redeems and removes once the record is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import zstandard

from shared.bus.port import Message
from shared.errors import RecordError
from shared.objects.port import Objects
from shared.record.model import SCHEMA, RecordBatch
from shared.telemetry import tracing

MESSAGE_LIMIT: Final = 9_000_000  # bytes; Pub/Sub refuses 10,000,000 and counts attributes too
BODY_LIMIT: Final = 64 << 20  # bytes a body may unfold to
_COMPRESS_FROM: Final = 2_000  # bytes; below that compression gains nothing worth a microsecond

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(RecordBatch)


class _Envelope(msgspec.Struct):
    schema: int = 0


_envelope = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A batch as it was read, and the claim (an object's name) to remove once it is written."""

    batch: RecordBatch
    claim: str | None
    bytes: int


class BatchCodec:
    """Encodes for, and decodes from, one bus; `new_name` makes a fresh object name for a claim."""

    def __init__(self, objects: Objects, new_name: Callable[[], str], limit: int = MESSAGE_LIMIT) -> None:
        self._objects = objects
        self._new_name = new_name
        self._limit = limit

    async def encode(self, batch: RecordBatch) -> list[Message]:
        """The batch as one message, or as several when it is too large. No records, no messages."""
        if not batch.records:
            return []
        plain = _encoder.encode(batch)
        body, encoding = plain, "identity"
        if len(plain) >= _COMPRESS_FROM:
            body, encoding = zstandard.ZstdCompressor(level=1).compress(plain), "zstd"
        if len(body) <= self._limit and len(plain) <= BODY_LIMIT:
            return [Message(body, _attributes(batch, encoding))]
        if len(batch.records) > 1:
            middle = len(batch.records) // 2
            first = msgspec.structs.replace(batch, records=batch.records[:middle])
            second = msgspec.structs.replace(batch, records=batch.records[middle:])
            return [*await self.encode(first), *await self.encode(second)]
        name = self._new_name()
        await self._objects.write(name, body)
        return [Message(b"", {**_attributes(batch, encoding), "claim": name})]

    async def decode(self, message: Message) -> Decoded:
        """The batch in a message; `RecordError` when it makes no sense, with the reason."""
        claim = message.attributes.get("claim")
        body = message.body
        if claim is not None:
            stored = await self._objects.read(claim)
            if stored is None:
                raise RecordError(f"its record was kept in the object {claim!r}, which is not there any more")
            body = stored.data
        plain = _unfold(body, message.attributes.get("encoding", "identity"))
        return Decoded(_parse(plain), claim, len(plain))

    async def remove_claim(self, name: str) -> None:
        """Forget a claim whose record has been written and acked."""
        await self._objects.delete(name)


def _attributes(batch: RecordBatch, encoding: str) -> dict[str, str]:
    return {
        "schema": str(SCHEMA),
        "encoding": encoding,
        "table": batch.table,
        "source": batch.source,
        "organization_id": batch.organization_id,
        **tracing.carried(),
    }


def _unfold(body: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return body
    if encoding != "zstd":
        raise RecordError(f"its body has the encoding {encoding!r}, which this version does not read")
    try:
        size = zstandard.get_frame_parameters(body).content_size
        if size > BODY_LIMIT:
            raise RecordError(f"its body would unfold to {size:,} bytes; the limit is {BODY_LIMIT:,}")
        return zstandard.ZstdDecompressor().decompress(body)
    except zstandard.ZstdError as error:
        raise RecordError(f"its body is not what Zstandard wrote: {error}") from None


def _parse(plain: bytes) -> RecordBatch:
    try:
        schema = _envelope.decode(plain).schema
        if schema == SCHEMA:
            return _decoder.decode(plain)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordError(f"its body is not a record batch: {error}") from None
    raise RecordError(
        f"it is a record batch of schema {schema}; this version reads schema {SCHEMA}",
        advice="Upgrade the writer, then replay the dead letter.",
    )
