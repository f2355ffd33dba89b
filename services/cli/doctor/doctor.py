"""All examinations together, at once; what is looked at follows from the stores that the settings name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from services.cli.doctor.productive import examine_productive
from services.cli.doctor.sections import Section, examined
from services.cli.doctor.state import examine_state
from services.cli.doctor.stores import examine_store, urls
from services.cli.selection import look_at_selection
from shared.clock import Clock
from shared.config import Settings
from shared.google.examination import Examination
from shared.google.rights import ServiceRole


async def examine_all(
    settings: Settings, clock: Clock, *, services: frozenset[ServiceRole] = frozenset(ServiceRole)
) -> Sequence[Section]:
    """Every section there is something to say about, those that are well first."""
    tables = await _tables(settings)
    sections = await asyncio.gather(
        examined("Productive", partial(examine_productive, settings)),
        *(
            examine_store(url, Examination(store, clock, services=services, tables=tables))
            for store, url in urls(settings).items()
        ),
        examined("Crawls, writer and webhooks", partial(examine_state, settings, clock)),
    )
    return sorted((section for section in sections if section.findings), key=_badness)


async def _tables(settings: Settings) -> Sequence[str]:
    """The tables chosen; by the settings alone where the store of the organization's own fields fails."""
    try:
        async with asyncio.timeout(10):
            return list((await look_at_selection(settings)).tables)
    except Exception:
        return ()


def _badness(section: Section) -> int:
    return 2 if section.of("problem") else 1 if section.of("warning") else 0
