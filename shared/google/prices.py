"""Google's prices as far as this pipeline meets them: dated constants, each with where it is from.

None was compared with a bill. All are list prices in US dollars without tax; the free amounts are per billing
account and month, and other projects of the same account use them up, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Final

from shared.errors import ConfigError

NOTED: Final = "2026-11"
"""When these were written down, from copies of Google's price pages of 2025 and 2026."""

_PAGES: Final = "https://cloud.google.com/"


def _price(default: float, source: str) -> float:
    return field(default=default, metadata={"source": source})


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars per unit, and what is free each month. GiB and TiB are 2^30 and 2^40 bytes."""

    query_tib: float = _price(6.25, "bigquery/pricing, on demand")
    query_free_tib: float = _price(1.0, "bigquery/pricing")
    storage_gib: float = _price(0.02, "bigquery/pricing, active logical storage")
    storage_free_gib: float = _price(10.0, "bigquery/pricing")
    write_gib: float = _price(0.025, "bigquery/pricing, Storage Write API")
    write_free_gib: float = _price(2_048.0, "bigquery/pricing")
    pubsub_tib: float = _price(40.0, "pubsub/pricing")
    pubsub_free_gib: float = _price(10.0, "pubsub/pricing")
    vcpu_second: float = _price(0.000_018, "run/pricing, instance-based, tier 1 regions")
    vcpu_free_seconds: float = _price(240_000.0, "run/pricing")
    gib_second: float = _price(0.000_002, "run/pricing, instance-based, tier 1 regions")
    gib_free_seconds: float = _price(450_000.0, "run/pricing")
    object_writes_10k: float = _price(0.05, "storage/pricing, class A, one region")
    object_writes_free: float = _price(5_000.0, "storage/pricing, some regions of the US only")
    secret_version: float = _price(0.06, "secret-manager/pricing")
    secret_versions_free: float = _price(6.0, "secret-manager/pricing")
    secret_reads_10k: float = _price(0.03, "secret-manager/pricing")
    secret_reads_free: float = _price(10_000.0, "secret-manager/pricing")


_TIER_2: Final = Prices(vcpu_second=0.000_025_2, gib_second=0.000_002_8)
REGIONS: Final[dict[str, Prices]] = {
    "us": Prices(),
    "eu": Prices(object_writes_free=0.0),
    # London, Frankfurt, Zurich and others: Cloud Run's dearer tier; BigQuery is dearer in some, too.
    "eu-tier-2": Prices(
        vcpu_second=_TIER_2.vcpu_second, gib_second=_TIER_2.gib_second, object_writes_free=0.0
    ),
}


def priced(prices: Prices, changes: dict[str, float]) -> Prices:
    """The prices with some of them changed; `ConfigError` for a name that there is not, or a negative one."""
    known = {one.name for one in fields(Prices)}
    for name, value in changes.items():
        if name not in known:
            raise ConfigError(f"there is no price {name!r}", advice=f"There are: {', '.join(sorted(known))}.")
        if not 0 <= value < float("inf"):
            raise ConfigError(
                f"the price {name} is to be zero or more", advice="For instance query_tib=8.13."
            )
    values = {one.name: getattr(prices, one.name) for one in fields(Prices)}
    return Prices(**{**values, **changes})


def without_free_amounts(prices: Prices) -> Prices:
    """The same where other projects use up what is free."""
    return priced(prices, {one.name: 0.0 for one in fields(Prices) if "_free" in one.name})


def sources() -> list[tuple[str, float, str]]:
    """Every price of the region `us`, with the page that it is from."""
    return [
        (one.name, getattr(Prices(), one.name), _PAGES + one.metadata["source"]) for one in fields(Prices)
    ]
