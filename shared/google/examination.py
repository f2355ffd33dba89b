"""What an adapter's `examine` gets to know, and how it tells of a service that refuses.

Each adapter folder may hold an `examine.py` with `async def examine(url, examination) -> Sequence[Finding]`.
It makes nothing and changes nothing, needs no store to be there, and asks with deadlines.
This module imports nothing of Google's: the embedded adapters use it, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from shared.clock import Clock
from shared.google.commands import MEMBER
from shared.google.findings import Finding, problem
from shared.google.rights import Resource, Right, ServiceRole

CALL_SECONDS: Final = 10.0
"""How long one call of an examination may take."""


class Store(StrEnum):
    """What a store is used for."""

    RECORDS = "records"
    INTAKE = "intake"
    WAREHOUSE = "warehouse"
    OBJECTS = "objects"
    SECRETS = "secrets"


class Measured(Protocol):
    """One value of a metric; see `shared.google.monitoring.Point`."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Of the resource and of the metric."""
        ...

    @property
    def value(self) -> float:
        """The newest, the sum or the largest one."""
        ...


class Metrics(Protocol):
    """Where an examination reads metrics; see `shared.google.monitoring.Monitoring`."""

    async def latest(
        self, metric: str, *, labels: Mapping[str, str] = ..., window_seconds: float = ...
    ) -> Sequence[Measured]:
        """The newest value of each time series."""
        ...

    async def totals(
        self, metric: str, *, labels: Mapping[str, str] = ..., window_seconds: float = ...
    ) -> Sequence[Measured]:
        """The sum of each time series."""
        ...

    async def highest(
        self, metric: str, *, labels: Mapping[str, str] = ..., window_seconds: float = ...
    ) -> Sequence[Measured]:
        """The largest value of each time series."""
        ...


@dataclass(frozen=True)
class Examination:
    """What is examined and on whose behalf.

    `member` is the account that asks, as IAM writes it. `services` are those whose rights are looked for.
    Without `metrics` nothing is said about what only Cloud Monitoring knows. `tables` are the tables chosen,
    `secrets` the names of the secrets that have to be in this store. `project` is one that is in use, for a
    store whose URL names none.
    """

    store: Store
    clock: Clock
    member: str = MEMBER
    project: str = "PROJECT"
    services: frozenset[ServiceRole] = frozenset(ServiceRole)
    metrics: Metrics | None = None
    tables: Sequence[str] = ()
    secrets: Mapping[Resource, str] = field(default_factory=dict)


def lacking(subject: str, right: Right, member: str, fix: str) -> Finding:
    """The finding for a right that is missing."""
    words = "permission" if len(right.permissions) == 1 else "permissions"
    names = ", ".join(right.permissions)
    who = "this account" if member == MEMBER else member
    return problem(subject, f"{who} lacks the {words} {names}, to {right.why}", fix)
