"""A crawl of the sandbox organization through the real services."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from services.sandbox import Sandbox, SandboxSettings
from shared.secrets import open_secrets
from tests.e2e.agency_live import plain
from tests.e2e.cloud import TABLES, rows_of
from tests.e2e.expected import assert_same
from tests.e2e.harness import Home
from tests.google.bigquery_place import BigqueryPlace


async def test_a_crawl_ends_in_bigquery_as_the_source_has_it(
    tmp_path: Path, project: str, buses: list[str], bucket: str, bigquery_place: BigqueryPlace
) -> None:
    secrets_url = f"secretmanager://{project}/test-{secrets.token_hex(4)}"
    async with Sandbox(SandboxSettings(people=6)) as sandbox:
        home = Home(
            tmp_path,
            {
                "PRODUCTIVE_API_URL": sandbox.url,
                "PRODUCTIVE_API_TOKEN": sandbox.token,
                "PRODUCTIVE_ORGANIZATION_ID": sandbox.organization_id,
                "PRODUCTIVE_LIMIT_SCALE": "1000",
                "BUS_URL": f"pubsub://{project}/{buses[0]}",
                "INTAKE_URL": f"pubsub://{project}/{buses[1]}",
                "WAREHOUSE_URL": bigquery_place.url,
                "OBJECTS_URL": f"gs://{bucket}/productive",
                "SECRETS_URL": secrets_url,
            },
        )
        home.only(*TABLES)
        try:
            (await asyncio.to_thread(home.run, "backfill")).ok()
            (await asyncio.to_thread(home.run, "writer", "--drain", patience=600.0)).ok()
            for table in TABLES:
                rows = await asyncio.to_thread(rows_of, bigquery_place, table)
                assert_same(table, [plain(one) for one in sandbox.organization.resources(table)], rows)
            (await asyncio.to_thread(home.run, "verify", "--sample", "all")).ok()
        finally:
            store = await open_secrets(secrets_url)
            for name in await store.names():
                await store.delete(name)
            await store.close()
