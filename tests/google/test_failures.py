"""Errors of Google's clients become errors that say what to do."""

from __future__ import annotations

import pytest
import requests
from google.api_core import exceptions
from google.auth import exceptions as auth_exceptions

from shared.errors import IngestError, StorageError, UnreachableError
from shared.google.endpoints import PUBSUB
from shared.google.failures import Place, as_ours, missing_permission

PLACE = Place(PUBSUB, "the bus pubsub://acme-data/records", "acme-data", "roles/pubsub.publisher")


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ServiceUnavailable("502:Bad Gateway"),
        exceptions.DeadlineExceeded("Deadline Exceeded"),
        exceptions.InternalServerError("try again"),
        exceptions.ResourceExhausted("Quota exceeded"),
        exceptions.TooManyRequests("slow down"),
        exceptions.Aborted("conflict"),
        exceptions.RetryError("Timeout of 60s exceeded", cause=None),
        auth_exceptions.TransportError("no route to the metadata server"),
        requests.ConnectionError("Connection refused"),
        ConnectionResetError("reset"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_go_away_by_itself_is_to_be_tried_again(error: Exception) -> None:
    ours = as_ours(error, PLACE)
    assert isinstance(ours, UnreachableError)
    assert "pubsub://acme-data/records" in ours.message


def test_a_missing_permission_is_named_with_the_command_that_grants_it() -> None:
    error = exceptions.PermissionDenied(
        "Permission 'pubsub.topics.publish' denied on resource (or it may not exist). "
        "See https://cloud.google.com/iam/docs or pubsub.googleapis.com"
    )
    ours = as_ours(error, PLACE)
    assert isinstance(ours, StorageError)
    assert "the permission pubsub.topics.publish is missing" in ours.message
    assert "gcloud projects add-iam-policy-binding acme-data" in ours.advice
    assert "--role=roles/pubsub.publisher" in ours.advice


def test_an_api_that_is_switched_off_comes_with_the_command_that_switches_it_on() -> None:
    error = exceptions.Forbidden(
        "Cloud Pub/Sub API has not been used in project 42 before or it is disabled."
    )
    assert as_ours(error, PLACE).advice.startswith(
        "`gcloud services enable pubsub.googleapis.com --project acme-data`"
    )


def test_missing_credentials_come_with_the_command_that_makes_some() -> None:
    error = auth_exceptions.DefaultCredentialsError("Your default credentials were not found.")
    assert "gcloud auth application-default login" in as_ours(error, PLACE).advice


def test_what_does_not_exist_is_said_to() -> None:
    ours = as_ours(exceptions.NotFound("Resource not found (resource=records)."), PLACE)
    assert isinstance(ours, StorageError)
    assert "does not exist" in ours.message


def test_other_refusals_keep_their_words_on_one_line() -> None:
    ours = as_ours(exceptions.InvalidArgument("bad\n  thing" + "x" * 1_000), PLACE)
    assert "bad thing" in ours.message
    assert "\n" not in ours.message
    assert len(ours.message) < 500


def test_our_own_errors_stay_as_they_are() -> None:
    ours = IngestError("as it is")
    assert as_ours(ours, PLACE) is ours


@pytest.mark.parametrize(
    ("text", "permission"),
    [
        ("User does not have bigquery.tables.create permission for dataset x", "bigquery.tables.create"),
        ("a@b.iam.gserviceaccount.com does not have storage.objects.get access", "storage.objects.get"),
        ("Permission 'secretmanager.versions.access' denied for resource", "secretmanager.versions.access"),
        ("Access Denied", None),
    ],
)
def test_the_missing_permission_is_found_in_what_google_says(text: str, permission: str | None) -> None:
    assert missing_permission(text) == permission
