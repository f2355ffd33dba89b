"""Record batches: those that wait on the bus, its dead letters, and the claims beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from services.purge.places import Found
from services.purge.subject import Subject
from shared.bus.port import Bus, Message
from shared.errors import RecordError
from shared.objects.port import Objects
from shared.record.codec import BatchCodec

_CLAIMS = "claims/"
_ENCODINGS = ("zstd", "identity")


@dataclass
class _Sighting:
    """What one pass over the bus came across."""

    found: Found = field(default_factory=Found)
    claims: set[str] = field(default_factory=set)
    dropped_claims: set[str] = field(default_factory=set)


class Batches:
    """The record bus. Nobody may read it meanwhile, or what is under a lease may be written all the same."""

    name = "the bus of records"

    def __init__(self, bus: Bus, codec: BatchCodec, objects: Objects) -> None:
        self._bus = bus
        self._codec = codec
        self._objects = objects

    async def count(self, subject: Subject) -> Found:
        """See `Place.count`."""
        sighting = _Sighting()

        async def look(message: Message) -> Message:
            await self._judge(message, subject, sighting, rewrite=False)
            return message

        await self._bus.sweep(look)
        return sighting.found + Found(len(await self._lone_claims(subject, sighting.claims)))

    async def purge(self, subject: Subject) -> Found:
        """See `Place.purge`."""
        sighting = _Sighting()

        async def judge(message: Message) -> Message | None:
            return await self._judge(message, subject, sighting, rewrite=True)

        await self._bus.sweep(judge)
        for name in sighting.dropped_claims:
            await self._codec.remove_claim(name)
        lone = await self._lone_claims(subject, sighting.claims)
        for name in lone:
            await self._codec.remove_claim(name)
        return sighting.found + Found(len(lone))

    async def _judge(
        self, message: Message, subject: Subject, sighting: _Sighting, *, rewrite: bool
    ) -> Message | None:
        claim = message.attributes.get("claim")
        judged, found = await self._without(message, subject, rewrite=rewrite)
        sighting.found += found
        if claim is not None:
            sighting.claims.add(claim)
            if judged is None:
                sighting.dropped_claims.add(claim)
        return judged

    async def _without(
        self, message: Message, subject: Subject, *, rewrite: bool
    ) -> tuple[Message | None, Found]:
        """The message without what has to go, None when nothing is left of it, and how much that is."""
        if subject.holds_table(message.attributes.get("table", "")):
            return None, Found(await self._records_in(message))
        try:
            batch = (await self._codec.decode(message)).batch
        except RecordError:
            # A resource that made no record, or a claim whose object is gone: nobody knows whose it is.
            gone = subject.marked(message.body)
            return (None, Found(1)) if gone else (message, Found(unreadable=1 if message.body else 0))
        kept = [record for record in batch.records if not subject.holds(batch.table, record.id, record.data)]
        found = Found(len(batch.records) - len(kept))
        if not kept:
            return None, found
        if not found.records or not rewrite:
            return message, found
        # It was one message, and is smaller now; should it become several all the same, they follow it.
        first, *more = await self._codec.encode(msgspec.structs.replace(batch, records=kept))
        await self._bus.publish(more)
        return first, found

    async def _records_in(self, message: Message) -> int:
        try:
            return len((await self._codec.decode(message)).batch.records)
        except RecordError:
            return 1

    async def _lone_claims(self, subject: Subject, known: set[str]) -> list[str]:
        """Claims without a message: a writer was killed between its ack and the removal of the claim."""
        names = [name for name in await self._objects.list(_CLAIMS) if name not in known]
        return [name for name in names if await self._is_its_claim(name, subject)]

    async def _is_its_claim(self, name: str, subject: Subject) -> bool:
        if subject.everything:
            return True
        for encoding in _ENCODINGS:
            try:
                decoded = await self._codec.decode(Message(b"", {"claim": name, "encoding": encoding}))
            except RecordError:
                continue
            batch = decoded.batch
            return any(subject.holds(batch.table, record.id, record.data) for record in batch.records)
        return False
