"""Tries what can be tried before anything is made: Productive's token, and the project if it can be asked."""

from __future__ import annotations

import asyncio
from importlib import import_module

from services.backfill.check import Access, check_access
from shared.catalog import load_catalog
from shared.catalog.selection import select
from shared.clock import SystemClock
from shared.config import Settings
from shared.google.findings import Finding, unknown
from shared.productive import PROMPT, Connection, Limiter, LimitPolicy, ProductiveClient
from shared.secrets import Secret


async def try_token(settings: Settings, organization_id: str, token: Secret) -> list[Access]:
    """What `check` asks: every selected table for one record. Raises as `check_access`.

    No store is opened: those that the settings name may be on Google Cloud, and not there yet.
    """
    clock = SystemClock()
    policy = LimitPolicy(concurrency=settings.concurrency).scaled(1 / settings.limit_scale)
    connection = Connection(settings.api_url, organization_id, token)
    async with ProductiveClient(
        connection, limiter=Limiter(policy, clock), clock=clock, retry=PROMPT
    ) as client:
        return await check_access(client, select(load_catalog(), settings.selection))


async def try_project(project: str) -> Finding:
    """Whether the project is there, as far as this machine can tell; it needs no credentials to go on."""
    try:
        module = import_module("shared.google.project")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "shared":
            raise
        return unknown(
            f"project {project}",
            "not looked at, because Google's clients are not installed here",
            "pip install 'productive-ingest[cloud]'",
        )
    finding: Finding = await asyncio.to_thread(module.look_at_project, project)
    return finding
