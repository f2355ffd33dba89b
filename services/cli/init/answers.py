"""What has to be known of an installation, each answer checked as Terraform's module checks it.

A test compares the rules with those in infra/terraform/variables.tf.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from shared.errors import ConfigError

PREFIX: Final = "productive"
"""What all names begin with: the default of Terraform's variable `prefix`."""

PROJECT: Final = r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$"
REGION: Final = r"^[a-z]+(-[a-z]+)+[0-9]+$"
LOCATION: Final = r"^(EU|US|[a-z]+(-[a-z]+)+[0-9]+)$"
NAME: Final = r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$|^[a-z]$"
ORGANIZATION: Final = r"^[0-9]{1,20}$"
EMAIL: Final = r"^[^@ ]+@[^@ ]+\.[^@ ]+$"
OPERATOR: Final = r"^(user|group|serviceAccount):[^@ ]+@[^@ ]+$"


@dataclass(frozen=True)
class Rule:
    """What an answer has to be like: a pattern, and the same in words with an example."""

    pattern: str
    words: str

    def checked(self, what: str, value: str) -> str:
        """The value without white space around it; `ConfigError` when it does not fit."""
        value = value.strip()
        if re.search(self.pattern, value) is None or not value.isprintable():
            raise ConfigError(f"{what} {value[:80]!r} is none", advice=f"It has to be {self.words}.")
        return value


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "project": Rule(
            PROJECT,
            "a project's id like acme-data: 6 to 30 lower-case letters, digits and dashes, a letter first; "
            "not its number and not its title",
        ),
        "region": Rule(REGION, "one of Cloud Run's regions, like europe-west1; not a zone (europe-west1-b)"),
        "bigquery location": Rule(LOCATION, "EU, US, or a region like europe-west3"),
        "name": Rule(NAME, "1 to 20 lower-case letters, digits and dashes, a letter first and no dash last"),
        "organization id": Rule(ORGANIZATION, "the number before the first dash in Productive's web address"),
        "alert e-mail": Rule(EMAIL, "an address like data@example.com"),
        "operator": Rule(OPERATOR, "written as IAM does: user:NAME@DOMAIN or group:NAME@DOMAIN"),
    }
)


def rule(what: str) -> Callable[[str], str]:
    """The check of one answer by its name in `RULES`."""
    return lambda value: RULES[what].checked(what, value)


@dataclass(frozen=True)
class Answers:
    """An installation for one organization of Productive; all of it checked."""

    project: str
    organization_id: str
    region: str
    bigquery_location: str
    name: str
    alert_emails: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """What the names of this organization's resources begin with."""
        return f"{PREFIX}-{self.name}"

    @property
    def urls(self) -> Mapping[str, str]:
        """Where Terraform's module makes the stores: the keys of `[storage]` in the configuration file."""
        dataset = self.base.replace("-", "_")
        return {
            "bus_url": f"pubsub://{self.project}/{self.base}-records",
            "intake_url": f"pubsub://{self.project}/{self.base}-deliveries",
            "warehouse_url": f"bigquery://{self.project}/{dataset}",
            "objects_url": f"gs://{self.project}-{self.base}/state",
            "secrets_url": f"secretmanager://{self.project}/{self.base}",
        }


def location_for(region: str) -> str:
    """Where the tables are best kept for services in a region: its continent, else the region itself."""
    return {"europe": "EU", "us": "US"}.get(region.partition("-")[0], region)
