"""Looks at the secrets that have to be in Secret Manager; reads what none of them holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from google.api_core import exceptions
from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcAsyncIOTransport,
)
from google.iam.v1.iam_policy_pb2 import TestIamPermissionsRequest  # type: ignore[import-untyped]

from shared.google.commands import add_secret_version, create_secret, grant_on_secret
from shared.google.endpoints import SECRET_MANAGER, grpc_transport
from shared.google.examination import CALL_SECONDS, Examination, lacking
from shared.google.failures import Place, is_switched_off
from shared.google.findings import Finding, good, problem, warning
from shared.google.names import PROJECT, checked, parse_cloud_url
from shared.google.refusals import refused
from shared.google.rights import Resource, missing, permissions_of, rights_on
from shared.secrets.secretmanager.connect import EXAMPLE, PREFIX

_MADE_BY: Final = {
    Resource.WEBHOOK_TOKENS: "`webhooks register`",
    Resource.HASH_KEY: "the first crawl",
}


async def examine(url: str, examination: Examination) -> Sequence[Finding]:
    """See `shared.google.examination`."""
    name = parse_cloud_url(url, example=EXAMPLE)
    project = checked(name.first, PROJECT, what="a project", example=EXAMPLE)
    prefix = f"{checked(name.second, PREFIX, what='a prefix', example=EXAMPLE)}-" if name.second else ""
    client = SecretManagerServiceAsyncClient(
        transport=grpc_transport(SECRET_MANAGER, SecretManagerServiceGrpcAsyncIOTransport)
    )
    try:
        found = await asyncio.gather(
            *(
                _secret(client, project, prefix + secret, resource, examination)
                for resource, secret in examination.secrets.items()
                if rights_on(resource, examination.services)
            )
        )
    finally:
        await client.transport.close()
    return [finding for one in found for finding in one]


async def _secret(
    client: SecretManagerServiceAsyncClient,
    project: str,
    secret: str,
    resource: Resource,
    examination: Examination,
) -> Sequence[Finding]:
    needed = rights_on(resource, examination.services)
    subject, path = f"secret {secret}", f"projects/{project}/secrets/{secret}"
    place = Place(SECRET_MANAGER, f"the secret {secret}", project, needed[0].role)
    grant = grant_on_secret(project, secret, examination.member, needed[0].role)
    denied = None
    try:
        await client.get_secret(name=path, retry=None, timeout=CALL_SECONDS)
    except exceptions.NotFound:
        return [_absent(subject, project, secret, resource)]
    except exceptions.PermissionDenied as error:
        if is_switched_off(error):
            return [refused(subject, error, place, grant=grant)]
        # Whoever only reads what a secret holds may not see the secret itself.
        denied = error
    except Exception as error:
        return [refused(subject, error, place, grant=grant)]
    try:
        request = TestIamPermissionsRequest(resource=path, permissions=permissions_of(needed))
        answer = await client.test_iam_permissions(request, retry=None, timeout=CALL_SECONDS)
        held = list(answer.permissions)
    except exceptions.MethodNotImplemented:
        held = permissions_of(needed)  # a stand-in, which lets everybody do everything
    except Exception as error:
        return [refused(subject, error, place, grant=grant)]
    if denied is not None and not held:
        return [refused(subject, denied, place, grant=grant)]
    lost = [
        lacking(
            subject,
            right,
            examination.member,
            grant_on_secret(project, secret, examination.member, right.role),
        )
        for right in missing(needed, held)
    ]
    return lost or [good(subject, "is there, with all rights on it")]


def _absent(subject: str, project: str, secret: str, resource: Resource) -> Finding:
    create = create_secret(project, secret)
    if resource in _MADE_BY:
        text = f"is not there yet; {_MADE_BY[resource]} makes it where it may, and else fills it"
        return warning(subject, text, create)
    fix = f"{create} && {add_secret_version(project, secret)}"
    return problem(subject, "is not there, or another project is meant", fix)
