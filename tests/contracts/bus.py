"""What every bus does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import pytest

from shared.bus import MAX_MESSAGE_BYTES, Backlog, Bus, Delivery, Message, Swept
from shared.errors import RecordError


class BusHarness(Protocol):
    """How the contract's tests reach an adapter; each harness is a store of its own, empty at first."""

    lease_seconds: float

    async def open(self) -> Bus:
        """Open the store, as often as needed, on the time that `let_pass` moves; the test closes it."""
        ...

    async def open_live(self) -> Bus:
        """Open the store on the machine's time; the test closes it."""
        ...

    async def let_pass(self, seconds: float) -> None:
        """Let the time of `open` pass."""
        ...

    async def backlog(self, bus: Bus) -> Backlog:
        """What waits, from whoever knows it exactly: the bus itself may lag behind."""
        ...


class BusContract:
    """At-least-once delivery with leases, dead letters and a backlog."""

    replaces_in_place = True
    """Whether a message that a sweep replaces stays the same message, so that acks and attempts of the old
    one count for the new one. Not where a message cannot be changed: there the new one is published."""

    @pytest.fixture
    async def bus(self, harness: BusHarness) -> AsyncIterator[Bus]:
        bus = await harness.open()
        yield bus
        await bus.close()

    @pytest.fixture
    async def live_bus(self, harness: BusHarness) -> AsyncIterator[Bus]:
        bus = await harness.open_live()
        yield bus
        await bus.close()

    async def test_a_message_arrives_as_it_was_published(self, bus: Bus) -> None:
        message = Message(bytes(range(256)), {"table": "deals", "run_id": "r1"})
        await bus.publish([message])
        delivery = await take_one(bus)
        assert delivery.message == message
        assert delivery.attempt == 1
        assert delivery.published_us > 0

    @pytest.mark.parametrize(
        "message",
        [
            Message(b"x", {"Büro": "naïve 🧀 \u2028 'quoted' \"twice\" \\ \t"}),
            Message(b"", {"table": "deals"}),
            Message(b"\x00\xff", {}),
            Message(b"v" * 9_900_000, {"table": "deals"}),
            Message(b"x", {f"key{index}": "v" * 1024 for index in range(100)}),
        ],
        ids=["unicode", "empty body", "no attributes", "9.9 MB", "all the attributes there may be"],
    )
    async def test_any_message_within_the_limits_arrives(self, bus: Bus, message: Message) -> None:
        await bus.publish([message])
        assert (await take_one(bus)).message == message

    @pytest.mark.parametrize(
        "message",
        [
            Message(b"v" * (MAX_MESSAGE_BYTES + 1)),
            Message(b"v" * MAX_MESSAGE_BYTES, {"k": "v"}),
            Message(b""),
            Message(b"x", {"": "v"}),
            Message(b"x", {"k" * 257: "v"}),
            Message(b"x", {"k": "ü" * 513}),
            Message(b"x", {"k": "\ud800"}),
            Message(b"x", {f"key{index}": "v" for index in range(101)}),
        ],
        ids=[
            "too large",
            "too large with its attributes",
            "nothing",
            "no key",
            "long key",
            "long value",
            "no text",
            "many attributes",
        ],
    )
    async def test_a_message_over_the_limits_is_refused_with_all_that_come_with_it(
        self, bus: Bus, message: Message
    ) -> None:
        with pytest.raises(RecordError):
            await bus.publish([Message(b"good"), message])
        assert await take(bus) == []

    async def test_a_pull_of_an_empty_bus_ends_empty(self, bus: Bus) -> None:
        assert await bus.pull(max_messages=10, max_bytes=1_000, wait_seconds=0.2) == ()

    async def test_publishing_nothing_is_nothing(self, bus: Bus, harness: BusHarness) -> None:
        await bus.publish([])
        assert (await harness.backlog(bus)).messages == 0

    async def test_all_messages_of_a_publish_arrive(self, bus: Bus) -> None:
        await bus.publish([Message(b"%d" % number) for number in range(2_500)])
        assert {delivery.message.body for delivery in await take(bus, count=2_500)} == {
            b"%d" % number for number in range(2_500)
        }

    async def test_a_leased_message_is_nobody_elses(self, bus: Bus) -> None:
        await bus.publish([Message(b"x")])
        await take_one(bus)
        assert await take(bus) == []

    async def test_an_acked_message_never_comes_back(self, bus: Bus, harness: BusHarness) -> None:
        await bus.publish([Message(b"x")])
        await bus.ack([(await take_one(bus)).lease_id])
        await harness.let_pass(harness.lease_seconds + 1)
        assert await take(bus) == []

    async def test_a_message_comes_back_when_its_lease_ends(self, bus: Bus, harness: BusHarness) -> None:
        await bus.publish([Message(b"x", {"table": "deals"})])
        first = await take_one(bus)
        await harness.let_pass(harness.lease_seconds + 1)
        second = await take_one(bus)
        assert second.message == first.message
        assert second.message_id == first.message_id
        assert second.published_us == first.published_us
        assert second.lease_id != first.lease_id
        assert (first.attempt, second.attempt) == (1, 2)

    async def test_a_late_ack_leaves_the_message_to_whoever_has_it_now(
        self, bus: Bus, harness: BusHarness
    ) -> None:
        await bus.publish([Message(b"x")])
        late = await take_one(bus)
        await harness.let_pass(harness.lease_seconds + 1)
        await take_one(bus)
        await bus.ack([late.lease_id])
        await bus.release([late.lease_id])
        await bus.dead_letter(late.lease_id, "late")
        assert await take(bus) == []
        assert (await harness.backlog(bus)).messages == 1
        await harness.let_pass(harness.lease_seconds + 1)
        assert (await take_one(bus)).attempt == 3

    async def test_a_released_message_comes_back_at_once(self, bus: Bus) -> None:
        await bus.publish([Message(b"x")])
        first = await take_one(bus)
        await bus.release([first.lease_id])
        second = await take_one(bus)
        assert (second.message_id, second.attempt) == (first.message_id, 2)

    async def test_a_released_message_waits_its_delay_and_holds_up_nobody(
        self, bus: Bus, harness: BusHarness
    ) -> None:
        await bus.publish([Message(b"slow")])
        await bus.release([(await take_one(bus)).lease_id], delay_seconds=30)
        await bus.publish([Message(b"fast")])
        assert [delivery.message.body for delivery in await take(bus, count=1)] == [b"fast"]
        assert await take(bus) == []
        await harness.let_pass(31)
        assert b"slow" in {delivery.message.body for delivery in await take(bus)}

    async def test_an_extended_lease_starts_anew(self, bus: Bus, harness: BusHarness) -> None:
        await bus.publish([Message(b"x")])
        delivery = await take_one(bus)
        for _ in range(3):
            await harness.let_pass(harness.lease_seconds * 0.7)
            await bus.extend([delivery.lease_id])
            assert await take(bus) == []
        await bus.ack([delivery.lease_id])
        assert (await harness.backlog(bus)).messages == 0

    async def test_a_lease_that_was_given_back_cannot_be_extended_or_acked(self, bus: Bus) -> None:
        await bus.publish([Message(b"x")])
        first = await take_one(bus)
        await bus.release([first.lease_id])
        await bus.extend([first.lease_id])
        await bus.ack([first.lease_id])
        assert (await take_one(bus)).message_id == first.message_id

    async def test_a_pull_keeps_to_the_number_of_messages(self, bus: Bus) -> None:
        await bus.publish([Message(b"x") for _ in range(5)])
        assert len(await bus.pull(max_messages=3, max_bytes=1_000_000, wait_seconds=5)) <= 3

    async def test_a_pull_keeps_to_the_bytes(self, bus: Bus) -> None:
        await bus.publish([Message(b"x" * 400) for _ in range(5)])
        sizes: list[int] = []
        while sum(sizes) < 2_000:
            deliveries = await bus.pull(max_messages=100, max_bytes=1_000, wait_seconds=5)
            sizes.append(sum(len(delivery.message.body) for delivery in deliveries))
            assert 0 < sizes[-1] <= 1_000

    async def test_a_message_larger_than_a_pull_comes_alone(self, bus: Bus) -> None:
        await bus.publish([Message(b"x" * 5_000), Message(b"y" * 5_000)])
        first = await bus.pull(max_messages=100, max_bytes=1_000, wait_seconds=5)
        second = await bus.pull(max_messages=100, max_bytes=1_000, wait_seconds=5)
        assert [len(first), len(second)] == [1, 1]

    async def test_a_dead_letter_keeps_its_message_and_reason_and_is_not_delivered(
        self, bus: Bus, harness: BusHarness
    ) -> None:
        message = Message(b"poison", {"table": "Büro"})
        await bus.publish([message])
        await bus.release([(await take_one(bus)).lease_id])
        await bus.dead_letter((await take_one(bus)).lease_id, "no such column: “größe”")
        await harness.let_pass(harness.lease_seconds + 1)
        assert await take(bus) == []
        [letter] = await bus.dead_letters(limit=10)
        assert letter.message == message
        assert letter.reason == "no such column: “größe”"
        assert letter.attempts == 2
        assert letter.died_us > 0

    async def test_a_replayed_dead_letter_is_a_new_message(self, bus: Bus) -> None:
        await bus.publish([Message(b"poison", {"table": "deals"})])
        await bus.dead_letter((await take_one(bus)).lease_id, "bad")
        [letter] = await bus.dead_letters(limit=10)
        assert await bus.replay([letter.id]) == 1
        delivery = await take_one(bus)
        assert (delivery.message, delivery.attempt) == (letter.message, 1)
        assert await bus.dead_letters(limit=10) == []
        assert await bus.replay([letter.id]) == 0

    async def test_something_that_was_no_message_can_be_buried_and_replayed(self, bus: Bus) -> None:
        await bus.bury(Message(b'{"id": 17}', {"table": "deals"}), "not a number")
        assert await take(bus) == []
        [letter] = await bus.dead_letters(limit=10)
        assert (letter.message.body, letter.reason) == (b'{"id": 17}', "not a number")
        assert await bus.replay([letter.id]) == 1
        assert (await take_one(bus)).message == letter.message

    async def test_dead_letters_are_read_page_by_page(self, bus: Bus) -> None:
        for number in range(25):
            await bus.bury(Message(b"%d" % number), "bad")
        pages = [await bus.dead_letters(limit=10)]
        while pages[-1]:
            pages.append(await bus.dead_letters(limit=10, after=pages[-1][-1].id))
        assert [len(page) for page in pages] == [10, 10, 5, 0]
        assert sorted(int(letter.message.body) for page in pages for letter in page) == list(range(25))

    async def test_the_backlog_counts_what_is_not_acked_and_what_died(
        self, bus: Bus, harness: BusHarness
    ) -> None:
        empty = await harness.backlog(bus)
        assert (empty.messages, empty.bytes, empty.oldest_us, empty.dead_letters) == (0, 0, None, 0)
        await bus.publish([Message(b"x" * 100), Message(b"y" * 50), Message(b"z" * 7)])
        deliveries = await take(bus, count=3)
        leased = await harness.backlog(bus)
        assert (leased.messages, leased.bytes) == (3, 157)
        assert leased.oldest_us == min(delivery.published_us for delivery in deliveries)
        by_body = {delivery.message.body[:1]: delivery.lease_id for delivery in deliveries}
        await bus.ack([by_body[b"x"]])
        await bus.dead_letter(by_body[b"y"], "bad")
        rest = await harness.backlog(bus)
        assert (rest.messages, rest.bytes, rest.dead_letters) == (1, 7, 1)

    async def test_a_bus_is_drained_when_nothing_waits_and_nothing_is_leased(
        self, bus: Bus, harness: BusHarness
    ) -> None:
        await bus.publish([Message(b"x"), Message(b"y")])
        first, second = await take(bus, count=2)
        await bus.ack([first.lease_id])
        assert not await bus.is_drained()
        await bus.release([second.lease_id], delay_seconds=30)
        assert not await bus.is_drained()
        await harness.let_pass(31)
        await bus.ack([(await take_one(bus)).lease_id])
        await harness.let_pass(31)
        assert await bus.is_drained()

    async def test_everything_is_there_when_the_bus_is_opened_again(
        self, bus: Bus, harness: BusHarness
    ) -> None:
        await bus.publish([Message(b"waiting"), Message(b"leased"), Message(b"acked")])
        deliveries = {delivery.message.body: delivery for delivery in await take(bus, count=3)}
        await bus.ack([deliveries[b"acked"].lease_id])
        await bus.release([deliveries[b"waiting"].lease_id])
        await bus.bury(Message(b"dead"), "bad")
        before = await harness.backlog(bus)
        await bus.close()
        again = await harness.open()
        try:
            assert await harness.backlog(again) == before
            assert [delivery.message.body for delivery in await take(again, count=1)] == [b"waiting"]
            await harness.let_pass(harness.lease_seconds + 1)
            assert {delivery.message.body for delivery in await take(again, count=2)} == {
                b"waiting",
                b"leased",
            }
            assert [letter.message.body for letter in await again.dead_letters(limit=10)] == [b"dead"]
        finally:
            await again.close()

    async def test_a_sweep_shows_everything_there_is_once(self, bus: Bus) -> None:
        await bus.publish([Message(b"%d" % number) for number in range(450)])
        await take(bus, count=450)
        await bus.publish([Message(b"waits")])
        await bus.bury(Message(b"dead"), "bad")
        seen: list[bytes] = []

        async def look(message: Message) -> Message:
            seen.append(message.body)
            return message

        assert await bus.sweep(look) == Swept()
        assert sorted(seen) == sorted([*(b"%d" % number for number in range(450)), b"waits", b"dead"])
        assert [delivery.message.body for delivery in await take(bus, count=1)] == [b"waits"]

    async def test_a_sweep_drops_and_replaces_as_it_is_told(self, bus: Bus, harness: BusHarness) -> None:
        await bus.publish([Message(b"drop"), Message(b"keep"), Message(b"replace", {"table": "deals"})])
        await bus.bury(Message(b"drop"), "dropped")
        await bus.bury(Message(b"replace"), "replaced")
        assert await bus.sweep(_judge) == Swept(dropped=2, replaced=2)
        left = sorted(
            (delivery.message for delivery in await take(bus, count=2)), key=lambda message: message.body
        )
        assert left == [Message(b"keep"), Message(b"something else", {"table": "people"})]
        [letter] = await bus.dead_letters(limit=10)
        assert (letter.message.body, letter.reason) == (b"something else", "replaced")
        backlog = await harness.backlog(bus)
        assert (backlog.messages, backlog.dead_letters) == (2, 1)
        assert backlog.bytes == len(b"keep" + b"something else" + b"table" + b"people")

    async def test_whoever_holds_what_a_sweep_changed_is_told_of_and_may_ack_it(
        self, bus: Bus, harness: BusHarness
    ) -> None:
        await bus.publish([Message(b"drop"), Message(b"replace"), Message(b"replace")])
        leases = [delivery.lease_id for delivery in await take(bus)]
        assert await bus.sweep(_judge) == Swept(dropped=1, replaced=2, leased=3)
        await bus.ack(leases[:2])
        await harness.let_pass(harness.lease_seconds + 1)
        left = await take(bus, count=1 if self.replaces_in_place else 2)
        again = [(b"something else", 2)] if self.replaces_in_place else [(b"something else", 1)] * 2
        assert [(delivery.message.body, delivery.attempt) for delivery in left] == again
        await bus.ack([delivery.lease_id for delivery in left])
        assert (await harness.backlog(bus)).messages == (await harness.backlog(bus)).bytes == 0

    async def test_a_judge_that_fails_ends_the_sweep_and_harms_nothing(self, bus: Bus) -> None:
        await bus.publish([Message(b"x")])

        async def fail(_message: Message) -> Message:
            raise RecordError("it makes no sense")

        with pytest.raises(RecordError):
            await bus.sweep(fail)
        assert (await take_one(bus)).message.body == b"x"

    async def test_a_sweep_may_go_on_beside_readers_and_writers(
        self, live_bus: Bus, harness: BusHarness
    ) -> None:
        acked: list[bytes] = []

        async def publish() -> None:
            for number in range(60):
                await live_bus.publish([Message(b"keep %d" % number), Message(b"drop")])

        async def read() -> None:
            while sum(body != b"drop" for body in acked) < 60:
                deliveries = await live_bus.pull(max_messages=5, max_bytes=1_000, wait_seconds=0.2)
                await live_bus.ack([delivery.lease_id for delivery in deliveries])
                acked.extend(delivery.message.body for delivery in deliveries)

        async def sweep() -> None:
            for _ in range(5):
                await live_bus.sweep(_judge)

        await asyncio.gather(publish(), read(), sweep())
        await live_bus.sweep(_judge)
        backlog = await harness.backlog(live_bus)
        assert (backlog.messages, backlog.bytes) == (0, 0)

    async def test_a_bus_may_be_closed_twice(self, bus: Bus) -> None:
        await bus.close()
        await bus.close()

    async def test_a_waiting_pull_gets_what_is_published_meanwhile(self, live_bus: Bus) -> None:
        pulling = asyncio.create_task(live_bus.pull(max_messages=10, max_bytes=1_000, wait_seconds=60))
        await asyncio.sleep(0)
        await live_bus.publish([Message(b"x")])
        [delivery] = await pulling
        assert delivery.message.body == b"x"

    async def test_many_publishers_and_readers_lose_nothing(self, live_bus: Bus, harness: BusHarness) -> None:
        publishers, each = 20, 25
        seen: set[bytes] = set()

        async def publish(publisher: int) -> None:
            for number in range(each):
                await live_bus.publish([Message(b"%d/%d" % (publisher, number))])

        async def read() -> None:
            while len(seen) < publishers * each:
                deliveries = await live_bus.pull(max_messages=7, max_bytes=1_000, wait_seconds=0.2)
                seen.update(delivery.message.body for delivery in deliveries)
                await live_bus.ack([delivery.lease_id for delivery in deliveries])

        await asyncio.gather(*(publish(number) for number in range(publishers)), *(read() for _ in range(5)))
        assert len(seen) == publishers * each
        assert (await harness.backlog(live_bus)).messages == 0


async def _judge(message: Message) -> Message | None:
    if message.body == b"drop":
        return None
    if message.body == b"replace":
        return Message(b"something else", {"table": "people"} if message.attributes else {})
    return message


async def take(bus: Bus, *, count: int | None = None) -> Sequence[Delivery]:
    """Everything that is delivered now: `count` of them, or until a pull stays empty."""
    taken: list[Delivery] = []
    while count is None or len(taken) < count:
        deliveries = await bus.pull(
            max_messages=1_000, max_bytes=100_000_000, wait_seconds=0.2 if count is None else 5
        )
        if not deliveries:
            break
        taken += deliveries
    return taken


async def take_one(bus: Bus) -> Delivery:
    """The one message that there is."""
    [delivery] = await bus.pull(max_messages=10, max_bytes=100_000_000, wait_seconds=5)
    return delivery
