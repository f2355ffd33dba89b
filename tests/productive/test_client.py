from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.clock import MICROSECONDS, ManualClock
from shared.errors import CredentialsError, IngestError, ProtocolError, UnreachableError
from shared.productive import (
    PROMPT,
    Connection,
    Found,
    Gone,
    Limiter,
    LimitPolicy,
    Page,
    ProductiveClient,
    RefusalKind,
    Refused,
    RetryPolicy,
    Timeouts,
    Unavailable,
)
from shared.productive.transport import Transport
from shared.secrets.secret import Secret
from tests.productive.server import ORGANIZATION, TOKEN, Api, Asked, forever, page, refused, reply, script


def empty(status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, headers=headers)


async def test_a_request_says_who_asks_for_what(api: Api) -> None:
    client, server = await api.open(lambda _: page(["1"]))
    answer = await client.get("deals", (("include", "company"),))
    assert isinstance(answer, Page)
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.query) == ("GET", "/api/v2/deals", {"include": "company"})
    assert asked.headers["X-Auth-Token"] == TOKEN
    assert asked.headers["X-Organization-Id"] == ORGANIZATION
    assert asked.headers["Accept"] == asked.headers["Content-Type"] == "application/vnd.api+json"
    assert asked.headers["User-Agent"].startswith("productive-ingest/")
    assert "X-Feature-Flags" not in asked.headers


async def test_exact_times_are_asked_for_by_the_documented_flag(api: Api) -> None:
    client, server = await api.open(lambda _: page())
    await client.get("deals", exact_times=True)
    assert server.asked[0].headers["X-Feature-Flags"] == "filteringSkipDatetimeCastToDate"


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_parameter_arrives_as_it_was_given(parameters: dict[str, str]) -> None:
    parameters = {
        key.encode("utf-8", "ignore").decode(): value.encode("utf-8", "ignore").decode()
        for key, value in parameters.items()
    }
    client = ProductiveClient(Connection("https://host/api", "1", Secret("t")), clock=ManualClock())
    url = client._url("deals", tuple(parameters.items()))
    asked = Asked("GET", url.raw_path, url.raw_query_string, {}, b"")
    assert asked.query == parameters
    assert "+" not in url.raw_query_string


async def test_a_plus_is_sent_as_an_escape(api: Api) -> None:
    client, server = await api.open(lambda _: page())
    await client.get("deals", (("filter[updated_at][gt_eq]", "2026-01-01T00:00:00+02:00"),))
    assert server.asked[0].raw_query == (
        "filter%5Bupdated_at%5D%5Bgt_eq%5D=2026-01-01T00%3A00%3A00%2B02%3A00"
    )


async def test_a_page_carries_its_counts_its_link_and_when_it_was_asked_for(api: Api) -> None:
    link = "/api/v2/deals?page[number]=2"
    client, _ = await api.open(
        lambda _: page(["1", "2"], next_link=link, total_count="3", current_page=1, total_pages=2)
    )
    answer = await client.get("deals")
    assert isinstance(answer, Page)
    assert [r["id"] for r in answer.resources] == ["1", "2"]
    assert (answer.next, answer.total_count, answer.current_page, answer.total_pages) == (link, 3, 1, 2)
    assert answer.observed_us == client.server_clock.translate(api.clock.now_us())


async def test_the_observation_is_told_on_productives_clock(api: Api) -> None:
    headers = {"Date": "Wed, 15 Nov 2023 12:00:00 GMT"}
    client, _ = await api.open(lambda _: reply({"data": []}, headers=headers))
    answer = await client.get("deals")
    assert isinstance(answer, Page)
    noon_us = 1_700_049_600 * MICROSECONDS
    assert noon_us <= answer.observed_us <= noon_us + MICROSECONDS


@pytest.mark.parametrize(
    "document",
    [
        {"data": []},
        {"data": None},
        {"meta": {"total_count": 0}},
        {"data": [], "links": None, "meta": None},
        {"data": [], "links": {"next": None}, "meta": []},
    ],
)
async def test_a_list_that_is_empty_in_any_way_is_an_empty_page(api: Api, document: object) -> None:
    client, _ = await api.open(lambda _: reply(document))
    answer = await client.get("deals")
    assert isinstance(answer, Page)
    assert (answer.resources, answer.next) == ([], None)


