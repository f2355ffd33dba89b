"""How much of its quotas a project uses, from Cloud Monitoring.

The metrics `serviceruntime.googleapis.com/quota/...` of the resource `consumer_quota` are documented under
"Using quota metrics": limits are told once a day, the use of a rate per minute and method (the highest of the
last hour counts), the use of an allocation as it is, and `exceeded` when something was refused. Limits per
day are left out, as the use of a whole day is nowhere told.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from shared.google.examination import Measured, Metrics
from shared.google.findings import Finding, good, problem, unknown, warning

_METRIC: Final = "serviceruntime.googleapis.com/quota/"
_DAYS: Final = 2 * 86_400.0
_HOUR: Final = 3_600.0
_MUCH: Final = 0.8
_UNLIMITED: Final = 10.0**15
_MOST_TOLD: Final = 5


class _Quota(NamedTuple):
    """What a limit is on: a metric of a service in a place."""

    service: str
    metric: str
    location: str


class _Use(NamedTuple):
    """A quota with how much of it is used, from 0 to 1 and beyond."""

    quota: _Quota
    used: float
    limit: float

    @property
    def share(self) -> float:
        return self.used / self.limit


async def look_at_quotas(project: str, services: Sequence[str], metrics: Metrics) -> Sequence[Finding]:
    """What to say about the quotas of these APIs (`pubsub.googleapis.com`); raises what `metrics` does."""
    limits, rates, allocations, exceeded = await asyncio.gather(
        _of(services, metrics.latest, "limit", _DAYS),
        _of(services, metrics.highest, "rate/net_usage", _HOUR),
        _of(services, metrics.latest, "allocation/usage", _DAYS),
        _of(services, metrics.highest, "exceeded", _HOUR),
    )
    refused = sorted({_quota(point) for point in exceeded if point.value})
    used = _used([*rates, *allocations], limits)
    findings = [
        problem("quota", f"{_name(one)} was exceeded within the last hour", _show(one, project))
        for one in refused[:_MOST_TOLD]
    ]
    much = [use for use in used if use.share > _MUCH and use.quota not in refused]
    findings += [
        warning(
            "quota",
            f"{_name(use.quota)} was used by {use.share:.0%} within the last hour "
            f"({use.used:,.0f} of {use.limit:,.0f})",
            _show(use.quota, project),
        )
        for use in much[:_MOST_TOLD]
    ]
    if findings:
        return findings
    if not used:
        return [unknown("quotas", f"Cloud Monitoring tells of no use of them in {project}")]
    text = f"{len(used)} are measured; the most used, {_name(used[0].quota)}, is at {used[0].share:.1%}"
    return [good("quotas", text)]


async def _of(
    services: Sequence[str], read: Callable[..., Awaitable[Sequence[Measured]]], kind: str, window: float
) -> Sequence[Measured]:
    found = await asyncio.gather(
        *(read(_METRIC + kind, labels={"service": one}, window_seconds=window) for one in services)
    )
    return [point for points in found for point in points]


def _used(points: Iterable[Measured], limits: Iterable[Measured]) -> list[_Use]:
    """The most used first; where a quota has several limits, by the one that is nearest."""
    sums: dict[_Quota, float] = defaultdict(float)
    for point in points:
        sums[_quota(point)] += point.value
    uses: dict[_Quota, _Use] = {}
    for point in limits:
        quota, per_minute = _quota(point), _per_minute(point.labels)
        if per_minute is None or quota not in sums or not 0 < point.value < _UNLIMITED:
            continue
        use = _Use(quota, sums[quota], point.value * per_minute)
        if quota not in uses or use.share > uses[quota].share:
            uses[quota] = use
    return sorted(uses.values(), key=lambda use: -use.share)


def _per_minute(labels: Mapping[str, str]) -> float | None:
    """What a limit is to be multiplied by to be one per minute, by its name: `...PerMinutePerProject`."""
    name = labels.get("limit_name", "").lower().replace("-", "")
    if "perday" in name:
        return None
    if "per100second" in name:
        return 0.6
    return 60.0 if "persecond" in name else 1.0


def _quota(point: Measured) -> _Quota:
    labels = point.labels
    return _Quota(labels.get("service", ""), labels.get("quota_metric", ""), labels.get("location", "global"))


def _name(quota: _Quota) -> str:
    return f"{quota.metric or quota.service} ({quota.location})"


def _show(quota: _Quota, project: str) -> str:
    return f"gcloud beta quotas info list --service={quota.service} --project={project}"
