"""Registering: one webhook per event at our address, whatever was there and wherever it was interrupted."""

from __future__ import annotations

import contextlib
import random

import pytest

from services.ingest.tokens import TOKENS_SECRET, TokenBook
from services.ingest.webhooks.address import PublicAddress
from services.ingest.webhooks.ensure import Did
from services.ingest.webhooks.environment import WebhooksEnvironment
from services.ingest.webhooks.events import choose
from services.ingest.webhooks.register import register
from services.ingest.webhooks.remove import remove
from services.ingest.webhooks.rotate import rotate
from shared.errors import BusyError, ConfigError, CredentialsError, IngestError, UnreachableError
from shared.objects.lease import hold_lease
from shared.secrets import open_secrets
from tests.ingest.webhooks.conftest import Office

OLD = "https://old.example"
FOREIGN = "https://hooks.zapier.com/hooks/standard/1/"


async def right(office: Office) -> bool:
    """Whether each event has exactly one webhook at our address, and its token counts here."""
    there = office.productive.at(office.address.base)
    for event_id, ids in there.items():
        newest = (await office.tokens_of(event_id))[0]
        if len(ids) != 1 or newest != office.signature_token(ids[0]):
            return False
    return sorted(there) == [event.id for event in office.events]


async def test_all_33_events_get_a_webhook_whose_token_is_held(office: Office) -> None:
    outcome = await register(office.env, office.address, office.events)
    assert outcome.created == 33
    assert await right(office)
    assert {webhook["type_id"] for webhook in office.productive.webhooks.values()} == {1}
    registration = await office.registrations.required()
    assert registration.base == office.address.base
    assert len(registration.events) == 33


async def test_a_second_run_makes_and_changes_nothing(office: Office) -> None:
    await register(office.env, office.address, office.events)
    before, posts = dict(office.productive.webhooks), office.productive.count("POST")
    outcome = await register(office.env, office.address, office.events)
    assert {one.did for one in outcome.events} == {Did.NOTHING}
    assert office.productive.webhooks == before
    assert office.productive.count("POST") == posts
    assert office.productive.count("DELETE") == 0


async def test_a_second_run_after_a_rotation_leaves_the_secret_as_it_is(office: Office) -> None:
    await register(office.env, office.address, office.events)
    await rotate(office.env)
    before = await office.secrets.get(TOKENS_SECRET)
    office.clock.advance(3600)
    await register(office.env, office.address, office.events)
    assert await office.secrets.get(TOKENS_SECRET) == before


async def test_webhooks_that_the_list_does_not_show_are_not_made_again(office: Office) -> None:
    await register(office.env, office.address, office.events)
    office.productive.lists_lag = True
    outcome = await register(office.env, office.address, office.events)
    assert {one.did for one in outcome.events} == {Did.NOTHING}
    assert len(office.productive.webhooks) == 33
    office.productive.lists_lag = False
    assert await right(office)


async def test_tokens_that_are_held_are_not_asked_for_again(office: Office) -> None:
    office.productive.list_shows_token = False
    await register(office.env, office.address, office.events)
    office.productive.asked.clear()
    await register(office.env, office.address, office.events)
    assert all("/webhooks/" not in path for _, path in office.productive.asked)


async def test_a_few_events_can_be_registered_and_others_later(office: Office) -> None:
    await register(office.env, office.address, office.events[:2])
    await register(office.env, office.address, office.events[2:4])
    assert len(office.productive.webhooks) == 4
    assert len((await office.registrations.required()).events) == 4


async def test_webhooks_of_others_are_left_alone(office: Office) -> None:
    office.productive.add(24, FOREIGN, type_id=2)
    office.productive.add(1, f"{office.address.base}/webhooks/productive/24")
    before = dict(office.productive.webhooks)
    await register(office.env, office.address, office.events, replace=True)
    await remove(office.env, everywhere=True)
    assert office.productive.webhooks == before


@pytest.mark.parametrize("list_shows_token", [True, False])
async def test_a_token_that_was_lost_is_read_from_productive(office: Office, list_shows_token: bool) -> None:
    await register(office.env, office.address, office.events)
    await office.secrets.delete(TOKENS_SECRET)
    office.productive.list_shows_token = list_shows_token
    outcome = await register(office.env, office.address, office.events)
    assert {one.did for one in outcome.events} == {Did.TOKEN_READ}
    assert office.productive.count("POST") == 33
    assert await right(office)


async def test_a_token_that_productive_does_not_tell_is_kept_when_held_and_replaced_when_lost(
    office: Office,
) -> None:
    office.productive.list_shows_token = False
    await register(office.env, office.address, office.events[:1])
    office.productive.get_shows_token = False
    outcome = await register(office.env, office.address, office.events[:1])
    assert outcome.events[0].did is Did.NOTHING
    await office.secrets.delete(TOKENS_SECRET)
    with pytest.raises(IngestError, match="does not tell its signature token"):
        await register(office.env, office.address, office.events[:1])


