"""Verifying: what Productive switched off is made anew, and every way is tried with a signed test event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from services.ingest.reading.payload import TEST_EVENT
from services.ingest.tokens import TOKENS_SECRET
from services.ingest.webhooks.address import PublicAddress
from services.ingest.webhooks.ensure import Did
from services.ingest.webhooks.probe import Heard, Prober
from services.ingest.webhooks.register import register
from services.ingest.webhooks.verify import verify
from shared.clock import MICROSECONDS
from shared.errors import ConfigError
from shared.record.values import parse_timestamp
from shared.secrets import Secret
from tests.ingest.webhooks.conftest import Office

OFF = "2026-09-23T18:46:58.000+02:00"


@pytest.fixture
async def registered(office: Office) -> Office:
    await register(office.env, office.address, office.events)
    return office


async def test_what_is_right_is_left_as_it_is_and_tried_from_end_to_end(registered: Office) -> None:
    before = dict(registered.productive.webhooks)
    outcome = await verify(registered.env, registered.prober)
    assert outcome.right
    assert not outcome.missed
    assert registered.productive.webhooks == before
    assert sorted(event for event, _ in registered.receiver.received) == [e.id for e in registered.events]
    assert {body["event"] for _, body in registered.receiver.received} == {TEST_EVENT}


async def test_what_was_switched_off_is_made_anew_and_the_old_token_still_counts(
    registered: Office,
) -> None:
    [id_] = registered.productive.at(registered.address.base)[24]
    registered.productive.webhooks[id_] |= {"deactivated_at": OFF, "state_id": 2}
    outcome = await verify(registered.env, registered.prober)
    assert outcome.right
    [(finding)] = [one for one in outcome.findings if one.ensured.did is not Did.NOTHING]
    assert finding.ensured.did is Did.RECREATED
    assert id_ not in registered.productive.webhooks
    assert len(registered.productive.at(registered.address.base)[24]) == 1
    assert len(await registered.tokens_of(24)) == 2
    off_us = parse_timestamp(OFF)
    assert isinstance(off_us, int)
    assert outcome.missed
    assert outcome.missed_since_us == off_us - 48 * 3600 * MICROSECONDS


async def test_what_somebody_deleted_is_made_anew(registered: Office) -> None:
    [id_] = registered.productive.at(registered.address.base)[24]
    del registered.productive.webhooks[id_]
    outcome = await verify(registered.env, registered.prober)
    assert outcome.right
    assert outcome.missed
    assert outcome.missed_since_us is None


async def test_a_dry_run_tells_what_is_wrong_and_leaves_it_so(registered: Office) -> None:
    [id_] = registered.productive.at(registered.address.base)[24]
    registered.productive.webhooks[id_] |= {"deactivated_at": OFF}
    before = dict(registered.productive.webhooks)
    outcome = await verify(registered.env, registered.prober, dry_run=True)
    assert not outcome.right
    assert [one.ensured.event.id for one in outcome.findings if not one.right] == [24]
    assert registered.productive.webhooks == before


async def test_tokens_that_were_lost_are_read_again(registered: Office) -> None:
    await registered.secrets.delete(TOKENS_SECRET)
    outcome = await verify(registered.env, registered.prober)
    assert outcome.right
    assert not outcome.missed


async def test_deliveries_that_fail_are_told_though_the_webhook_is_on(registered: Office) -> None:
    [id_] = registered.productive.at(registered.address.base)[24]
    registered.productive.webhooks[id_]["state_id"] = 2
    outcome = await verify(registered.env, registered.prober)
    assert [one.ensured.event.id for one in outcome.findings if one.failing] == [24]
    assert outcome.right


async def test_another_address_is_registered_when_it_is_given(registered: Office) -> None:
    other = PublicAddress.parse(registered.address.base.replace("127.0.0.1", "localhost"))
    outcome = await verify(registered.env, registered.prober, other)
    assert outcome.right
    assert len(outcome.elsewhere) == 33
    assert (await registered.registrations.required()).base == other.base


async def test_an_address_where_nobody_answers_takes_no_ones_place(registered: Office) -> None:
    before = dict(registered.productive.webhooks)
    with pytest.raises(ConfigError, match="refused") as caught:
        await verify(registered.env, registered.prober, PublicAddress.parse("http://127.0.0.1:9"))
    assert "Nothing was changed" in caught.value.advice
    assert registered.productive.webhooks == before
    assert (await registered.registrations.required()).base == registered.address.base


async def test_without_a_registration_there_is_nothing_to_verify(office: Office) -> None:
    with pytest.raises(ConfigError, match="register"):
        await verify(office.env, office.prober)


@pytest.mark.parametrize(
    ("status", "heard"),
    [
        (200, Heard.ACCEPTED),
        (401, Heard.UNSIGNED),
        (404, Heard.NOT_THERE),
        (503, Heard.TOO_BUSY),
        (302, Heard.REDIRECTED),
        (500, Heard.ANOTHER_ANSWER),
    ],
)
async def test_each_answer_of_the_receiver_is_told_in_words(
    registered: Office, status: int, heard: Heard
) -> None:
    registered.receiver.status = status
    outcome = await verify(registered.env, registered.prober)
    assert {finding.heard for finding in outcome.findings} == {heard}
    assert outcome.right is (heard is Heard.ACCEPTED)
    assert heard is Heard.ACCEPTED or heard.advice


async def test_a_receiver_that_is_not_there_is_told(registered: Office) -> None:
    await registered.receiver.stop()
    outcome = await verify(registered.env, registered.prober)
    assert {finding.heard for finding in outcome.findings} == {Heard.REFUSED}


@pytest.fixture
async def silent() -> AsyncIterator[str]:
    """A server that takes a request and never answers."""
    runner = web.ServerRunner(web.Server(_never, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _never(request: web.BaseRequest) -> web.Response:
    await request.read()
    await asyncio.Event().wait()
    return web.Response()


async def test_a_receiver_that_hangs_is_told(office: Office, silent: str) -> None:
    heard, _ = await Prober(office.clock, seconds=0.05).knock(
        office.events[0], f"http://{silent}/x", Secret("t")
    )
    assert heard is Heard.TIMEOUT


async def test_a_host_without_encryption_or_without_a_name_is_told(office: Office, silent: str) -> None:
    heard, details = await office.prober.knock(office.events[0], f"https://{silent}/x", Secret("t-o-k-e-n"))
    assert heard is Heard.NO_TLS
    assert "t-o-k-e-n" not in details
    heard, _ = await office.prober.knock(office.events[0], "http://nowhere.invalid/x", Secret("t"))
    assert heard in {Heard.NO_SUCH_HOST, Heard.REFUSED, Heard.BROKEN}


async def test_a_token_that_is_not_the_webhooks_own_is_corrected(registered: Office) -> None:
    for event in registered.events:
        [id_] = registered.productive.at(registered.address.base)[event.id]
        await registered.env.tokens.add(event.id, id_, Secret("another-token-of-ours"))
    outcome = await verify(registered.env, registered.prober)
    assert outcome.right
    assert {finding.ensured.did for finding in outcome.findings} == {Did.TOKEN_READ}