@pytest.mark.parametrize("document", [{}, [], "ok", {"message": "welcome"}, {"errors": [{"title": "No"}]}])
async def test_a_success_that_is_no_document_is_never_taken_for_an_empty_list(
    api: Api, document: object
) -> None:
    client, _ = await api.open(lambda _: reply(document))
    with pytest.raises(ProtocolError, match="not a JSON:API document"):
        await client.get("deals")


async def test_a_link_may_be_an_object(api: Api) -> None:
    client, _ = await api.open(lambda _: reply({"data": [], "links": {"next": {"href": "/x"}}}))
    answer = await client.get("deals")
    assert isinstance(answer, Page)
    assert answer.next == "/x"


async def test_a_refused_query_is_a_value(api: Api) -> None:
    client, _ = await api.open(lambda _: refused(422, code="unsupported_filter", detail="Filter x: no"))
    answer = await client.get("deals", (("filter[x]", "1"),))
    assert answer == Refused(
        RefusalKind.FILTER, "Filter x: no", names=("x",), code="unsupported_filter", status=422
    )


@pytest.mark.parametrize("status", [402, 403, 404, 405, 410])
async def test_what_is_not_to_be_had_is_a_value_with_a_reason(api: Api, status: int) -> None:
    client, server = await api.open(lambda _: refused(status, code="nope", title="Because"))
    answer = await client.get("deals")
    assert isinstance(answer, Unavailable)
    assert (answer.status, answer.code) == (status, "nope")
    assert answer.reason.endswith("(Because)")
    assert len(server.asked) == 1


async def test_only_productives_own_word_makes_a_record_gone(api: Api) -> None:
    client, _ = await api.open(
        script(lambda: refused(404, code="record_not_found"), lambda: empty(404), lambda: refused(404))
    )
    assert isinstance(await client.get("deals/1"), Gone)
    assert isinstance(await client.get("deals/1"), Unavailable)
    assert isinstance(await client.get("deals/1"), Unavailable)


async def test_a_refused_token_ends_everything_at_once(api: Api) -> None:
    client, server = await api.open(lambda _: refused(401, code="invalid_auth_token", title="Unauthorized"))
    with pytest.raises(CredentialsError, match="401") as error:
        await client.get("deals")
    assert "personal access token" in error.value.advice
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [402, 403])
@pytest.mark.parametrize("code", ["no_organization_id", "no_person", "subscription_expired"])
async def test_a_refused_organization_ends_everything_and_says_what_to_do(
    api: Api, code: str, status: int
) -> None:
    client, _ = await api.open(lambda _: refused(status, code=code, title="Forbidden"))
    with pytest.raises(CredentialsError, match=code) as error:
        await client.get("deals")
    assert error.value.advice


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_with_the_token(api: Api, status: int) -> None:
    elsewhere = await api.serve(lambda _: page())
    client, _ = await api.open(lambda _: empty(status, {"Location": f"{elsewhere.root}/?token={TOKEN}"}))
    with pytest.raises(ProtocolError, match=r"redirected to 127\.0\.0\.1") as error:
        await client.get("deals")
    assert elsewhere.asked == []
    assert TOKEN not in repr(error.value)


@pytest.mark.parametrize("location", [None, "http://[::1/", "/elsewhere"])
async def test_a_redirect_to_nowhere_is_an_error_as_well(api: Api, location: str | None) -> None:
    client, _ = await api.open(lambda _: empty(302, {"Location": location} if location else None))
    with pytest.raises(ProtocolError, match="redirected to somewhere else"):
        await client.get("deals")


async def test_a_status_without_meaning_is_an_error(api: Api) -> None:
    client, server = await api.open(lambda _: refused(415, title="Unsupported media type"))
    with pytest.raises(ProtocolError, match="HTTP 415: Unsupported media type"):
        await client.get("deals")
    assert len(server.asked) == 1


