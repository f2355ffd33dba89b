"""Asks a person at a terminal for what no option said; without one, says which options are missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import click

from services.cli.init.answers import Answers, location_for, rule
from shared.config import TOKEN_VARIABLE
from shared.errors import ConfigError
from shared.secrets import Secret


@dataclass(frozen=True)
class Given:
    """What the options said; None is what they did not."""

    project: str | None
    organization_id: str | None
    region: str | None
    bigquery_location: str | None
    name: str | None
    alert_emails: tuple[str, ...]
    operators: tuple[str, ...]


def answers_of(given: Given, *, interactive: bool) -> Answers:
    """All answers, checked; asks for those that are missing, or takes what is usual where nobody is there.

    `ConfigError` for one that is wrong, `click.UsageError` for one that is missing and cannot be guessed.
    """

    def answer(what: str, value: str | None, question: str, usual: str | None = None) -> str:
        if value is not None:
            return rule(what)(value)
        if interactive:
            return _ask(question, rule(what), usual)
        if usual is None:
            raise click.UsageError(f"say the {what} with --{what.replace(' ', '-')}: there is nobody to ask")
        return usual

    project = answer("project", given.project, "Google Cloud project (its id)")
    organization = answer(
        "organization id", given.organization_id, "Productive organization (the number in its address)"
    )
    name = answer("name", given.name, "A short name for it, a part of all names", "main")
    region = answer("region", given.region, "Region of the services", "europe-west1")
    location = answer(
        "bigquery location", given.bigquery_location, "Where the tables are kept", location_for(region)
    )
    emails = tuple(map(rule("alert e-mail"), given.alert_emails))
    if interactive and not emails:
        said = click.prompt(
            "Who gets alerts (e-mail; empty: nobody)", default="", show_default=False, err=True
        )
        emails = (rule("alert e-mail")(said),) if said.strip() else ()
    operators = tuple(map(rule("operator"), given.operators))
    return Answers(project, organization, region, location, name, emails, operators)


def token_of(*, interactive: bool) -> Secret:
    """Productive's token: from the environment, or typed without being shown. Written nowhere."""
    text = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not text and interactive:
        text = click.prompt("Productive API token (not shown, not kept)", hide_input=True, err=True).strip()
    if not text:
        raise ConfigError(
            "no API token is set, so that it cannot be tried",
            advice=f"Set {TOKEN_VARIABLE}; Productive makes one under Settings → API integrations. Or leave "
            "all checks out with --no-check.",
        )
    return Secret(text)


def _ask(question: str, check: Callable[[str], str], usual: str | None) -> str:
    def proper(value: str) -> str:
        try:
            return check(value)
        except ConfigError as error:
            raise click.UsageError(f"{error.message}. {error.advice}") from None

    said: str = click.prompt(question, default=usual, value_proc=proper, err=True)
    return said
