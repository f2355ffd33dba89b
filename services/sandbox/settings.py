"""How a sandbox is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from services.sandbox.limits import Limits
from services.sandbox.webhooks.settings import WebhookSettings


@dataclass(frozen=True, kw_only=True)
class SandboxSettings:
    """Everything that decides what a sandbox holds and how it answers."""

    seed: int = 1
    """The same seed gives the same organization, byte for byte."""

    people: int = 50
    """How many work at the agency; everything else grows with it (50 make about 20,000 records)."""

    today: date = date(2026, 11, 20)
    """The day on which the organization's history ends."""

    limits: Limits | None = None
    """The rate limits; None lets everybody in."""

    bulk: Mapping[str, int] = field(default_factory=dict)
    """Tables to blow up, with the number of records to add; they cost no memory (eight bytes each)."""

    latency: float = 0.0
    """Seconds that every answer is held back."""

    gzip: bool = False
    """Whether answers are compressed for clients that accept it."""

    newest_first: bool = False
    """The default order of lists: by id, or by id from the newest. The real one is not documented."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free port."""

    token: str = "sandbox-0d3b6f52-5c1e-4f0a-9b7d-2f6f1f0c8a11"  # noqa: S105 -- opens nothing but the sandbox
    """The one valid API token."""

    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    """How webhooks are sent."""

    webhooks_allowed: bool = True
    """Whether the organization's plan has webhooks; without it nobody can register one."""

    read_only: bool = False
    """Whether the token may only read."""

    log_size: int = 20_000
    """How many of the last requests are remembered."""

    def __post_init__(self) -> None:
        if self.people < 2:
            raise ValueError("an agency needs at least 2 people")
