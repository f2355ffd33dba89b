"""Who we are to Google: the credentials of the environment, tried, and their account as IAM writes it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final, NamedTuple

import google.auth
from google.auth import exceptions
from google.auth.transport.requests import Request

from shared.google.commands import LOG_IN, MEMBER
from shared.google.endpoints import Service
from shared.google.examination import CALL_SECONDS
from shared.google.findings import Finding, good, problem, unknown

_SUBJECT: Final = "Google account"
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)


class Account(NamedTuple):
    """`member` is `serviceAccount:EMAIL`, or `MEMBER` where no name is known, as for a person's login."""

    member: str
    finding: Finding


async def look_at_account(services: tuple[Service, ...]) -> Account:
    """The account that is used for these services; none is needed where all of them are stand-ins."""
    if all(service.stand_in is not None for service in services):
        return Account(MEMBER, good(_SUBJECT, "none is needed: only stand-ins of Google's services are used"))
    try:
        credentials = await asyncio.to_thread(_credentials)
    except exceptions.DefaultCredentialsError as error:
        text = f"there are no credentials, so that nothing on Google Cloud was looked at ({_brief(error)})"
        return Account(MEMBER, problem(_SUBJECT, text, LOG_IN))
    member = _member(credentials)
    who = "a person's login" if member == MEMBER else member
    try:
        await asyncio.to_thread(credentials.refresh, partial(Request(), timeout=CALL_SECONDS))
    except exceptions.RefreshError as error:
        text = f"the credentials of {who} are refused, so that nothing on Google Cloud was looked at"
        text = f"{text} ({_brief(error)})"
        return Account(member, problem(_SUBJECT, text, LOG_IN))
    except exceptions.GoogleAuthError as error:
        return Account(member, unknown(_SUBJECT, f"{who} could not be tried ({_brief(error)})"))
    # A metadata server tells its account's name only with a token.
    member = _member(credentials)
    return Account(member, good(_SUBJECT, "a person's login" if member == MEMBER else member))


def _credentials() -> Any:
    credentials, _ = google.auth.default(scopes=_SCOPES)
    return credentials


def _member(credentials: Any) -> str:
    email = getattr(credentials, "service_account_email", None)
    if email and email != "default":
        return f"serviceAccount:{email}"
    person = getattr(credentials, "account", None)
    return f"user:{person}" if person else MEMBER


def _brief(error: Exception) -> str:
    return " ".join(str(error.args[0] if error.args else error).split())[:200]
