"""What Secret Manager's refusals mean, and what it cannot keep; no error shows what is in a secret."""

from __future__ import annotations

from typing import Final

from shared.errors import ConfigError, IngestError, StorageError
from shared.google.endpoints import SECRET_MANAGER
from shared.google.failures import Place, as_ours

LARGEST_BYTES: Final = 65_536
"""What a version of a secret may have at the most (documented)."""

READER: Final = "roles/secretmanager.secretAccessor"
"""Read what secrets hold, and nothing else (documented): what a service needs that changes none."""

WRITER: Final = "roles/secretmanager.admin"
"""The one predefined role that may create secrets (documented); docs/cloud-stores.md tells a smaller way."""


def secrets_failure(error: Exception, project: str, *, role: str) -> IngestError:
    """A client's error in our words."""
    return as_ours(error, Place(SECRET_MANAGER, f"the secrets of {project}", project, role))


def unfit(name: str, why: str, advice: str) -> ConfigError:
    """The error for a text that cannot be kept as it is."""
    return ConfigError(f"the secret `{name}` {why}", advice=advice)


def not_text(name: str) -> StorageError:
    """Somebody else has put something there that is no text; without a word of it."""
    return StorageError(
        f"the secret `{name}` is not a text",
        advice="Add a version that is one, with "
        f"`printf %s VALUE | gcloud secrets versions add {name} --data-file=-`.",
    )
