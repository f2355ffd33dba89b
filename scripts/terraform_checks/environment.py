"""The services' environment: what is set is read, and what is read is set, or left out for a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from scripts.terraform_checks.module import Module
from shared.config import TOKEN_VARIABLE
from shared.config.settings import SETTINGS

READ: Final = frozenset(
    {setting.env for setting in SETTINGS if setting.env}
    | {TOKEN_VARIABLE, "PRODUCTIVE_INGEST_CONFIG", "LOG_FORMAT", "GOOGLE_CLOUD_PROJECT"}
)
"""What services read. The standard variables of OpenTelemetry (docs/tracing.md) are the exporter's own."""

LEFT_OUT: Final[Mapping[str, str]] = {
    TOKEN_VARIABLE: "the token is in Secret Manager, where whoever may see the service does not see it",
    "PRODUCTIVE_API_URL": "Productive has one address; another one is for sandboxes",
    "PRODUCTIVE_LIMIT_SCALE": "for sandboxes",
    "DUCKDB_MEMORY": "the warehouse is BigQuery",
    "PORT": "Cloud Run sets it",
    "WRITER_METRICS_PORT": "a worker pool has no address, and this version of the provider no probe for it",
}


def set_by(module: Module) -> frozenset[str]:
    """All names that the module gives to any service."""
    places = [module.locals["environment"], *module.resources.values()]
    return frozenset(name for place in places for name in _names(place))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from re.findall(r"\b([A-Z][A-Z0-9_]{2,}) = ", value)
    elif isinstance(value, Mapping):
        yield from (key for key in value if re.fullmatch(r"[A-Z][A-Z0-9_]{2,}", key))
        for one in value.values():
            yield from _names(one)
    elif isinstance(value, list):
        for one in value:
            yield from _names(one)


def check(module: Module) -> Iterator[str]:
    """Names that are set in vain, and names that are missing."""
    given = set_by(module)
    for name in sorted(given - READ):
        yield f"the environment: no service reads {name}"
    for name in sorted(READ - given - LEFT_OUT.keys()):
        yield f"the environment: {name} is read and not set; set it, or say in LEFT_OUT why not"
    for name in sorted(given & LEFT_OUT.keys()):
        yield f"the environment: {name} is set although {LEFT_OUT[name]}"
