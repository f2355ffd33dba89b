"""What a process tells about itself."""

from __future__ import annotations

from typing import Final

from shared.telemetry.metric import Metric

BUILD_INFO: Final = Metric(
    "productive_build_info",
    "gauge",
    "process",
    "Always 1; its labels say which version runs, on which Python.",
    "Two versions at once for longer than a deployment takes: one of them was forgotten.",
    labels=("version", "python"),
)
