"""Google Cloud as the stores' URLs name it: who we are there, its metrics, and the use of its quotas.

Imported only where a store is there: Google's clients are not installed on every machine.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from services.cli.doctor.sections import Section, examined
from shared.clock import Clock
from shared.errors import ConfigError, IngestError
from shared.google.account import Account, look_at_account
from shared.google.commands import MEMBER, grant_on_project
from shared.google.endpoints import (
    BIGQUERY,
    MONITORING,
    PUBSUB,
    SECRET_MANAGER,
    STORAGE,
    STORAGE_WRITE,
    Service,
)
from shared.google.examination import Store
from shared.google.failures import Place
from shared.google.findings import Finding, unknown
from shared.google.monitoring import Monitoring
from shared.google.names import parse_cloud_url
from shared.google.quotas import look_at_quotas
from shared.google.refusals import refused
from shared.urls import scheme_of

_SERVICES: Final[Mapping[str, tuple[Service, ...]]] = {
    "pubsub": (PUBSUB,),
    "bigquery": (BIGQUERY, STORAGE_WRITE),
    "gs": (STORAGE,),
    "secretmanager": (SECRET_MANAGER,),
}
_VIEWER: Final = "roles/monitoring.viewer"


@dataclass(frozen=True)
class Cloud:
    """The account that asks, and the metrics of each project; none beside stand-ins of the other services."""

    account: Section
    member: str
    services: tuple[Service, ...]
    metrics: Mapping[str, Monitoring]
    project: str

    def metrics_of(self, url: str) -> Monitoring | None:
        """The metrics of the project that a store's URL names."""
        return self.metrics.get(_project(url))

    async def quotas(self) -> Section:
        """How much of the quotas is used."""
        return await examined("Quotas", self._quotas, refused=unknown)

    async def _quotas(self) -> Sequence[Finding]:
        findings: list[Finding] = []
        for project, monitoring in self.metrics.items():
            apis = [service.api for service in self.services]
            try:
                findings += await look_at_quotas(project, apis, monitoring)
            except IngestError as error:
                place = Place(MONITORING, f"the metrics of {project}", project, _VIEWER)
                cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
                grant = grant_on_project(project, self.member, _VIEWER)
                told = refused("Cloud Monitoring", cause, place, grant=grant)
                text = f"{told.text}; so backlogs and quotas are not known"
                findings.append(unknown(told.subject, text, told.fix))
        return findings


@asynccontextmanager
async def open_cloud(urls: Mapping[Store, str], clock: Clock) -> AsyncIterator[Cloud]:
    """Google Cloud for these stores, while the body runs."""
    schemes = [scheme_of(url) for url in urls.values()]
    services = tuple(dict.fromkeys(service for scheme in schemes for service in _SERVICES.get(scheme, ())))
    accounts: list[Account] = []

    async def look() -> Sequence[Finding]:
        accounts.append(await look_at_account(services))
        return [accounts[0].finding]

    section = await examined("Google account", look)
    member = accounts[0].member if accounts else MEMBER
    async with AsyncExitStack() as stack:
        metrics = {}
        for project in _projects(urls, services) if not section.of("problem") else ():
            metrics[project] = Monitoring(project, clock)
            stack.push_async_callback(partial(metrics[project].close))
        yield Cloud(section, member, services, metrics, next(iter(_named(urls)), "PROJECT"))


def _projects(urls: Mapping[Store, str], services: Sequence[Service]) -> Sequence[str]:
    """The projects that the URLs name, unless their metrics would not be those of the stand-ins in use."""
    if MONITORING.stand_in is None and any(service.stand_in is not None for service in services):
        return ()
    return _named(urls)


def _named(urls: Mapping[Store, str]) -> Sequence[str]:
    named = [url for url in urls.values() if scheme_of(url) != "gs"]
    return list(dict.fromkeys(filter(None, map(_project, named))))


def _project(url: str) -> str:
    """The project that a URL names; nothing for one that is mistaken, which its own section tells."""
    try:
        return parse_cloud_url(url, example=url).first
    except ConfigError:
        return ""
