"""Where tests find a BigQuery: a dataset of their own on the emulator, or on a real project.

`PRODUCTIVE_INGEST_TEST_PROJECT` names a project on Google Cloud to use instead: every test makes a dataset
there, and removes it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from shared.google.endpoints import BIGQUERY, STORAGE_WRITE
from tests.google.bigquery_emulator.process import Emulator, running, why_not

REAL_PROJECT = os.environ.get("PRODUCTIVE_INGEST_TEST_PROJECT")


@dataclass(frozen=True)
class BigqueryPlace:
    """A dataset that is not there yet; `emulator` is None on a real project."""

    project: str
    dataset: str
    emulator: Emulator | None

    @property
    def url(self) -> str:
        return f"bigquery://{self.project}/{self.dataset}"

    def client(self) -> bigquery.Client:
        """A client beside the one that is tested; to be closed."""
        if self.emulator is None:
            return bigquery.Client(project=self.project)
        return bigquery.Client(
            project=self.project,
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": self.emulator.rest_url},
        )


@pytest.fixture(scope="session")
def bigquery_emulator() -> Iterator[Emulator | None]:
    """One for all tests of a process; None where a real project takes its place."""
    if REAL_PROJECT:
        yield None
        return
    if reason := why_not():
        pytest.skip(reason)
    with running() as emulator:
        yield emulator


@pytest.fixture
async def bigquery_place(
    bigquery_emulator: Emulator | None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BigqueryPlace]:
    """A dataset of the test's own, gone afterwards."""
    if bigquery_emulator is not None:
        monkeypatch.setenv(BIGQUERY.variable, bigquery_emulator.rest_url)
        monkeypatch.setenv(STORAGE_WRITE.variable, bigquery_emulator.grpc_target)
    name = f"productive_ingest_test_{secrets.token_hex(6)}"
    place = BigqueryPlace(REAL_PROJECT or "test-project", name, bigquery_emulator)
    yield place
    await asyncio.to_thread(_remove, place)


def _remove(place: BigqueryPlace) -> None:
    with place.client() as client:
        client.delete_dataset(place.dataset, delete_contents=True, not_found_ok=True, retry=None)
