"""Every metric there is, declared once; `scripts/metrics_page.py` makes `docs/metrics.md` of it."""

from __future__ import annotations

from typing import Final

from shared.telemetry.metric import Metric
from shared.telemetry.metrics import crawl, intake, process, writer

METRICS: Final = tuple(
    declared
    for module in (intake, writer, crawl, process)
    for declared in vars(module).values()
    if isinstance(declared, Metric)
)
"""All of them, in the order in which they are declared."""
