"""Dead letters on Pub/Sub: as messages, and listed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus import BusSettings, DeadLetter, Message
from shared.bus.limits import MAX_REASON_CHARACTERS, checked_size
from shared.bus.pubsub import listing
from shared.bus.pubsub.letters import ATTEMPTS, PACKED, REASON, Death, decode, encode
from shared.errors import UnreachableError
from tests.bus.pubsub_world import SETTINGS, World, running_world
from tests.contracts.bus import take, take_one

DEATH = Death("no such column", 3, 1_700_000_000_000_000)
_noise = random.Random(7).randbytes(12_000_000)

keys = st.text(max_size=300)
attributes = st.dictionaries(keys, st.text(max_size=40), max_size=120)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    async with running_world(monkeypatch) as world:
        world.make_plain()
        yield world


def reread(message: Message) -> DeadLetter:
    return decode("7", message, published_us=5)


@given(st.binary(max_size=100), attributes, st.text(max_size=600), st.integers(0, 200))
def test_any_message_can_be_buried_and_is_read_back_as_it_was(
    body: bytes, attributes: dict[str, str], reason: str, attempts: int
) -> None:
    message = Message(body, attributes)
    buried = encode(message, Death(reason, attempts, 17))
    checked_size(buried)
    letter = reread(buried)
    assert (letter.id, letter.attempts, letter.died_us) == ("7", attempts, 17)
    assert letter.message == message


@given(st.text(max_size=5_000))
def test_a_reason_is_cut_to_what_an_attribute_holds(reason: str) -> None:
    buried = encode(Message(b"x"), Death(reason, 0, 0))
    checked_size(buried)
    kept = reread(buried).reason.removesuffix("…")
    plain = reason[:MAX_REASON_CHARACTERS].encode(errors="replace").decode()
    assert plain.startswith(kept) or (not reason and kept == "-")


def test_half_a_character_in_an_attribute_is_kept() -> None:
    message = Message(b"x", {"k": "\ud800"})
    assert reread(encode(message, DEATH)).message == message


def test_a_usual_message_can_be_read_by_others_too() -> None:
    buried = encode(Message(b"body", {"table": "deals"}), DEATH)
    assert buried.body == b"body"
    assert buried.attributes["table"] == "deals"
    assert (buried.attributes[REASON], buried.attributes[ATTEMPTS]) == ("no such column", "3")
    assert PACKED not in buried.attributes


@pytest.mark.parametrize(
    "message",
    [
        Message(b"v" * 9_999_000, {"table": "deals"}),
        Message(b"v" * 30_000_000),
        Message(b"x", {f"key{index}": "v" * 1024 for index in range(100)}),
        Message(b"x", {"dead-reason": "mine"}),
        Message(b"x", {"googclient": "a"}),
        Message(b""),
    ],
    ids=["large", "far too large", "many attributes", "our attributes", "Google's attributes", "nothing"],
)
def test_what_pubsub_would_not_take_beside_our_attributes_is_packed(message: Message) -> None:
    buried = encode(message, DEATH)
    checked_size(buried)
    assert reread(buried).message == message
    assert reread(buried).reason == "no such column"


def test_of_what_pubsub_takes_in_no_way_the_beginning_is_kept_and_that_is_said() -> None:
    buried = encode(Message(_noise, {"table": "deals"}), DEATH)
    checked_size(buried)
    letter = reread(buried)
    assert _noise.startswith(letter.message.body)
    assert len(letter.message.body) > 4_000_000
    assert "of 12,000,000 bytes fitted" in letter.reason
    assert letter.reason.endswith("no such column")


def test_a_letter_that_pubsub_forwarded_says_so_and_loses_what_pubsub_added() -> None:
    prefix = "CloudPubSubDeadLetterSource"
    added = {f"{prefix}DeliveryCount": "100", f"{prefix}Subscription": "records"}
    letter = reread(Message(b"x", {"table": "deals", **added}))
    assert letter.message == Message(b"x", {"table": "deals"})
    assert (letter.attempts, letter.died_us) == (100, 5)
    assert "Pub/Sub gave it up after 100 deliveries" in letter.reason


def test_a_letter_that_somebody_else_published_is_shown() -> None:
    letter = reread(Message(b"x", {"a": "b"}))
    assert (letter.message, letter.attempts) == (Message(b"x", {"a": "b"}), 0)
    assert "by somebody else" in letter.reason


@pytest.mark.parametrize("body", [b"", b"garbage", encode(Message(b"", {"": ""}), DEATH).body[:-3]])
def test_a_packed_letter_that_is_damaged_is_shown_as_far_as_it_goes(body: bytes) -> None:
    letter = reread(Message(body, {REASON: "why", PACKED: "zstd", ATTEMPTS: "x" * 30}))
    assert letter.message.body == body
    assert letter.reason.endswith("why")
    assert letter.attempts == 0


async def test_a_letter_is_written_before_its_message_is_acked(world: World) -> None:
    bus = await world.open()
    await bus.publish([Message(b"poison")])
    delivery = await take_one(bus)
    world.server.fault("Publish", "refuse", times=1_000)
    dying = asyncio.create_task(bus.dead_letter(delivery.lease_id, "bad"))
    await asyncio.sleep(0.3)
    assert not world.subscription.acks
    world.server.faults.clear()
    await dying
    assert sum(world.subscription.acks.values()) == 1
    assert [letter.reason for letter in await bus.dead_letters(limit=10)] == ["bad"]


async def test_a_message_that_nobody_ever_acks_is_forwarded_by_pubsub_and_can_be_replayed(
    world: World,
) -> None:
    bus = await world.open()
    await bus.publish([Message(b"poison", {"table": "deals"})])
    for _ in range(100):
        await bus.release([(await take_one(bus)).lease_id])
    await world.settle()
    assert await take(bus) == []
    [letter] = await bus.dead_letters(limit=10)
    assert letter.message == Message(b"poison", {"table": "deals"})
    assert letter.attempts == 100
    assert await bus.replay([letter.id]) == 1
    assert (await take_one(bus)).message == letter.message


async def test_what_one_lists_others_see_when_it_is_closed(world: World) -> None:
    one, other = await world.open(), await world.open()
    for number in range(5):
        await one.bury(Message(b"%d" % number), "bad")
    assert len(await one.dead_letters(limit=10)) == 5
    assert await other.dead_letters(limit=10) == []
    await one.close()
    assert len(await other.dead_letters(limit=10)) == 5


async def test_letters_stay_listed_for_as_long_as_they_are_looked_at_and_no_longer(world: World) -> None:
    one, other = await world.open(), await world.open()
    await one.bury(Message(b"x"), "bad")
    [letter] = await one.dead_letters(limit=10)
    for _ in range(20):
        await world.let_pass(SETTINGS.lease_seconds / 2, steps=3)
        assert await one.dead_letters(limit=10, after="1") == [letter]
    await world.let_pass(700, steps=40)
    assert [again.message.body for again in await other.dead_letters(limit=10)] == [b"x"]
    assert await one.dead_letters(limit=10, after="1") == []


async def test_a_listing_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST_LETTERS", 3)
    bus = await world.open()
    for number in range(5):
        await bus.bury(Message(b"%d" % number), "bad")
    letters = await bus.dead_letters(limit=10)
    assert len(letters) == 3
    assert await bus.replay([letter.id for letter in letters]) == 3
    assert len(await bus.dead_letters(limit=10)) == 2


async def test_a_listing_goes_on_after_a_failure_that_passes(world: World) -> None:
    bus = await world.open()
    await bus.bury(Message(b"x"), "bad")
    world.server.fault("Pull", "refuse", times=2)
    assert len(await bus.dead_letters(limit=10)) == 1


async def test_what_cannot_be_looked_at_is_an_error_and_not_empty(world: World) -> None:
    bus = await world.open(BusSettings(quiet_seconds=0.25, retry_seconds=0.3))
    await bus.bury(Message(b"x"), "bad")
    await world.server.stop()
    with pytest.raises(UnreachableError):
        await bus.dead_letters(limit=10)
    with pytest.raises(UnreachableError):
        await bus.sweep(_keep)


async def _keep(message: Message) -> Message:
    return message
