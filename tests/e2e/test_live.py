"""A change in Productive is in the warehouse soon after, whatever happens on the way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from services.sandbox import WebhookSettings
from tests.e2e.agency_live import NEVER_OFF, living

ROUGH = WebhookSettings(complete_share=0.3, duplicate_share=0.3, shuffle=0.4, delete_with_object=True)


async def test_changes_arrive_by_webhook_without_any_crawl_after_the_first(tmp_path: Path) -> None:
    async with living(tmp_path, WebhookSettings(complete_share=0.3)) as live:
        (await live.run("backfill")).ok()
        async with live.running("run", "--every", "1000") as running:
            registered = (await live.run("webhooks", "register", "--url", live.url, "--json")).ok().json
            assert len(registered["events"]) == 33
            before = len(live.sandbox.requests)
            live.load.step(150)
            await live.settle()
            lists = [one for one in live.sandbox.requests[before:] if "page[after]" in dict(one.query)]
            await live.stop(running)
        live.assert_equal()
        assert len(lists) <= 10, "the one crawl at the start, at most"


@pytest.mark.parametrize("seed", [1, 2])
async def test_duplicates_reordering_and_crawls_at_the_same_time_end_equal(tmp_path: Path, seed: int) -> None:
    async with living(tmp_path, ROUGH, seed=seed) as live:
        async with live.running("run", "--every", "0.005") as running:
            (await live.run("webhooks", "register", "--url", live.url)).ok()
            await live.work(rate=60, seconds=4)
            await live.settle("intake")  # the crawls never end to fill the other one
            await live.stop(running)
        (await live.run("writer", "--drain")).ok()
        live.assert_equal()


async def test_nothing_that_was_answered_with_yes_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    patient = replace(ROUGH, retry_seconds=(0.3,) * 200, deactivate_after=NEVER_OFF, timeout=2.0)
    async with living(tmp_path, patient) as live:
        (await live.run("backfill")).ok()
        async with live.running("run", "--every", "1000"):
            (await live.run("webhooks", "register", "--url", live.url)).ok()
        working = asyncio.create_task(live.work(rate=40, seconds=7))
        for pause in (0.4, 0.1, 0.7):
            async with live.running("run", "--every", "1000"):
                await asyncio.sleep(pause)  # and then it is killed, wherever it is
        async with live.running("run", "--every", "1000") as running:
            await working
            await live.settle()
            await live.stop(running)
        assert live.sandbox.webhooks.counters.given_up == 0
        live.assert_equal()


async def test_serve_and_writer_do_it_as_processes_of_their_own(tmp_path: Path) -> None:
    async with living(tmp_path, WebhookSettings(complete_share=0.5)) as live:
        (await live.run("backfill")).ok()
        with live.home.start("writer") as writer:
            async with live.running("serve") as serving:
                (await live.run("webhooks", "register", "--url", live.url)).ok()
                assert (await live.run("webhooks", "verify", "--json")).ok().json["right"]
                live.load.step(60)
                await live.settle()
                await live.stop(serving)
            await live.stop(writer)
        live.assert_equal()


async def test_what_may_not_be_read_waits_in_the_dead_letters_until_it_is_replayed(tmp_path: Path) -> None:
    async with living(tmp_path) as live:
        (await live.run("backfill")).ok()
        async with live.running("run", "--every", "1000") as running:
            (await live.run("webhooks", "register", "--url", live.url)).ok()
            live.sandbox.faults.unavailable["tasks"] = (403, "forbidden")
            [renamed] = [live.load.perform("rename_task")]
            assert renamed is not None
            await live.settle()
            [letter] = (await live.run("deadletters", "list", "--json")).ok().json["dead_letters"]
            assert letter["event_id"] == "24"
            assert "forbidden" in letter["reason"].lower() or "403" in letter["reason"]
            shown = (await live.run("deadletters", "show", letter["id"])).ok().stdout
            assert renamed.id in shown
            del live.sandbox.faults.unavailable["tasks"]
            (await live.run("deadletters", "replay", letter["id"])).ok()
            await live.settle()
            assert (await live.run("deadletters", "list", "--json")).ok().json["total"] == 0
            await live.stop(running)
        live.assert_equal()


async def test_an_outage_in_which_productive_gave_up_is_healed(tmp_path: Path) -> None:
    async with living(tmp_path, WebhookSettings(retry_seconds=(0.01,), deactivate_after=4)) as live:
        (await live.run("backfill")).ok()
        async with live.running("run", "--every", "1000"):
            (await live.run("webhooks", "register", "--url", live.url)).ok()
        for step in ("log_time", "edit_time", "rename_task", "close_task", "delete_time", "move_deal") * 5:
            live.load.perform(step)
        await live.sandbox.webhooks.idle()
        assert live.sandbox.webhooks.counters.withdrawn == 30
        async with live.running("run", "--every", "1000") as running:
            verified = (await live.run("webhooks", "verify", "--replay", "--json")).ok().json
            assert verified["right"]
            live.load.step(10)
            await live.settle()
            await live.stop(running)
        live.assert_equal()
