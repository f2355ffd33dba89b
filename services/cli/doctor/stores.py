"""Which examination belongs to which store: each adapter brings its own, found by the URL's scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from services.cli.doctor.sections import Section, examined
from shared.config import Settings
from shared.google.examination import Examination, Store
from shared.google.findings import Finding, problem
from shared.google.installed import import_adapter
from shared.urls import scheme_of

_TITLES: Final[Mapping[Store, str]] = {
    Store.RECORDS: "Bus of the records",
    Store.INTAKE: "Bus of webhooks' deliveries",
    Store.WAREHOUSE: "Warehouse",
    Store.OBJECTS: "Objects",
    Store.SECRETS: "Secrets",
}
_BUS: Final = {"sqlite": "shared.bus.sqlite.examine", "pubsub": "shared.bus.pubsub.examine"}
_EXAMINERS: Final[Mapping[Store, Mapping[str, str]]] = {
    Store.RECORDS: _BUS,
    Store.INTAKE: _BUS,
    Store.WAREHOUSE: {
        "duckdb": "shared.warehouse.duckdb.examine",
        "bigquery": "shared.warehouse.bigquery.examine",
    },
    Store.OBJECTS: {"file": "shared.objects.folder.examine", "gs": "shared.objects.gcs.examine"},
    Store.SECRETS: {
        "env": "shared.secrets.environment.examine",
        "file": "shared.secrets.file.examine",
        "secretmanager": "shared.secrets.secretmanager.examine",
    },
}


def urls(settings: Settings) -> Mapping[Store, str]:
    """Where each store is."""
    return {
        Store.RECORDS: settings.bus_url,
        Store.INTAKE: settings.intake_url,
        Store.WAREHOUSE: settings.warehouse_url,
        Store.OBJECTS: settings.objects_url,
        Store.SECRETS: settings.secrets_url,
    }


CLOUD: Final = frozenset({"pubsub", "bigquery", "gs", "secretmanager"})
"""The schemes of stores on Google Cloud."""


async def examine_store(url: str, examination: Examination) -> Section:
    """What is to be said about one store."""
    title = _TITLES[examination.store]

    async def examine() -> Sequence[Finding]:
        scheme = scheme_of(url)
        module = _EXAMINERS[examination.store].get(scheme)
        if module is None:
            available = ", ".join(f"`{name}:`" for name in _EXAMINERS[examination.store])
            return [problem(title, f"`{scheme}:` is not available in this version; there is {available}")]
        found: Sequence[Finding] = await import_adapter(module, scheme).examine(url, examination)
        return found

    return await examined(title, examine)
