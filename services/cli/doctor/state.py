"""What crawls, writers and webhooks left behind in the stores: whether the pipeline gets on."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Collection, Sequence

from services.backfill.checkpoint import CheckpointStore, Run, Status
from services.backfill.held import HeldStore
from services.cli.pipeline import WRITER_LEASE
from services.ingest.tokens import TokenBook
from services.ingest.webhooks.registration import RegistrationStore
from shared.clock import MICROSECONDS, Clock
from shared.config import Settings
from shared.google.findings import Finding, good, problem, warning
from shared.objects import Objects, open_objects
from shared.objects.lease import is_held
from shared.room import counted, duration
from shared.secrets import open_secrets
from shared.urls import path_of, scheme_of

_DAY = 86_400.0
_MARGIN = 2 * _DAY
_MOST_NAMED = 5


async def examine_state(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """Writer, last crawl, deletions held back and webhooks, from what is stored; asks nobody else."""
    if scheme_of(settings.objects_url) == "file" and not path_of(settings.objects_url).is_dir():
        return [_never()]
    objects = await open_objects(settings.objects_url, clock=clock)
    try:
        known = {name.split("/")[1] for name in await objects.list("organizations/")}
        only = next(iter(known)) if len(known) == 1 else None
        organization = settings.organization_id or only
        found = await _writer(settings, objects)
        if organization is None:
            return [*found, _never()]
        found += _others(known - {organization}, organization)
        found.extend([finding async for finding in _crawl(settings, objects, organization, clock)])
        found.append(await _webhooks(settings, objects, organization, clock))
        return found
    finally:
        await objects.close()


def _never() -> Finding:
    return warning("last crawl", "there has been none", "productive-ingest backfill")


def _others(others: Collection[str], ours: str) -> list[Finding]:
    if not others:
        return []
    other = sorted(others)[0]
    text = f"these stores hold {other}, and {ours} is set: crawls of it are refused, as rows would be mixed"
    return [problem("organization", text, f"export PRODUCTIVE_ORGANIZATION_ID={shlex.quote(other)}")]


async def _writer(settings: Settings, objects: Objects) -> list[Finding]:
    if scheme_of(settings.bus_url) != "sqlite":
        return []
    running = await is_held(objects, WRITER_LEASE)
    text = "one runs" if running else "none runs now; `run` and `backfill` bring their own"
    return [good("writer", text)]


async def _crawl(
    settings: Settings, objects: Objects, organization: str, clock: Clock
) -> AsyncIterator[Finding]:
    store = CheckpointStore(objects, organization)
    run = await store.run()
    if run is None:
        yield _never()
        return
    yield _age(settings, run, clock)
    failed = []
    for name in run.tables:
        checkpoint = await store.table(name)
        if checkpoint is not None and checkpoint.run_id == run.id and checkpoint.status is Status.FAILED:
            failed.append(name)
    if failed:
        text = f"{counted(len(failed), 'table')} failed in the last crawl: {_some(failed)}"
        yield warning("tables", text, "productive-ingest backfill")
    for held in await HeldStore(objects, organization).all():
        if not held.confirmed:
            text = f"{counted(held.count, 'deletion')} of {held.table} held back: {held.reason}"
            yield warning("deletions", text, f"productive-ingest backfill --confirm-deletions {held.table}")


def _age(settings: Settings, run: Run, clock: Clock) -> Finding:
    now_us = clock.now_us()
    if run.finished_us is None:
        since = (now_us - run.started_us) / MICROSECONDS
        text = f"began {duration(since)} ago and has not ended; the next one goes on where it was"
        return (
            warning("last crawl", text, "productive-ingest backfill")
            if since > _DAY
            else good("last crawl", text)
        )
    age = (now_us - run.finished_us) / MICROSECONDS
    text = f"ended {duration(age)} ago"
    if age > settings.full_every_hours * 3_600 + _MARGIN:
        return warning(
            "last crawl", f"{text}; what no webhook tells of is as old as that", "productive-ingest backfill"
        )
    return good("last crawl", text)


async def _webhooks(settings: Settings, objects: Objects, organization: str, clock: Clock) -> Finding:
    registration = await RegistrationStore(objects, organization).read()
    if registration is None:
        return warning(
            "webhooks",
            "none were registered from here, so that changes arrive with the next crawl only",
            "productive-ingest webhooks register --url https://HOST",
        )
    secrets = await open_secrets("env:", settings.secrets_url)
    try:
        tokens = TokenBook(secrets, clock)
        held = {one.event_id for one in await tokens.held() if one.retired_until_us is None}
        await tokens.close()
    finally:
        await secrets.close()
    lost = [event for event in registration.events if event not in held]
    if lost:
        text = (
            f"the signature tokens of {len(lost)} of {len(registration.events)} events are missing, so that "
        )
        return problem("webhooks", text + "their deliveries are refused", "productive-ingest webhooks verify")
    return good(
        "webhooks",
        f"{len(registration.events)} events are registered at {registration.base}; "
        "`productive-ingest webhooks verify` asks Productive whether they still arrive",
    )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
