"""What must be set before anything can be read from Productive; nothing is asked of Productive."""

from __future__ import annotations

import os
from collections.abc import Sequence

from services.cli.world import TOKEN_SECRET
from shared.config import TOKEN_VARIABLE, Settings
from shared.errors import IngestError
from shared.google.findings import Finding, good, problem, unknown
from shared.secrets import open_secrets


async def examine_productive(settings: Settings, *, secrets: bool = True) -> Sequence[Finding]:
    """Whether organization and token are set; without `secrets`, their store cannot be asked."""
    if not secrets and not os.environ.get(TOKEN_VARIABLE):
        return [_organization(settings), unknown("API token", "would be among the secrets")]
    return [_organization(settings), await _token(settings)]


def _organization(settings: Settings) -> Finding:
    if settings.organization_id:
        return good("organization", f"{settings.organization_id} at {settings.api_url}")
    return problem(
        "organization",
        "none is set; it is the number in Productive's web address (app.productive.io/NUMBER-name)",
        "export PRODUCTIVE_ORGANIZATION_ID=NUMBER",
    )


async def _token(settings: Settings) -> Finding:
    try:
        secrets = await open_secrets("env:", settings.secrets_url)
        try:
            token = await secrets.get(TOKEN_SECRET)
        finally:
            await secrets.close()
    except IngestError as error:
        return problem("API token", f"cannot be read: {error.message}. {error.advice}")
    if token is None:
        return problem(
            "API token",
            "none is set; Productive makes one under Settings → API integrations",
            f"export {TOKEN_VARIABLE}=...",
        )
    return good("API token", "is set; `productive-ingest check` asks Productive what it can read")
