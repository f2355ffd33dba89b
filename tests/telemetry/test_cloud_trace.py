"""Cloud Trace takes traces with a token of Google's, and no token goes anywhere else."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.google.tracing import authorized_session, is_cloud_trace
from shared.telemetry import tracing
from shared.telemetry.exporting import exporting
from tests.telemetry.collector import collecting


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://telemetry.googleapis.com/v1/traces", True),
        ("https://telemetry.googleapis.com:443", True),
        ("https://telemetry.googleapis.com.evil.example/v1/traces", False),
        ("https://evil.example/telemetry.googleapis.com", False),
        ("http://localhost:4318", False),
        ("https://[", False),
    ],
)
def test_only_googles_own_address_gets_a_token(endpoint: str, expected: bool) -> None:
    assert is_cloud_trace(endpoint) is expected


@pytest.fixture
async def token_server() -> AsyncIterator[str]:
    async def token(request: web.Request) -> web.Response:
        assert (await request.post())["grant_type"]
        return web.json_response({"access_token": "short-lived", "expires_in": 3600})

    application = web.Application()
    application.router.add_post("/token", token)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    await runner.cleanup()


async def test_a_session_signs_its_requests_as_the_service_account(
    tmp_path: Path, token_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "acme-sync",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "writer@acme-sync.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_server,
    }
    (tmp_path / "key.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with collecting() as collector:

        def send() -> int:
            with authorized_session() as session:
                return session.post(f"{collector.url}/v1/traces", data=b"", timeout=10).status_code

        assert await asyncio.to_thread(send) == 200
        assert collector.headers[0]["Authorization"] == "Bearer short-lived"


def test_without_credentials_it_says_what_to_do_and_nothing_is_traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in os.environ if name.startswith(("OTEL_", "GOOGLE_", "CLOUDSDK_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://telemetry.googleapis.com")
    with exporting(os.environ, command="serve"):
        assert not tracing.is_on()
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "gcloud auth application-default login" in record.getMessage()