async def test_failures_are_tried_again_after_waits_that_double(api: Api) -> None:
    client, server = await api.open(
        script(
            lambda: empty(503),
            lambda: empty(500),
            lambda: empty(502),
            lambda: empty(408),
            lambda: page(["1"]),
        )
    )
    assert isinstance(await client.get("deals"), Page)
    assert len(server.asked) == 5
    assert api.clock.slept == [0.5, 1.0, 2.0, 4.0]
    assert (client.stats.requests, client.stats.failures, client.stats.throttled) == (5, 4, 0)


@pytest.mark.parametrize("draw", [0.0, 0.25, 0.999])
async def test_each_wait_is_drawn_from_zero_to_its_longest(api: Api, draw: float) -> None:
    server = await api.serve(script(lambda: empty(503), lambda: empty(503), page))
    client = await api.client(server, random=lambda: draw)
    await client.get("deals")
    assert api.clock.slept == [draw * 1.0, draw * 2.0]


def test_no_wait_is_longer_than_the_longest() -> None:
    assert RetryPolicy().wait(10_000, lambda: 1.0) == 60.0


async def test_an_outage_ends_with_an_error_that_a_person_understands(api: Api) -> None:
    client, server = await api.open(lambda _: empty(503))
    with pytest.raises(UnreachableError, match=r"/api/v2/deals: HTTP 503 \(8 attempts\)") as error:
        await client.get("deals")
    assert error.value.advice
    assert len(server.asked) == 8


async def test_patience_is_bounded_in_time_as_well(api: Api) -> None:
    server = await api.serve(lambda _: empty(503))
    client = await api.client(server, retry=RetryPolicy(attempts=100, total_seconds=10.0))
    with pytest.raises(UnreachableError):
        await client.get("deals")
    assert sum(api.clock.slept) <= 10.0


async def test_a_server_that_asks_for_a_moment_gets_it(api: Api) -> None:
    client, _ = await api.open(
        script(
            lambda: empty(503, {"Retry-After": "7"}),
            lambda: empty(503, {"Retry-After": "7000"}),
            page,
        )
    )
    await client.get("deals")
    assert api.clock.slept == [7.0, 60.0]


@pytest.mark.parametrize("body", [b"", b'{"data": [{"id"', b"<html>hello</html>"])
async def test_a_body_that_is_cut_or_no_json_is_asked_for_again(api: Api, body: bytes) -> None:
    client, _ = await api.open(script(lambda: reply(body), lambda: page(["1"])))
    answer = await client.get("deals")
    assert isinstance(answer, Page)
    assert len(answer.resources) == 1


async def test_a_body_that_never_is_json_ends_with_what_came(api: Api) -> None:
    client, server = await api.open(
        lambda asked: page(["1"]) if asked.path.endswith("tags") else reply(b"<html>hello</html>")
    )
    with pytest.raises(ProtocolError, match="18 bytes that are not one JSON document") as error:
        await client.get("deals")
    assert "address" in error.value.advice
    assert len(server.asked) == 3, "whoever has never sent anything else is not Productive"
    await client.get("tags")
    with pytest.raises(ProtocolError):
        await client.get("deals")
    assert len(server.asked) == 3 + 1 + 8


async def test_whoever_only_sends_us_elsewhere_is_not_met(api: Api) -> None:
    client, _ = await api.open(lambda _: reply(b"", status=302, headers={"Location": "https://example.com/"}))
    with pytest.raises(ProtocolError, match="not followed"):
        await client.get("deals")
    assert not client.has_met


