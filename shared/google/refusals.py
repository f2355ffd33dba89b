"""What a service of Google's refuses to an examination, as a finding with the command that mends it."""

from __future__ import annotations

from google.api_core import exceptions

from shared.google.commands import LOG_IN, enable_api
from shared.google.failures import Place, as_ours, is_switched_off, is_transient, is_without_credentials
from shared.google.findings import Finding, problem


def refused(subject: str, error: Exception, place: Place, *, grant: str, create: str = "") -> Finding:
    """The finding for an error of one of Google's clients.

    `grant` gives the right that the call needs, `create` makes the resource that was asked for.
    """
    text = as_ours(error, place).message
    if is_transient(error):
        return problem(subject, text)
    if is_without_credentials(error):
        return problem(subject, text, LOG_IN)
    if is_switched_off(error):
        return problem(subject, text, enable_api(place.service.api, place.project))
    if isinstance(error, exceptions.Forbidden):
        return problem(subject, text, grant)
    if isinstance(error, exceptions.NotFound):
        return problem(subject, text, create)
    return problem(subject, text)
