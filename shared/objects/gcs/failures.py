"""What Cloud Storage's refusals mean for the objects in a bucket, and the command that mends each."""

from __future__ import annotations

from google.api_core import exceptions

from shared.errors import IngestError, StorageError
from shared.google.commands import MEMBER, create_bucket, grant_on_bucket, update_bucket
from shared.google.endpoints import STORAGE
from shared.google.failures import Place, as_ours, is_switched_off, missing_permission

ROLE = "roles/storage.objectUser"
"""Get, list, create and delete objects, nothing about buckets: all that we do (documented)."""


def no_bucket(bucket: str) -> StorageError:
    """The error for a bucket that is not there. We make none: where data is kept is for people to decide."""
    return StorageError(
        f"the objects: there is no bucket {bucket}",
        advice=f"Make it where your data is to be: `{create_bucket(bucket)}`. Or correct OBJECTS_URL.",
    )


def tells_of_no_bucket(error: exceptions.NotFound) -> bool:
    """Whether it is the bucket that is missing, not just an object in it.

    Google's words are "The specified bucket does not exist." (seen by others).
    """
    return "bucket does not exist" in str(error)


def storage_failure(error: Exception, bucket: str) -> IngestError:
    """A client's error in our words. Which project the bucket is in, its name does not tell."""
    if isinstance(error, exceptions.NotFound):
        return no_bucket(bucket)
    if isinstance(error, exceptions.Forbidden) and not is_switched_off(error):
        return _forbidden(error, bucket)
    return as_ours(error, Place(STORAGE, f"the objects gs://{bucket}", "PROJECT", ROLE))


def _forbidden(error: exceptions.Forbidden, bucket: str) -> StorageError:
    """Not only missing rights are answered so: others are told in Google's own words."""
    permission = missing_permission(str(error))
    if permission is not None:
        return StorageError(
            f"the objects gs://{bucket}: the permission {permission} is missing",
            advice=f"`{grant_on_bucket(bucket, MEMBER, ROLE)}`, where {MEMBER} is serviceAccount:EMAIL or "
            "user:EMAIL.",
        )
    if "retention" in str(error):
        return StorageError(
            f"the objects gs://{bucket}: a retention policy forbids replacing and deleting them",
            advice=f"`{update_bucket(bucket, '--clear-retention-period')}`, or use a bucket without one.",
        )
    words = " ".join(str(error.message).split())[:300]
    return StorageError(
        f"the objects gs://{bucket}: Cloud Storage refuses ({words})",
        advice="`productive-ingest doctor` looks for the cause.",
    )


def too_large(name: str, size: int, limit: int) -> StorageError:
    """The error for what we do not write to a bucket."""
    return StorageError(
        f"the objects: {name} would have {size:,} bytes; the limit is {limit:,}",
        advice="Leave out the column that is so large (`columns.skip`).",
    )
