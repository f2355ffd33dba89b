"""Where we run, as far as the environment tells."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

SERVICE_VARIABLES: Final = ("K_SERVICE", "CLOUD_RUN_JOB", "CLOUD_RUN_WORKER_POOL")
"""Set by Cloud Run in services, jobs and worker pools (documented); their values are the names."""

_OF_URL = re.compile(r"(?:pubsub|bigquery|secretmanager)://([a-z0-9.:-]{1,80})(?:/|$)")
_URLS = ("BUS_URL", "INTAKE_URL", "WAREHOUSE_URL", "SECRETS_URL")


def service_name(environ: Mapping[str, str]) -> str | None:
    """The name of the Cloud Run service, job or worker pool that we are; None elsewhere."""
    return next((environ[name] for name in SERVICE_VARIABLES if environ.get(name)), None)


def project(environ: Mapping[str, str]) -> str | None:
    """The id of our project on Google Cloud: set outright, else the one that the stores are in."""
    named = environ.get("GOOGLE_CLOUD_PROJECT")
    if named:
        return named
    matches = (_OF_URL.match(environ.get(name, "")) for name in _URLS)
    return next((match[1] for match in matches if match), None)
