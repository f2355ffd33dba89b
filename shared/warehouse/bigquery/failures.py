"""What BigQuery's REST client raises, in the words of `shared.errors`.

BigQuery says what is wrong by `reason` (documented under "Error messages"); one code stands for several: a
403 is a missing permission as well as a rate limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError
from google.api_core.retry import Retry
from google.auth.exceptions import GoogleAuthError

from shared.errors import IngestError, StorageError, UnreachableError
from shared.google.endpoints import BIGQUERY
from shared.google.failures import Place, as_ours, is_transient, missing_permission

_PASSING_REASONS = frozenset(
    {"rateLimitExceeded", "jobRateLimitExceeded", "backendError", "jobBackendError", "internalError"}
    | {"tableUnavailable", "quotaExceeded"}
)
_NO_ROOM = "bytesBilledLimitExceeded"


def place_of(project: str, dataset: str) -> Place:
    """The dataset, for messages."""
    return Place(BIGQUERY, f"the dataset {project}.{dataset}", project, "roles/bigquery.dataEditor")


def reason_of(error: BaseException) -> str:
    """BigQuery's reason for an error, or nothing."""
    errors = error.errors if isinstance(error, GoogleAPICallError) else ()
    reasons = (each.get("reason") for each in errors if isinstance(each, dict))
    return next((str(reason) for reason in reasons if reason), "")


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    return is_transient(error) or reason_of(error) in _PASSING_REASONS


def retry_for(seconds: float) -> Retry:
    """Our own patience; the client's default is ten minutes."""
    return Retry(predicate=is_passing, initial=0.5, maximum=8.0, multiplier=2.0, timeout=seconds)


def translate(error: Exception, place: Place) -> IngestError:
    """The error of ours."""
    reason = reason_of(error)
    if reason == _NO_ROOM or "limit for bytes billed" in str(error):
        return StorageError(
            f"{place.what}: a query would read more than it may ({words_of(error)})",
            advice="Raise `max_gigabytes_per_query` in [bigquery] of the configuration, or ask for less.",
        )
    if reason in _PASSING_REASONS:
        return UnreachableError(
            f"{place.what}: BigQuery puts us off ({reason})",
            advice="It is tried again; `productive-ingest doctor` shows how much of each quota is used.",
        )
    if missing_permission(str(error)) == "bigquery.jobs.create":
        # Queries are paid for by a project, so the right to ask them is given on one.
        place = replace(place, role="roles/bigquery.jobUser")
    return as_ours(error, place)


@contextmanager
def translated(place: Place) -> Iterator[None]:
    """Let the errors of BigQuery's client leave the block as ours."""
    try:
        yield
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        # An OSError is what `requests` raises, and a time that ran out.
        raise translate(error, place) from error


def words_of(error: Exception) -> str:
    """What BigQuery says, on one line, without the request that it says it of."""
    errors = error.errors if isinstance(error, GoogleAPICallError) else ()
    said = next((each.get("message") for each in errors if isinstance(each, dict)), None)
    return " ".join(str(said or getattr(error, "message", "") or error).split())[:300]