async def test_an_answer_that_breaks_off_is_asked_for_again(api: Api) -> None:
    async def break_off(asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        request = current[0]
        await response.prepare(request)
        await response.write(b'{"data": [')
        assert request.transport is not None
        request.transport.close()
        return response

    current: list[web.Request] = []
    times = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal times
        times += 1
        current[:] = [request]
        return await break_off(Asked("GET", "", "", {}, b"")) if times == 1 else page(["1"])

    app = web.Application()
    app.router.add_get("/api/v2/deals", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        client = await api.client(f"http://{host}:{port}/api/v2")
        assert isinstance(await client.get("deals"), Page)
        assert (times, client.stats.failures) == (2, 1)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_bound_is_refused_flatly(api: Api, announced: bool) -> None:
    size = 3_000_000

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(size)} if announced else None)
        await response.prepare(request)
        for _ in range(size // 1_000):
            await response.write(b"x" * 1_000)
        return response

    app = web.Application()
    app.router.add_get("/api/v2/deals", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        client = await api.client(f"http://{host}:{port}/api/v2", max_body_bytes=1_000_000)
        with pytest.raises(ProtocolError, match="larger than 1,000,000 bytes"):
            await client.get("deals")
        assert client.stats.requests == 1
    finally:
        await runner.cleanup()


async def test_a_small_body_that_unpacks_to_a_huge_one_is_refused(api: Api) -> None:
    def bomb(_: Asked) -> web.Response:
        response = web.Response(body=b" " * 20_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    server = await api.serve(bomb)
    client = await api.client(server, max_body_bytes=1_000_000)
    with pytest.raises(ProtocolError, match="larger than"):
        await client.get("deals")


async def test_a_server_that_says_nothing_is_given_up(api: Api) -> None:
    server = await api.serve(lambda _: forever())
    client = await api.client(server, retry=RetryPolicy(attempts=2), timeouts=Timeouts(silence=0.05))
    with pytest.raises(UnreachableError, match=r"nothing came for 0\.05 s \(2 attempts\)"):
        await client.get("deals")
    assert len(server.asked) == 2


async def test_a_server_that_drips_is_given_up(api: Api) -> None:
    server = await api.serve(lambda _: forever())
    client = await api.client(server, retry=RetryPolicy(attempts=1), timeouts=Timeouts(total=0.05))
    with pytest.raises(UnreachableError, match=r"not complete after 0\.05 s"):
        await client.get("deals")


async def test_an_address_where_nobody_listens_is_given_up_fast(api: Api) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        client = await api.client(f"http://127.0.0.1:{port}/api/v2")
        with pytest.raises(UnreachableError, match=r"connection was refused \(3 attempts\)") as error:
            await client.get("deals")
    assert "address" in error.value.advice
    assert sum(api.clock.slept) < 5.0


async def test_a_connection_that_is_refused_later_is_an_outage_like_any_other(api: Api) -> None:
    server = await api.serve(lambda _: page())
    client = await api.client(server)
    await client.get("deals")
    await server.stop()
    with pytest.raises(UnreachableError, match=r"\(8 attempts\)"):
        await client.get("deals")


async def test_a_server_without_tls_is_told_apart(api: Api) -> None:
    server = await api.serve(lambda _: page())
    client = await api.client(server.api_url.replace("http:", "https:"), retry=PROMPT)
    with pytest.raises(UnreachableError, match="TLS"):
        await client.get("deals")


def no_transport(timeouts: Timeouts) -> Transport:
    """For questions that need no network."""
    return Transport(cast(aiohttp.ClientSession, None), ManualClock(), timeouts, 1)


@pytest.mark.parametrize(
    ("error", "reason", "contact", "final"),
    [
        (
            aiohttp.ClientConnectorCertificateError(cast(ConnectionKey, None), ssl.SSLError()),
            "certificate",
            False,
            True,
        ),
        (aiohttp.ClientConnectorDNSError(cast(ConnectionKey, None), OSError()), "DNS", False, False),
        (
            aiohttp.ClientConnectorError(cast(ConnectionKey, None), OSError(113, "No route to host")),
            "No route to host",
            False,
            False,
        ),
        (aiohttp.ConnectionTimeoutError(), "within 3 s", False, False),
        (aiohttp.ServerDisconnectedError(), "broke", True, False),
        (ConnectionResetError(), "broke", True, False),
        (ValueError(TOKEN), "could not be made", True, False),
    ],
)
def test_each_way_to_fail_has_its_own_words(
    error: Exception, reason: str, contact: bool, final: bool
) -> None:
    failed = no_transport(Timeouts(connect=3.0))._failure(error)
    assert reason in failed.reason
    assert (failed.contact, failed.final) == (contact, final)
    assert TOKEN not in failed.reason


async def test_after_a_429_everything_waits_as_long_as_it_says(api: Api) -> None:
    client, _ = await api.open(
        script(lambda: refused(429, {"X-RateLimit-Reset": "17"}, title="Too many requests"), page)
    )
    assert isinstance(await client.get("deals"), Page)
    assert api.clock.slept == [17.0]
    assert client.stats.throttled == 1


async def test_a_reset_that_is_a_time_of_day_is_understood(api: Api) -> None:
    moment = api.clock.now_us() // MICROSECONDS + 12
    headers = {"X-RateLimit-Reset": str(moment), "Date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    client, _ = await api.open(script(lambda: refused(429, headers), page))
    await client.get("deals")
    assert api.clock.slept == [12.0]


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "nan", "inf"])
async def test_a_429_that_does_not_say_how_long_waits_for_the_shortest_window(
    api: Api, header: str | None
) -> None:
    headers = {"X-RateLimit-Reset": header} if header is not None else None
    client, _ = await api.open(script(lambda: refused(429, headers, title="Too many requests"), page))
    await client.get("deals")
    assert api.clock.slept == [10.0]


async def test_a_429_for_server_time_waits_for_the_full_hour(api: Api) -> None:
    headers = {"Date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    client, _ = await api.open(
        script(lambda: refused(429, headers, title="Server time limit exceeded"), page)
    )
    await client.get("deals")
    assert api.clock.slept == [2_800.0]


async def test_429s_do_not_use_up_the_attempts_but_have_an_end(api: Api) -> None:
    server = await api.serve(lambda _: refused(429, {"X-RateLimit-Reset": "1"}))
    client = await api.client(server, retry=RetryPolicy(attempts=2, pauses=20))
    with pytest.raises(UnreachableError, match="21 times in a row") as error:
        await client.get("deals")
    assert error.value.advice


async def test_a_person_at_a_prompt_does_not_wait_for_an_hour(api: Api) -> None:
    server = await api.serve(lambda _: refused(429, {"X-RateLimit-Reset": "1800"}))
    client = await api.client(server, retry=PROMPT)
    with pytest.raises(UnreachableError, match="1,800 s"):
        await client.get("deals")
    assert api.clock.slept == []


async def test_it_pauses_by_itself_before_the_server_time_is_used_up(api: Api) -> None:
    headers = {"X-Runtime": "1620", "Date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    client, server = await api.open(lambda _: reply({"data": []}, headers=headers))
    await client.get("deals")
    assert api.clock.slept == []
    await client.get("deals")
    assert api.clock.slept == [2_800.0]
    assert len(server.asked) == 2


async def test_clients_with_a_reserve_share_everything_else(api: Api) -> None:
    policy = LimitPolicy(windows=LimitPolicy().windows[:1])
    server = await api.serve(lambda _: page())
    client = await api.client(server, policy=policy)
    modest = client.with_reserve(0.98)
    for _ in range(3):
        await modest.get("deals")
    assert api.clock.slept == [pytest.approx(10.0, rel=0.01)]
    assert client.stats.requests == 3
    assert client.budget_left() == modest.budget_left()


async def test_clients_with_another_patience_share_everything_else(api: Api) -> None:
    server = await api.serve(lambda _: reply({}, status=503))
    client = await api.client(server)
    hasty = client.with_retry(RetryPolicy(attempts=2, first_contact_attempts=2))
    with pytest.raises(UnreachableError, match="2 attempts"):
        await hasty.get("deals")
    assert len(server.asked) == client.stats.requests == 2


async def test_a_session_that_was_passed_in_stays_open(api: Api) -> None:
    server = await api.serve(lambda _: page())
    async with aiohttp.ClientSession() as session:
        connection = Connection(server.api_url, ORGANIZATION, Secret(TOKEN))
        async with ProductiveClient(connection, session=session) as client:
            await client.get("deals")
        assert not session.closed


async def test_a_client_that_is_not_open_says_so() -> None:
    clock = ManualClock()
    client = ProductiveClient(
        Connection("http://127.0.0.1:1", "1", Secret("t")), limiter=Limiter(LimitPolicy(), clock), clock=clock
    )
    with pytest.raises(RuntimeError, match="async with"):
        await client.get("deals")


async def test_no_cookie_is_ever_kept(api: Api) -> None:
    client, server = await api.open(lambda _: reply({"data": []}, headers={"Set-Cookie": "session=1"}))
    await client.get("deals")
    await client.get("deals")
    assert "Cookie" not in server.asked[1].headers


async def test_a_record_is_created_and_deleted(api: Api) -> None:
    made = {"data": {"id": "9", "type": "webhooks"}}
    client, server = await api.open(
        lambda asked: reply(made, status=201) if asked.method == "POST" else empty(204)
    )
    created = await client.post("webhooks", {"data": {"type": "webhooks", "attributes": {"event_id": 1}}})
    assert isinstance(created, Found)
    assert created.resource["id"] == "9"
    assert isinstance(await client.delete("webhooks/9"), Gone)
    assert [(a.method, a.path) for a in server.asked] == [
        ("POST", "/api/v2/webhooks"),
        ("DELETE", "/api/v2/webhooks/9"),
    ]
    assert server.asked[0].body == b'{"data":{"type":"webhooks","attributes":{"event_id":1}}}'


async def test_a_creation_that_may_have_happened_is_not_sent_again(api: Api) -> None:
    client, server = await api.open(script(lambda: empty(502), lambda: reply({"data": {}}, status=201)))
    with pytest.raises(UnreachableError, match="HTTP 502"):
        await client.post("webhooks", {})
    assert len(server.asked) == 1


async def test_a_creation_that_was_turned_away_is_sent_again(api: Api) -> None:
    client, _ = await api.open(
        script(
            lambda: refused(429, {"X-RateLimit-Reset": "1"}), lambda: reply({"data": {"id": "1"}}, status=201)
        )
    )
    assert isinstance(await client.post("webhooks", {}), Found)


ANSWERS = [
    lambda: refused(400, detail=f"no {TOKEN}"),
    lambda: refused(401, code="invalid_auth_token", detail=f"bad token {TOKEN}"),
    lambda: refused(403, code="no_person", detail=TOKEN),
    lambda: refused(403, detail=TOKEN),
    lambda: refused(415, title=TOKEN),
    lambda: refused(429, {"X-RateLimit-Reset": "999999"}, title=TOKEN),
    lambda: reply(TOKEN.encode()),
    lambda: reply({"errors": [{"detail": TOKEN}]}),
    lambda: empty(302, {"Location": f"https://{TOKEN}.example/{TOKEN}"}),
    lambda: empty(500),
]


@pytest.mark.parametrize("answer", ANSWERS)
async def test_the_token_is_in_no_error_no_value_and_no_log(
    api: Api, caplog: pytest.LogCaptureFixture, answer: object
) -> None:
    assert callable(answer)
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    client, _ = await api.open(lambda _: answer())
    shown = [repr(client.connection)]
    try:
        shown.append(repr(await client.get("deals")))
    except IngestError as error:
        causes: list[BaseException | None] = [error, error.__cause__, error.__context__]
        shown += [f"{e!r} {e}" for e in causes]
        shown.append(error.advice)
    assert len(shown) > 1
    assert TOKEN not in " ".join(shown) + caplog.text


async def test_an_answer_that_is_not_http_shows_no_token(api: Api) -> None:
    async def garble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SMTP/9 hello\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(garble, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        client = await api.client(f"http://{host}:{port}", retry=PROMPT)
        with pytest.raises(UnreachableError, match="not HTTP") as error:
            await client.get("deals")
    assert error.value.__context__ is None
    assert TOKEN not in repr(error.value)
