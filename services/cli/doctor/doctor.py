"""All examinations together, at once; what is looked at follows from the stores that the settings name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Final

from services.cli.doctor.productive import examine_productive
from services.cli.doctor.sections import Section, examined
from services.cli.doctor.state import examine_state
from services.cli.doctor.stores import CLOUD, examine_store, urls
from services.cli.selection import look_at_selection
from services.cli.world import TOKEN_SECRET
from services.ingest.tokens import TOKENS_SECRET
from shared.catalog.hash_key import KEY_SECRET
from shared.clock import Clock
from shared.config import TOKEN_VARIABLE, Settings
from shared.errors import ConfigError
from shared.google.examination import Examination, Store
from shared.google.findings import Finding, unknown
from shared.google.installed import import_adapter
from shared.google.rights import Resource, ServiceRole
from shared.urls import scheme_of

ALL_SERVICES: Final = frozenset(ServiceRole)
_SELECTION_SECONDS: Final = 10.0


async def examine_all(
    settings: Settings, clock: Clock, *, services: frozenset[ServiceRole] = ALL_SERVICES
) -> Sequence[Section]:
    """Every section there is something to say about, those that are well first."""
    stores = urls(settings)
    async with AsyncExitStack() as stack:
        cloud = await _cloud(stores, clock, stack)
        usable = _usable(stores, cloud)
        examinations = await _examine_stores(settings, usable, clock, services, cloud)
        productive = partial(examine_productive, settings, secrets=Store.SECRETS in usable)
        examinations.append(examined("Productive", productive))
        if {Store.SECRETS, Store.OBJECTS} <= usable.keys():
            state = partial(examine_state, settings, clock)
            examinations.append(examined("Crawls, writer and webhooks", state, refused=unknown))
        sections = [*_account(cloud), *await asyncio.gather(*examinations)]
    return sorted((section for section in sections if section.findings), key=_badness)


async def cloud_problems(settings: Settings, clock: Clock) -> Sequence[Finding]:
    """What is missing on Google Cloud; nothing where no store is there."""
    stores = {store: url for store, url in urls(settings).items() if _scheme(url) in CLOUD}
    async with AsyncExitStack() as stack:
        cloud = await _cloud(stores, clock, stack)
        usable = _usable(stores, cloud)
        examinations = await _examine_stores(settings, usable, clock, ALL_SERVICES, cloud)
        sections = [*_account(cloud), *await asyncio.gather(*examinations)]
    return [finding for section in sections for finding in section.of("problem")]


async def _examine_stores(
    settings: Settings,
    stores: Mapping[Store, str],
    clock: Clock,
    services: frozenset[ServiceRole],
    cloud: Any,
) -> list[Coroutine[Any, Any, Section]]:
    """The examinations of these stores and of the quotas, not begun."""
    tables = await _tables(settings) if stores else ()
    examinations = [cloud.quotas()] if cloud is not None and not cloud.account.of("problem") else []
    for store, url in stores.items():
        examination = Examination(store, clock, services=services, tables=tables, secrets=_secrets(settings))
        if _scheme(url) in CLOUD:
            examination = replace(
                examination, member=cloud.member, metrics=cloud.metrics_of(url), project=cloud.project
            )
        examinations.append(examine_store(url, examination))
    return examinations


def _account(cloud: Any) -> Sequence[Section]:
    return () if cloud is None else (cloud.account,)


def _usable(stores: Mapping[Store, str], cloud: Any) -> Mapping[Store, str]:
    """The stores that can be looked at: without an account, none on Google Cloud."""
    if cloud is None or not cloud.account.of("problem"):
        return stores
    return {store: url for store, url in stores.items() if _scheme(url) not in CLOUD}


async def _cloud(stores: Mapping[Store, str], clock: Clock, stack: AsyncExitStack) -> Any:
    """Google Cloud where a store is there, else None."""
    there = {store: url for store, url in stores.items() if _scheme(url) in CLOUD}
    if not there:
        return None
    module = import_adapter("services.cli.doctor.cloud", _scheme(next(iter(there.values()))))
    return await stack.enter_async_context(module.open_cloud(there, clock))


def _scheme(url: str) -> str:
    """The scheme; nothing for a URL that has none, which its own section tells."""
    try:
        return scheme_of(url)
    except ConfigError:
        return ""


def _secrets(settings: Settings) -> Mapping[Resource, str]:
    """The secrets that have to be in the store: the token need not where the environment has it."""
    token = {} if os.environ.get(TOKEN_VARIABLE) else {Resource.API_TOKEN: TOKEN_SECRET}
    hashing = {Resource.HASH_KEY: KEY_SECRET} if settings.selection.hash_columns else {}
    return {**token, **hashing, Resource.WEBHOOK_TOKENS: TOKENS_SECRET}


async def _tables(settings: Settings) -> Sequence[str]:
    """The tables chosen; none where the store of the organization's own fields fails, which is told apart."""
    try:
        async with asyncio.timeout(_SELECTION_SECONDS):
            return list((await look_at_selection(settings)).tables)
    except Exception:
        return ()


def _badness(section: Section) -> int:
    return 2 if section.of("problem") else 1 if section.of("warning") else 0
