"""A batch survives the bus, whatever its size, and nonsense is told from it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.bus.port import Message
from shared.errors import RecordError
from shared.objects import open_objects
from shared.objects.port import Objects
from shared.record import Record, RecordBatch, Source, Version
from shared.record.codec import BODY_LIMIT, BatchCodec
from shared.urls import url_of


@pytest.fixture
async def objects(tmp_path: Path) -> Objects:
    return await open_objects(url_of("file", tmp_path / "objects"))


def codec_of(objects: Objects, limit: int = 9_000_000) -> BatchCodec:
    numbers = itertools.count()
    return BatchCodec(objects, lambda: f"claims/{next(numbers)}", limit)


def batch_of(*records: Record) -> RecordBatch:
    return RecordBatch("deals", "42", Source.BACKFILL, "run", list(records))


records = st.builds(
    Record,
    st.text(min_size=1),
    st.just("upsert"),
    st.builds(Version, st.integers(0, 2**62), st.integers(0, 2**62)),
    st.dictionaries(
        st.text(),
        st.text() | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.lists(st.text(), max_size=3),
        max_size=5,
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(given_records=st.lists(records, max_size=20), limit=st.sampled_from([300, 1000, 9_000_000]))
async def test_what_is_encoded_is_decoded_in_order_and_within_the_limit(
    objects: Objects, given_records: list[Record], limit: int
) -> None:
    codec = codec_of(objects, limit)
    messages = await codec.encode(batch_of(*given_records))
    assert all(len(message.body) <= limit for message in messages)
    decoded = [await codec.decode(message) for message in messages]
    assert [record for d in decoded for record in d.batch.records] == given_records
    assert all(
        (d.batch.table, d.batch.organization_id, d.batch.run_id) == ("deals", "42", "run") for d in decoded
    )


async def test_a_page_is_compressed(objects: Objects) -> None:
    codec = codec_of(objects)
    many = [Record(str(n), "upsert", Version(n, n), {"name": "the same text" * 10}) for n in range(200)]
    [message] = await codec.encode(batch_of(*many))
    assert message.attributes["encoding"] == "zstd"
    assert len(message.body) < 10_000
    assert (await codec.decode(message)).batch.records == many


async def test_a_record_over_the_limit_is_kept_in_objects_and_can_be_removed(objects: Objects) -> None:
    codec = codec_of(objects, limit=1000)
    large = Record("1", "upsert", Version(1, 1), {"note": "".join(map(chr, range(32, 9000)))})
    [message] = await codec.encode(batch_of(large))
    assert message.body == b""
    decoded = await codec.decode(message)
    assert decoded.batch.records == [large]
    assert decoded.claim is not None
    await codec.remove_claim(decoded.claim)
    assert await objects.list("claims") == []
    with pytest.raises(RecordError, match="not there any more"):
        await codec.decode(message)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message(b"{"), "not a record batch"),
        (Message(b"\xff\xfe"), "not a record batch"),
        (Message(b'{"schema":1,"table":"deals"}'), "not a record batch"),
        (Message(b'{"schema":2,"anything":1}'), "of schema 2; this version reads schema 1"),
        (Message(b"x", {"encoding": "zstd"}), "not what Zstandard wrote"),
        (Message(b"x", {"encoding": "brotli"}), "encoding 'brotli'"),
        (Message(b"", {"claim": "claims/gone"}), "not there any more"),
        (Message(zstandard.compress(bytes(BODY_LIMIT + 1)), {"encoding": "zstd"}), "would unfold to"),
    ],
)
async def test_nonsense_is_refused_with_a_reason(objects: Objects, message: Message, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        await codec_of(objects).decode(message)


async def test_no_records_make_no_message(objects: Objects) -> None:
    assert await codec_of(objects).encode(batch_of()) == []
