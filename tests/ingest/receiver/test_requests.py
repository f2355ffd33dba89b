"""What is answered to good, wrong and hostile requests, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest

from shared.clock import MICROSECONDS
from shared.secrets import Secret
from tests.ingest.receiver.world import EVENT, QUICK, TOKEN, Client, World, answer, eventually, running

OTHER = Secret("11111111-2222-3333-4444-555555555555")
BODY = b'{"event":"create_task","item_type":"task","item_id":20305431}'


async def test_a_signed_delivery_is_on_the_bus_byte_for_byte_when_it_is_answered(
    world: World, client: Client
) -> None:
    before = world.env.clock.now_us()
    got = await client.deliver(BODY)
    after = world.env.clock.now_us()
    assert (got.status, got.body) == (200, b"")
    [delivery] = await world.bus.deliveries()
    assert (delivery.event_id, delivery.body) == (EVENT, BODY)
    assert before <= delivery.received_us <= after
    assert world.metric("productive_receiver_deliveries_total", outcome="accepted") == 1
    assert world.metric("productive_receiver_body_bytes_total") == len(BODY)
    assert world.metric("productive_receiver_answer_seconds_count") == 1


async def test_the_time_of_receipt_is_on_the_clock_that_the_receiver_is_given(world: World) -> None:
    world.env = replace(world.env, now_us=lambda: world.env.clock.now_us() - 60 * MICROSECONDS)
    async with running(world) as client:
        before = world.env.clock.now_us()
        assert (await client.deliver(BODY)).status == 200
    [delivery] = await world.bus.deliveries()
    assert delivery.received_us < before - 59 * MICROSECONDS


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"not json", b"[" * 1_000])
async def test_a_body_is_not_looked_into(world: World, client: Client, body: bytes) -> None:
    assert (await client.deliver(body)).status == 200
    assert [delivery.body for delivery in await world.bus.deliveries()] == [body]


async def test_old_and_one_time_clients_are_answered_in_their_way(world: World, client: Client) -> None:
    modern = client.head(b"1") + b"1"
    got = await client.send(modern)
    assert "connection" not in got.headers
    assert parsedate_to_datetime(got.headers["date"]).timestamp() == pytest.approx(time.time(), abs=60)

    once = client.head(b"2").replace(b"Host: test", b"Host: test\r\nConnection: close") + b"2"
    old = client.head(b"3").replace(b"HTTP/1.1", b"HTTP/1.0") + b"3"
    for request in (once, old):
        async with client.connected() as (reader, writer):
            writer.write(request)
            assert (await answer(reader)).status == 200
            assert await reader.read() == b""
    kept = client.head(b"4").replace(b"HTTP/1.1", b"HTTP/1.0\r\nConnection: keep-alive") + b"4"
    assert (await client.send(kept)).headers["connection"] == "keep-alive"
    assert len(await world.bus.deliveries()) == 4


async def test_a_query_behind_the_path_is_of_no_matter(world: World, client: Client) -> None:
    request = client.head(BODY, event="1?source=productive") + BODY
    assert (await client.send(request)).status == 200


async def test_the_same_signed_request_again_is_a_yes_but_no_second_message(
    world: World, client: Client
) -> None:
    request = client.head(BODY) + BODY
    assert [(await client.send(request)).status for _ in range(3)] == [200, 200, 200]
    assert len(await world.bus.deliveries()) == 1
    assert world.metric("productive_receiver_deliveries_total", outcome="duplicate") == 2


async def test_a_signature_is_good_for_the_webhook_of_its_token_only(world: World, client: Client) -> None:
    world.tokens.known = {1: (TOKEN,), 2: (OTHER,)}
    assert (await client.deliver(BODY, event=2)).status == 401
    assert (await client.deliver(BODY, event=2, token=OTHER)).status == 200


async def test_both_tokens_are_good_while_one_replaces_the_other(world: World, client: Client) -> None:
    world.tokens.known = {1: (OTHER, TOKEN)}
    assert (await client.deliver(BODY)).status == 200
    assert (await client.deliver(BODY, token=OTHER)).status == 200
    assert world.tokens.rereads == 0


async def test_a_webhook_that_another_process_has_just_registered_works_at_once(
    world: World, client: Client
) -> None:
    world.tokens.elsewhere = {24: (OTHER,)}
    assert (await client.deliver(BODY, event=24, token=OTHER)).status == 200
    assert (await client.deliver(BODY + b" ", event=24, token=OTHER)).status == 200
    assert world.tokens.rereads == 1


@pytest.mark.parametrize(("late", "reason"), [(-302, "too_old"), (302, "too_new")])
async def test_an_old_or_future_signature_is_refused(
    world: World, client: Client, late: int, reason: str
) -> None:
    assert (await client.deliver(BODY, late=late)).status == 401
    assert world.metric("productive_receiver_refused_total", reason=reason) == 1


async def test_all_that_is_not_signed_gets_the_same_answer_and_reaches_nothing(
    world: World, client: Client
) -> None:
    good = client.head(BODY) + BODY
    wrong = [
        client.head(BODY, token=OTHER) + BODY,
        client.head(BODY, event="999") + BODY,
        client.head(BODY, late=-1_000) + BODY,
        good[:-1] + b"]",
        good.replace(b"Productive-Signature", b"X-Signature"),
        good.replace(b", s=", b", s=0"),
        good.replace(b"t=", b"t=0"),
    ]
    answers = [await client.send(request) for request in wrong]
    assert {(got.status, got.body) for got in answers} == {(401, b"")}
    assert len({tuple(got.headers) for got in answers}) == 1
    assert await world.bus.deliveries() == []
    assert await world.spooled() == []


@pytest.mark.parametrize(
    "event",
    ["", "0", "01", "-1", "1.0", "one", "10000", "1/", "1/2", "%31", "..", "../1", "1%00", "9" * 1_000],
)
async def test_a_path_that_names_no_event_is_not_found(client: Client, event: str) -> None:
    assert (await client.send(client.head(BODY, event=event) + BODY)).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_only_posts_are_deliveries(client: Client, method: str) -> None:
    got = await client.get("/webhooks/productive/1", method)
    assert (got.status, got.headers["allow"]) == (405, "post")


@pytest.mark.parametrize("path", ["/", "/webhooks", "/healthz/", "/metrics.json", "//healthz", "http://x/"])
async def test_nothing_else_is_found(client: Client, path: str) -> None:
    assert (await client.get(path)).status == 404


async def test_the_pages_for_operators_are_only_read(client: Client) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await client.get(path)).status == 200
        assert (await client.get(path, "HEAD")).status == 200
        assert (await client.get(path, "POST")).status == 405
    assert b"productive_receiver_deliveries_total" in (await client.get("/metrics")).body


async def test_no_answer_tells_what_serves_it(client: Client) -> None:
    answers = [
        await client.deliver(BODY),
        await client.deliver(BODY, token=OTHER),
        await client.get("/"),
        await client.get("/healthz"),
        await client.send(b"nonsense\r\n\r\n"),
    ]
    for got in answers:
        assert "aiohttp" not in str(got)
        assert "ython" not in str(got)


async def test_a_compressed_body_is_refused_unopened(world: World, client: Client) -> None:
    bomb = gzip.compress(bytes(1 << 20))
    head = client.head(bomb).replace(b"Host: test", b"Host: test\r\nContent-Encoding: gzip")
    assert (await client.send(head + bomb)).status == 415
    identity = client.head(BODY).replace(b"Host: test", b"Host: test\r\nContent-Encoding: identity")
    assert (await client.send(identity + BODY)).status == 200


async def test_a_body_that_is_announced_too_large_is_not_read(world: World, client: Client) -> None:
    head = client.head(BODY).replace(b"Content-Length: %d" % len(BODY), b"Content-Length: 52428800")
    assert (await client.send(head)).status == 413


async def chunked(client: Client, body: bytes, *, piece: int) -> int:
    head = client.head(body).replace(b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked")
    async with client.connected() as (reader, writer):
        writer.write(head)
        answering = asyncio.create_task(answer(reader))
        try:
            for start in range(0, len(body), piece):
                some = body[start : start + piece]
                writer.write(b"%x\r\n%b\r\n" % (len(some), some))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        except ConnectionError:
            pass
        return (await answering).status


async def test_a_body_in_chunks_is_taken_up_to_the_size_of_any_body(world: World, client: Client) -> None:
    body = bytes(range(256)) * 1_000
    assert await chunked(client, body, piece=10_000) == 200
    assert [delivery.body for delivery in await world.bus.deliveries()] == [body]
    assert await chunked(client, bytes(50 << 20), piece=1 << 16) == 413
    assert world.metric("productive_receiver_bodies_bytes") == 0


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-1\r\n", b"5\r\nab\r\n0\r\n\r\n", b"f" * 40 + b"\r\nx"])
async def test_chunks_that_are_none_are_refused(
    world: World, client: Client, chunks: bytes, at_once: bool
) -> None:
    head = client.head(b"ab").replace(b"Content-Length: 2", b"Transfer-Encoding: chunked")
    async with client.connected() as (reader, writer):
        writer.write(head + chunks if at_once else head)
        await writer.drain()
        if not at_once:
            await eventually(lambda: world.metric("productive_receiver_connections") == 1)
            await asyncio.sleep(0)
            writer.write(chunks)
        assert (await answer(reader)).status == 400
    assert await world.bus.deliveries() == []
    assert world.metric("productive_receiver_shed_total", reason="error") == 0
    assert world.metric("productive_receiver_bodies_bytes") == 0


async def test_a_client_that_asks_first_is_told_to_go_on(world: World, client: Client) -> None:
    head = client.head(BODY).replace(b"Host: test", b"Host: test\r\nExpect: 100-continue")
    async with client.connected() as (reader, writer):
        writer.write(head)
        assert (await answer(reader)).status == 100
        writer.write(BODY)
        assert (await answer(reader)).status == 200


async def test_a_body_that_does_not_end_in_time_is_given_up(world: World) -> None:
    world = world.limited(replace(QUICK, body_seconds=0.05))
    async with running(world) as client:
        got = await client.send(client.head(BODY) + BODY[:-1])
        assert got.status == 408
        assert world.metric("productive_receiver_bodies_bytes") == 0


async def test_a_body_that_is_cut_off_is_forgotten(world: World, client: Client) -> None:
    async with client.connected() as (_, writer):
        writer.write(client.head(BODY) + BODY[:-1])
    await eventually(lambda: world.metric("productive_receiver_refused_total", reason="cut_off") == 1)
    assert world.metric("productive_receiver_bodies_bytes") == 0
    assert await world.bus.deliveries() == []


async def test_a_head_that_does_not_end_in_time_is_hung_up_on_however_busily_it_is_sent(world: World) -> None:
    world = world.limited(replace(QUICK, head_seconds=0.1))
    async with running(world) as client, client.connected() as (reader, writer):
        ended = asyncio.create_task(reader.read())
        writer.write(b"POST /webhooks/productive/1 HTTP/1.1\r\n")
        while not ended.done():
            writer.write(b"X: y\r\n")
            await asyncio.sleep(0.01)
            assert world.metric("productive_receiver_answer_seconds_count") == 0
        # Hung up on in the middle of a line: the end, or a reset.
        assert ended.exception() is None or isinstance(ended.exception(), ConnectionError)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n",
        b"POST /webhooks/productive/1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 10_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"POST /webhooks/productive/1 HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /webhooks/productive/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_garbage_is_refused_and_the_next_client_is_served(
    world: World, client: Client, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await client.send(garbage)).status in (400, 401)
    assert (await client.deliver(BODY)).status == 200
    assert caplog.records == []


async def test_garbage_behind_a_good_request_does_not_spoil_it(world: World, client: Client) -> None:
    async with client.connected() as (reader, writer):
        writer.write(client.head(BODY) + BODY)
        assert (await answer(reader)).status == 200
        writer.write(b"\x00nonsense\r\n\r\n")
        assert (await answer(reader)).status == 400
        assert await reader.read() == b""


async def test_requests_that_come_all_at_once_on_one_connection_are_answered_in_order(
    world: World, client: Client
) -> None:
    bodies = [b"%d" % number for number in range(50)]
    async with client.connected() as (reader, writer):
        writer.write(b"".join(client.head(body) + body for body in bodies))
        assert [(await answer(reader)).status for _ in bodies] == [200] * 50
    assert [delivery.body for delivery in await world.bus.deliveries()] == bodies


async def test_when_the_secrets_cannot_be_read_productive_shall_try_again(
    world: World, client: Client
) -> None:
    world.tokens.is_down = True
    got = await client.deliver(BODY)
    assert (got.status, got.headers["retry-after"]) == (503, "30")
    assert world.metric("productive_receiver_shed_total", reason="secrets") == 1


async def test_a_bug_is_a_503_that_is_logged_once_and_not_for_each_request(
    world: World, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    world.tokens.known = None  # type: ignore[assignment]
    assert [(await client.deliver(BODY)).status for _ in range(3)] == [503, 503, 503]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert TOKEN.reveal() not in caplog.text


async def test_bodies_that_wait_for_the_bus_fill_the_room_up_to_its_bound(world: World) -> None:
    patient = replace(QUICK, publish_seconds=60.0, shutdown_seconds=0.05)
    world = world.limited(replace(patient, body_bytes=100, bodies_bytes=200))
    world.bus.state = "hanging"
    async with running(world) as client:
        waiting = [asyncio.create_task(client.deliver(bytes([number]) * 100)) for number in range(2)]
        await eventually(lambda: world.metric("productive_receiver_bodies_bytes") == 200)
        assert (await client.deliver(b"one too many")).status == 503
        assert world.metric("productive_receiver_shed_total", reason="memory") == 1
        for task in waiting:
            task.cancel()


async def test_a_body_in_one_chunk_is_bounded_like_any_other(world: World) -> None:
    world = world.limited(replace(QUICK, body_bytes=100))
    async with running(world) as client:
        head = client.head(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        assert (await client.send(head + b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n")).status == 413


async def test_slow_bodies_leave_room_in_memory_for_whole_ones(world: World) -> None:
    world = world.limited(replace(QUICK, body_bytes=10_000, bodies_bytes=20_000, body_seconds=5))
    async with running(world) as client:
        slow = bytes(9_000)
        async with client.connected() as (_, first), client.connected() as (second_reader, second):
            first.write(client.head(slow) + slow[:-1])
            await eventually(lambda: world.metric("productive_receiver_bodies_bytes") == 8_999)
            second.write(client.head(slow) + slow[:-1])
            got = await answer(second_reader)
            assert (got.status, got.headers["retry-after"]) == (503, "30")
            assert (await client.deliver(bytes(9_500))).status == 200
        assert world.metric("productive_receiver_shed_total", reason="memory") == 1
