"""What Secret Manager's refusals mean, and what it cannot keep; no error shows what is in a secret."""

from __future__ import annotations

from typing import Final

from google.api_core import exceptions

from shared.errors import ConfigError, IngestError, StorageError
from shared.google.commands import MEMBER, add_secret_version, grant_on_secret
from shared.google.endpoints import SECRET_MANAGER
from shared.google.failures import Place, as_ours, is_switched_off, missing_permission

LARGEST_BYTES: Final = 65_536
"""What a version of a secret may have at the most (documented)."""

READER: Final = "roles/secretmanager.secretAccessor"
"""Read what secrets hold, and nothing else (documented): what a service needs that changes none."""

VERSION_MANAGER: Final = "roles/secretmanager.secretVersionManager"
"""Add and destroy versions of a secret that there is; not read them (documented)."""

ADMIN: Final = "roles/secretmanager.admin"
"""The one predefined role that may create, delete and list secrets (documented)."""


def secrets_failure(error: Exception, project: str, *, role: str, secret_id: str = "") -> IngestError:
    """A client's error in our words. With a `secret_id` the role is to be given on that secret alone."""
    if secret_id and isinstance(error, exceptions.Forbidden) and not is_switched_off(error):
        permission = missing_permission(str(error))
        named = f" {permission}" if permission else ""
        return StorageError(
            f"the secret {secret_id} of {project}: the permission{named} is missing",
            advice=f"`{grant_on_secret(project, secret_id, MEMBER, role)}`, where {MEMBER} is "
            "serviceAccount:EMAIL or user:EMAIL.",
        )
    return as_ours(error, Place(SECRET_MANAGER, f"the secrets of {project}", project, role))


def unfit(name: str, why: str, advice: str) -> ConfigError:
    """The error for a text that cannot be kept as it is."""
    return ConfigError(f"the secret `{name}` {why}", advice=advice)


def not_text(project: str, secret_id: str) -> StorageError:
    """Somebody else has put something there that is no text; without a word of it."""
    return StorageError(
        f"the secret {secret_id} of {project} is not a text",
        advice=f"Add a version that is one: `{add_secret_version(project, secret_id)}`.",
    )