async def test_duplicates_at_the_same_address_are_removed_and_the_newest_stays(office: Office) -> None:
    for event in office.events:
        office.productive.add(event.id, office.address.target(event.id))
        office.productive.add(event.id, office.address.target(event.id))
    newest = {event_id: ids[-1:] for event_id, ids in office.productive.at(office.address.base).items()}
    outcome = await register(office.env, office.address, office.events)
    assert outcome.created == 0
    assert office.productive.at(office.address.base) == newest
    assert await right(office)


async def test_webhooks_on_many_pages_are_all_seen(office: Office) -> None:
    office.productive.page_size = 10
    await register(office.env, office.address, office.events)
    assert (await register(office.env, office.address, office.events)).created == 0
    assert await right(office)


async def test_webhooks_at_an_older_address_are_told_and_removed_when_asked(office: Office) -> None:
    for event in office.events:
        office.productive.add(event.id, f"{OLD}/webhooks/productive/{event.id}")
    outcome = await register(office.env, office.address, office.events)
    assert len(outcome.elsewhere) == 33
    assert not outcome.replaced
    assert len(office.productive.at(OLD)) == 33
    outcome = await register(office.env, office.address, office.events, replace=True)
    assert outcome.replaced
    assert office.productive.at(OLD) == {}
    assert await right(office)


@pytest.mark.parametrize("failing_write", range(0, 8, 2))
async def test_what_was_interrupted_anywhere_is_finished_by_the_next_run(
    office: Office, failing_write: int
) -> None:
    event = office.events[0]
    office.productive.add(event.id, office.address.target(event.id))
    office.productive.add(event.id, office.address.target(event.id))
    office.productive.add(event.id, f"{OLD}/webhooks/productive/{event.id}")
    office.productive.fail_after = failing_write
    with pytest.raises(UnreachableError):
        await register(office.env, office.address, office.events, replace=True)
    office.productive.fail_after = None
    await register(office.env, office.address, office.events, replace=True)
    assert await right(office)
    assert office.productive.at(OLD) == {}


async def test_a_webhook_that_was_made_without_our_learning_of_it_is_taken_over(office: Office) -> None:
    office.productive.lose_answers = 1
    with pytest.raises(UnreachableError):
        await register(office.env, office.address, office.events)
    assert len(office.productive.webhooks) == 1
    await register(office.env, office.address, office.events)
    assert len(office.productive.webhooks) == 33
    assert await right(office)


async def test_a_dry_run_changes_nothing_and_tells_what_it_would_do(office: Office) -> None:
    office.productive.add(24, office.address.target(24))
    outcome = await register(office.env, office.address, office.events, replace=True, dry_run=True)
    assert [one.did for one in outcome.events].count(Did.CREATED) == 32
    assert [one.did for one in outcome.events].count(Did.TOKEN_READ) == 1
    assert {method for method, _ in office.productive.asked} == {"GET"}
    assert await office.registrations.read() is None
    assert await office.env.tokens.held() == []


async def test_a_plan_without_webhooks_is_explained(office: Office) -> None:
    office.productive.plan = False
    with pytest.raises(CredentialsError) as caught:
        await register(office.env, office.address, office.events)
    assert "Ultimate" in caught.value.advice
    assert "scheduled crawls" in caught.value.advice


async def test_a_token_that_may_only_read_is_explained(office: Office) -> None:
    office.productive.may_write = False
    with pytest.raises(CredentialsError) as caught:
        await register(office.env, office.address, office.events)
    assert "Ultimate" not in caught.value.advice
    assert "may write" in caught.value.advice


async def test_an_address_that_productive_does_not_take_is_explained(office: Office) -> None:
    office.productive.refuse_target = True
    with pytest.raises(ConfigError, match="does not take a webhook for"):
        await register(office.env, office.address, office.events)


async def test_nothing_is_made_when_its_token_could_not_be_kept(office: Office) -> None:
    env = WebhooksEnvironment(
        **{**vars(office.env), "tokens": TokenBook(await open_secrets("env:"), office.clock)}
    )
    with pytest.raises(ConfigError):
        await register(env, office.address, office.events)
    assert office.productive.webhooks == {}


async def test_an_address_of_this_machine_is_only_for_an_api_on_this_machine(office: Office) -> None:
    office.env.client.connection = type(office.env.client.connection)(
        "https://api.productive.io/api/v2", "4711", office.env.client.connection.token
    )
    with pytest.raises(ConfigError, match="cannot reach"):
        await register(office.env, PublicAddress.parse("http://127.0.0.1:8080"), office.events)


async def test_two_at_once_do_not_get_into_each_others_way(office: Office) -> None:
    async with hold_lease(office.env.objects, office.env.lease_name, office.clock, what="a test"):
        for change in (
            register(office.env, office.address, office.events),
            rotate(office.env),
            remove(office.env),
        ):
            with pytest.raises(BusyError):
                await change
    assert office.productive.webhooks == {}


async def test_rotation_gives_every_event_a_new_token_and_lets_the_old_one_count(office: Office) -> None:
    await register(office.env, office.address, office.events)
    before = {event.id: await office.tokens_of(event.id) for event in office.events}
    outcome = await rotate(office.env, grace_seconds=3600)
    assert outcome.created == 33
    assert await right(office)
    for event in office.events:
        new, old = await office.tokens_of(event.id)
        assert [old] == before[event.id]
        assert new != old
    office.clock.advance(3600)
    assert all([len(await office.tokens_of(event.id)) == 1 for event in office.events])


