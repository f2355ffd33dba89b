"""The same services on Google Cloud: crawl and webhooks → Pub/Sub → writer → BigQuery."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from services.sandbox import WebhookSettings
from tests.e2e.agency_live import NEVER_OFF
from tests.e2e.cloud import in_the_cloud
from tests.google.bigquery_place import BigqueryPlace

pytestmark = pytest.mark.timeout(400)

ROUGH = WebhookSettings(complete_share=0.4, duplicate_share=0.3, shuffle=0.4, delete_with_object=True)


async def test_a_crawl_and_webhooks_end_in_bigquery_as_the_source_has_it(
    tmp_path: Path, bigquery_place: BigqueryPlace
) -> None:
    async with in_the_cloud(tmp_path, bigquery_place, ROUGH) as cloud:
        live = cloud.live
        (await live.run("backfill")).ok()
        assert cloud.unacked("records"), "a crawl only publishes; the writer is another process"
        async with cloud.writing() as writer, live.running("serve") as serving:
            (await live.run("webhooks", "register", "--url", live.url)).ok()
            assert list(cloud.secrets.secrets), "the signature tokens are kept"
            live.load.step(80)
            await cloud.settle()
            await live.stop(serving)
            await cloud.stop(writer)
        await cloud.assert_equal()
        verdict = (await live.run("verify", "--sample", "all", "--json")).ok().json
        assert verdict["right"]
        assert len(verdict["tables"]) == 6
        status = (await live.run("status", "--json")).ok().json
        assert status["dead_letters"] == 0
        assert status["tables"]["deals"]["warehouse"]["rows"] > 0


async def test_streams_that_are_cut_servers_that_restart_and_writers_that_end_lose_nothing(
    tmp_path: Path, bigquery_place: BigqueryPlace
) -> None:
    patient = replace(ROUGH, retry_seconds=(0.3,) * 200, deactivate_after=NEVER_OFF, timeout=5.0)
    async with in_the_cloud(tmp_path, bigquery_place, patient) as cloud:
        live = cloud.live
        (await live.run("backfill")).ok()
        async with live.running("serve") as serving:
            (await live.run("webhooks", "register", "--url", live.url)).ok()
            async with cloud.writing():
                await cloud.hear(" rows")
                cloud.pubsub.cut_streams()
                live.load.step(30)
                await cloud.hear("tasks: ")
            # ... and then it was killed, wherever it was.
            async with cloud.writing() as writer:
                live.load.step(30)
                port = cloud.pubsub.port
                await cloud.pubsub.stop()
                await cloud.pubsub.start(port)
                live.load.step(30)
                await cloud.hear(" rows")
                await cloud.stop(writer)
            # What the killed writer had is free when its leases have run out.
            cloud.end_leases()
            async with cloud.writing() as writer:
                await cloud.settle()
                await cloud.stop(writer)
            await live.stop(serving)
        assert live.sandbox.webhooks.counters.given_up == 0
        await cloud.assert_equal()


async def test_one_process_does_it_all_with_a_bus_on_this_machine(
    tmp_path: Path, bigquery_place: BigqueryPlace
) -> None:
    async with in_the_cloud(tmp_path, bigquery_place, ROUGH) as cloud:
        live = cloud.live
        for name in ("BUS_URL", "INTAKE_URL", "OBJECTS_URL", "SECRETS_URL"):
            del live.home.variables[name]
        (await live.run("backfill")).ok()
        await cloud.assert_equal()
        async with live.running("run", "--every", "1000") as running:
            (await live.run("webhooks", "register", "--url", live.url)).ok()
            live.load.step(40)
            await live.settle()
            await live.stop(running)
        await cloud.assert_equal()
        answer = (await live.run("query", "--json", "SELECT count(*) AS deals FROM deals")).ok().json
        assert answer["columns"] == ["deals"]
