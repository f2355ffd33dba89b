"""Who we are to Google is found out with the environment's own credentials."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.google.account import look_at_account
from shared.google.commands import LOG_IN, MEMBER
from shared.google.endpoints import BIGQUERY, PUBSUB
from tests.doctor.rest_server import RestServer, rest_server

EMAIL = "writer@acme-data.iam.gserviceaccount.com"
SERVICES = (PUBSUB, BIGQUERY)


@pytest.fixture(scope="module")
def key() -> str:
    made = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
async def tokens(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RestServer]:
    """Where credentials of a service account are exchanged for a token."""
    for service in SERVICES:
        monkeypatch.delenv(service.variable, raising=False)
    async with rest_server() as (server, url):
        path = tmp_path / "key.json"
        account = {
            "type": "service_account",
            "project_id": "acme-data",
            "private_key_id": "1",
            "private_key": key,
            "client_email": EMAIL,
            "token_uri": f"{url}/token",
        }
        path.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        server.answers["POST /token"] = {
            "access_token": "s3cret",
            "expires_in": 3_600,
            "token_type": "Bearer",
        }
        yield server


async def test_a_service_account_is_named_as_iam_names_it(tokens: RestServer) -> None:
    member, finding = await look_at_account(SERVICES)
    assert (member, finding.state) == (f"serviceAccount:{EMAIL}", "good")
    assert "s3cret" not in repr(finding)


async def test_credentials_that_are_refused_are_a_problem_with_the_command(
    tokens: RestServer, key: str
) -> None:
    tokens.refusals["POST /token"] = (400, "Invalid JWT Signature.", "invalid_grant")
    member, finding = await look_at_account(SERVICES)
    assert (member, finding.state, finding.fix) == (f"serviceAccount:{EMAIL}", "problem", LOG_IN)
    assert key not in finding.text


async def test_no_credentials_are_a_problem_with_the_command(
    tokens: RestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    member, finding = await look_at_account(SERVICES)
    assert (member, finding.state, finding.fix) == (MEMBER, "problem", LOG_IN)


async def test_stand_ins_need_no_credentials(tokens: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    for service in SERVICES:
        monkeypatch.setenv(service.variable, "127.0.0.1:1")
    member, finding = await look_at_account(SERVICES)
    assert (member, finding.state) == (MEMBER, "good")
    assert tokens.asked == []
