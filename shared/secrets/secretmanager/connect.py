"""From a URL to secrets: `secretmanager://PROJECT`, or `secretmanager://PROJECT/PREFIX`."""

from __future__ import annotations

import re
from typing import Final

from google.auth.exceptions import GoogleAuthError
from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcAsyncIOTransport,
)

from shared.clock import Clock, SystemClock
from shared.google.endpoints import SECRET_MANAGER, grpc_transport
from shared.google.names import PROJECT, checked, parse_cloud_url
from shared.secrets.secretmanager.adapter import SecretManagerSecrets
from shared.secrets.secretmanager.failures import READER, secrets_failure
from shared.secrets.secretmanager.versions import Versions

EXAMPLE: Final = "secretmanager://acme-data/ingest"
PREFIX: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,62}[a-z0-9])?")
"""No `_`, so that it is clear where the prefix ends: the names of our secrets have no `-`."""


async def connect(url: str, *, clock: Clock | None = None) -> SecretManagerSecrets:
    """The secrets of a project, which may be none yet; `ConfigError`, or `StorageError` without credentials.

    Sends no request: who has the token in the environment needs no right to read secrets.
    """
    name = parse_cloud_url(url, example=EXAMPLE)
    project = checked(name.first, PROJECT, what="a project", example=EXAMPLE)
    prefix = checked(name.second, PREFIX, what="a prefix", example=EXAMPLE) if name.second else ""
    try:
        transport = grpc_transport(SECRET_MANAGER, SecretManagerServiceGrpcAsyncIOTransport)
    except GoogleAuthError as error:
        raise secrets_failure(error, project, role=READER) from error
    client = SecretManagerServiceAsyncClient(transport=transport)
    return SecretManagerSecrets(Versions(client, project, clock=clock or SystemClock()), project, prefix)
