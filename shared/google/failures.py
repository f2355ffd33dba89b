"""Errors of Google's clients, as what a person can do about them.

What Google's clients raise: `google.api_core.exceptions` for answers, `google.auth.exceptions` for
credentials, and for REST those of `requests` underneath. The codes' meaning is that of the documentation of
google.rpc.Code; which permission is missing is in the message ("Permission 'pubsub.topics.publish'
denied ..."), a switched-off API is an `ErrorInfo` with the reason SERVICE_DISABLED (both documented).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from shared.errors import IngestError, StorageError, UnreachableError
from shared.google.endpoints import Service

_PERMISSION = re.compile(r"(?<![@\w.-])([a-z]+(?:\.[a-zA-Z]+){2,3})\b(?! *\.)")

TRANSIENT = (
    exceptions.ServerError,  # UNAVAILABLE, DEADLINE_EXCEEDED, INTERNAL, UNKNOWN and every 5xx
    exceptions.TooManyRequests,  # and RESOURCE_EXHAUSTED
    exceptions.Aborted,
    exceptions.Cancelled,
    exceptions.RetryError,
    auth_exceptions.TransportError,
    ConnectionError,
    TimeoutError,
)
"""What may go away by itself. `requests.ConnectionError` is an `OSError` and taken by name below."""

_NO_CREDENTIALS = (
    auth_exceptions.GoogleAuthError,
    exceptions.Unauthenticated,
    exceptions.Unauthorized,
)


@dataclass(frozen=True, slots=True)
class Place:
    """What was used when something failed: for messages (`what`) and for commands that mend it."""

    service: Service
    what: str
    project: str
    role: str
    """The predefined role with the least rights that lets it be used as we do."""


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later, with nothing changed by anybody."""
    if isinstance(error, auth_exceptions.RefreshError):
        return bool(error.retryable)
    return isinstance(error, TRANSIENT) or type(error).__module__.startswith(("requests.", "urllib3."))


def is_without_credentials(error: BaseException) -> bool:
    """Whether nobody, or nobody that Google knows, has asked."""
    return isinstance(error, _NO_CREDENTIALS)


def is_switched_off(error: BaseException) -> bool:
    """Whether the service's API is not switched on in the project."""
    return isinstance(error, exceptions.Forbidden) and (
        getattr(error, "reason", None) == "SERVICE_DISABLED" or "has not been used in project" in str(error)
    )


def as_ours(error: Exception, place: Place) -> IngestError:
    """The error in our words, with the command that mends it where one does."""
    if isinstance(error, IngestError):
        return error
    if is_transient(error):
        return UnreachableError(
            f"{place.what}: {place.service.title} does not answer ({_brief(error)})",
            advice="It is tried again; https://status.cloud.google.com tells of troubles of Google's.",
        )
    if is_without_credentials(error):
        return StorageError(
            f"{place.what}: no valid Google credentials ({_brief(error)})",
            advice="On a machine of your own: `gcloud auth application-default login`. On Cloud Run: give "
            "the service a service account.",
        )
    if isinstance(error, exceptions.Forbidden):
        return _forbidden(error, place)
    if isinstance(error, exceptions.NotFound):
        return StorageError(
            f"{place.what} does not exist ({_brief(error)})",
            advice="Check its name and project in the settings; `productive-ingest doctor` looks for it.",
        )
    return StorageError(
        f"{place.what}: {place.service.title} refuses ({_brief(error)})",
        advice="`productive-ingest doctor` looks for the cause.",
    )


def _forbidden(error: exceptions.Forbidden, place: Place) -> StorageError:
    if is_switched_off(error):
        return StorageError(
            f"{place.what}: the API of {place.service.title} is switched off in {place.project}",
            advice=f"`gcloud services enable {place.service.api} --project {place.project}`.",
        )
    permission = missing_permission(str(error))
    named = f" {permission}" if permission else ""
    return StorageError(
        f"{place.what}: the permission{named} is missing ({_brief(error)})",
        advice=f"`gcloud projects add-iam-policy-binding {place.project} --member=MEMBER "
        f"--role={place.role}`, where MEMBER is serviceAccount:EMAIL or user:EMAIL.",
    )


def missing_permission(text: str) -> str | None:
    """The permission that a refusal names, such as `bigquery.tables.updateData`."""
    for found in _PERMISSION.findall(text):
        if not found.endswith(".com"):
            return str(found)
    return None


def _brief(error: BaseException) -> str:
    """The error's own words on one line, without what it may quote of a request."""
    # Of a REST client the message begins with the request; the service's own words come with the answer.
    answered = getattr(error, "errors", None) or ()
    said = next((each.get("message") for each in answered if isinstance(each, dict)), None)
    text = str(said or getattr(error, "message", "") or error) or type(error).__name__
    return " ".join(text.split())[:300]
