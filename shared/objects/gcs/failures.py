"""What Cloud Storage's refusals mean for the objects in a bucket, and the command that mends each."""

from __future__ import annotations

from google.api_core import exceptions

from shared.errors import IngestError, StorageError
from shared.google.endpoints import STORAGE
from shared.google.failures import Place, as_ours, missing_permission

ROLE = "roles/storage.objectUser"
"""Get, list, create and delete objects, nothing about buckets: all that we do (documented)."""


def no_bucket(bucket: str) -> StorageError:
    """The error for a bucket that is not there. We make none: where data is kept is for people to decide."""
    return StorageError(
        f"the objects: there is no bucket {bucket}",
        advice=f"Make it where your data is to be, such as `gcloud storage buckets create gs://{bucket} "
        "--location=EU --uniform-bucket-level-access --public-access-prevention --soft-delete-duration=0`, "
        "or correct OBJECTS_URL.",
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
    if isinstance(error, exceptions.Forbidden) and "has not been used in project" not in str(error):
        permission = missing_permission(str(error))
        named = f" {permission}" if permission else ""
        return StorageError(
            f"the objects gs://{bucket}: the permission{named} is missing",
            advice=f"`gcloud storage buckets add-iam-policy-binding gs://{bucket} --member=MEMBER "
            f"--role={ROLE}`, where MEMBER is serviceAccount:EMAIL or user:EMAIL.",
        )
    return as_ours(error, Place(STORAGE, f"the objects gs://{bucket}", "PROJECT", ROLE))


def too_large(name: str, size: int, limit: int) -> StorageError:
    """The error for what we do not write to a bucket."""
    return StorageError(
        f"the objects: {name} would have {size:,} bytes; the limit is {limit:,}",
        advice="Leave out the column that is so large (`columns.skip`).",
    )
