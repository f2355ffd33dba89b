"""A page of a list becomes a batch on the bus; what is no record waits in the dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.bus import Bus, open_bus
from shared.catalog import load_catalog
from shared.catalog.selection import SelectionRules, select
from shared.objects import open_objects
from shared.record import Source
from shared.record.codec import BatchCodec
from shared.record.publishing import PagePublisher
from shared.urls import url_of

GOOD = {"id": "17", "type": "tags", "attributes": {"name": "urgent", "brand_new": 1}}


@dataclass
class Press:
    """A publisher of tags on real stores."""

    publisher: PagePublisher
    bus: Bus
    codec: BatchCodec


@pytest.fixture
async def press(tmp_path: Path) -> AsyncIterator[Press]:
    objects = await open_objects(url_of("file", tmp_path / "objects"))
    bus = await open_bus(url_of("sqlite", tmp_path / "bus.sqlite"))
    codec = BatchCodec(objects, lambda: "claims/one")
    selected = select(load_catalog(), SelectionRules(only=("tags",)))["tags"]
    publisher = PagePublisher(
        selected, organization_id="42", source=Source.BACKFILL, run_id="run", bus=bus, codec=codec
    )
    yield Press(publisher, bus, codec)
    await bus.close()
    await objects.close()


async def test_the_records_of_a_page_are_one_batch_of_its_run(press: Press) -> None:
    published = await press.publisher.publish([GOOD, {**GOOD, "id": 18}], 5)
    [delivery] = await press.bus.pull(max_messages=9, max_bytes=1 << 20, wait_seconds=0)
    batch = (await press.codec.decode(delivery.message)).batch
    assert (batch.table, batch.organization_id, batch.source, batch.run_id) == (
        "tags",
        "42",
        "backfill",
        "run",
    )
    assert [record.id for record in batch.records] == ["17", "18"]
    assert {record.version.observed_us for record in batch.records} == {5}
    assert (published.records, published.rejected) == (2, 0)
    assert published.drift.unknown["brand_new", "integer"] == 2


async def test_what_is_no_record_is_set_aside_as_it_came_and_the_rest_is_published(press: Press) -> None:
    published = await press.publisher.publish([{"type": "tags"}, GOOD, "nonsense"], 5)
    assert (published.records, published.rejected) == (1, 2)
    letters = await press.bus.dead_letters(limit=9)
    assert [letter.message.body for letter in letters] == [b'{"type":"tags"}', b'"nonsense"']
    assert all(letter.reason.startswith("tags: ") for letter in letters)


async def test_an_empty_page_publishes_nothing(press: Press) -> None:
    published = await press.publisher.publish([], 5)
    assert (published.records, published.rejected) == (0, 0)
    assert (await press.bus.backlog()).messages == 0