async def test_without_grace_no_token_of_any_earlier_rotation_counts_any_more(office: Office) -> None:
    await register(office.env, office.address, office.events)
    await rotate(office.env)
    await rotate(office.env, grace_seconds=0)
    assert [len(await office.tokens_of(event.id)) for event in office.events] == [1] * 33
    assert await right(office)


async def test_no_old_webhook_is_deleted_before_all_new_ones_are_there(office: Office) -> None:
    await register(office.env, office.address, office.events)
    await rotate(office.env)
    methods = [method for method, _ in office.productive.asked if method != "GET"]
    assert methods == ["POST"] * 66 + ["DELETE"] * 33


@pytest.mark.parametrize("failing_write", [0, 1, 32, 33, 34, 60])
async def test_a_rotation_that_was_interrupted_is_healed_by_the_next_command(
    office: Office, failing_write: int
) -> None:
    await register(office.env, office.address, office.events)
    office.productive.fail_after = failing_write
    with pytest.raises(UnreachableError):
        await rotate(office.env)
    office.productive.fail_after = None
    await register(office.env, office.address, office.events)
    assert await right(office)


async def test_rotation_needs_a_registration(office: Office) -> None:
    with pytest.raises(ConfigError, match="no webhooks have been registered"):
        await rotate(office.env)


async def test_removing_deletes_ours_and_keeps_their_tokens_for_a_while(office: Office) -> None:
    await register(office.env, office.address, office.events)
    other = office.productive.add(24, f"{OLD}/webhooks/productive/24")
    foreign = office.productive.add(24, FOREIGN)
    outcome = await remove(office.env)
    assert len(outcome.removed) == 33
    assert [webhook.id for webhook in outcome.left] == [other]
    assert sorted(office.productive.webhooks) == sorted([other, foreign])
    assert len(await office.tokens_of(24)) == 1
    office.clock.advance(73 * 3600)
    assert await office.tokens_of(24) == []
    assert await office.registrations.read() is None


async def test_removing_everywhere_includes_older_addresses(office: Office) -> None:
    office.productive.add(24, f"{OLD}/webhooks/productive/24")
    assert len((await remove(office.env, everywhere=True, dry_run=True)).removed) == 1
    assert len(office.productive.webhooks) == 1
    await remove(office.env, everywhere=True)
    assert office.productive.webhooks == {}


async def test_some_events_can_be_removed(office: Office) -> None:
    await register(office.env, office.address, office.events)
    await remove(office.env, office.events[:3])
    assert len(office.productive.webhooks) == 30
    assert len((await office.registrations.required()).events) == 30


async def test_a_removal_that_was_interrupted_is_finished_by_the_next_one(office: Office) -> None:
    await register(office.env, office.address, office.events)
    office.productive.fail_after = 5
    with pytest.raises(UnreachableError):
        await remove(office.env)
    office.productive.fail_after = None
    await remove(office.env)
    assert office.productive.webhooks == {}


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_the_next_register_makes_it_right(office: Office, seed: int) -> None:
    chance = random.Random(seed)
    events = choose(office.env.catalog, office.env.tables, ["task", "deal"])
    foreign = [office.productive.add(event.id, FOREIGN) for event in events]
    for _ in range(12):
        office.productive.fail_after = chance.choice([None, *range(9)])
        office.productive.lose_answers = chance.choice([0, 0, 1])
        office.productive.list_shows_token = chance.random() < 0.5
        ours = [id_ for id_ in office.productive.webhooks if id_ not in foreign]
        if ours and chance.random() < 0.5:
            webhook = office.productive.webhooks[chance.choice(ours)]
            webhook["deactivated_at"] = "2026-11-19T10:00:00.000+01:00"
        if ours and chance.random() < 0.3:
            del office.productive.webhooks[chance.choice(ours)]
        if chance.random() < 0.3:
            await office.secrets.delete(TOKENS_SECRET)
        if chance.random() < 0.3:
            event = chance.choice(events)
            office.productive.add(event.id, office.address.target(event.id))
        with contextlib.suppress(IngestError):
            match chance.randrange(4):
                case 0:
                    await register(office.env, office.address, events, replace=True)
                case 1:
                    await register(office.env, PublicAddress(OLD.replace("https", "http")), events)
                case 2:
                    await rotate(office.env)
                case _:
                    await remove(office.env)
        office.clock.advance(chance.choice([0, 3600, 90_000]))
    office.productive.fail_after, office.productive.lose_answers = None, 0
    await register(office.env, office.address, events, replace=True)
    there = office.productive.at(office.address.base)
    assert sorted(there) == [event.id for event in events]
    for event_id, ids in there.items():
        assert len(ids) == 1
        assert (await office.tokens_of(event_id))[0] == office.signature_token(ids[0])
    assert sorted(foreign + [ids[0] for ids in there.values()]) == sorted(office.productive.webhooks)
    assert (await register(office.env, office.address, events)).created == 0
