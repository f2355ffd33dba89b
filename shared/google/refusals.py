"""What a service of Google's refuses to an examination, as a finding with the command that mends it."""

from __future__ import annotations

import re
from typing import Final

from google.api_core import exceptions

from shared.google.commands import LOG_IN, enable_api
from shared.google.failures import Place, as_ours, is_switched_off, is_transient, is_without_credentials
from shared.google.findings import Finding, problem, unknown

_REQUEST: Final = re.compile(r"\((?:GET|POST|PUT|PATCH|DELETE) \S+: ")
"""What the REST clients put before Google's words."""


def refused(subject: str, error: Exception, place: Place, *, grant: str, create: str = "") -> Finding:
    """The finding for an error of one of Google's clients.

    `grant` gives the right that the call needs, `create` makes the resource that was asked for.
    """
    if isinstance(error, exceptions.MethodNotImplemented | exceptions.MethodNotAllowed):
        return unknown(subject, "cannot be asked about: a stand-in answers, which does not know the question")
    if isinstance(error, exceptions.NotFound):
        return problem(subject, "does not exist", create)
    text = _REQUEST.sub("(", as_ours(error, place).message.removeprefix(f"{place.what}: "))
    if is_transient(error):
        return problem(subject, text)
    if is_without_credentials(error):
        return problem(subject, text, LOG_IN)
    if is_switched_off(error):
        return problem(subject, text, enable_api(place.service.api, place.project))
    return problem(subject, text, grant if isinstance(error, exceptions.Forbidden) else "")
