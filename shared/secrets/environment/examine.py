"""Looks at secrets in the environment: there is nothing about it that could be wrong."""

from __future__ import annotations

from collections.abc import Sequence

from shared.google.examination import Examination
from shared.google.findings import Finding, warning


async def examine(_url: str, _examination: Examination) -> Sequence[Finding]:
    """See `shared.google.examination`."""
    return [warning("environment", "can only be read: the webhooks' tokens need a place that can be written")]
