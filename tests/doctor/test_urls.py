"""Whatever stores the settings name, the doctor has something to say about each."""

from __future__ import annotations

from importlib import import_module

import pytest

import shared.bus
import shared.objects
import shared.secrets
from services.cli.doctor import stores
from shared.errors import ExitCode
from shared.google.examination import Store
from tests.doctor.desk import Desk


@pytest.mark.parametrize(
    ("store", "schemes"),
    [
        (Store.RECORDS, set(shared.bus._ADAPTERS)),
        (Store.INTAKE, set(shared.bus._ADAPTERS)),
        (Store.OBJECTS, set(shared.objects._ADAPTERS)),
        (Store.SECRETS, set(shared.secrets._ADAPTERS)),
        (Store.WAREHOUSE, set(shared.warehouse._SCHEMES)),
    ],
)
def test_every_adapter_is_examined(store: Store, schemes: set[str]) -> None:
    examiners = stores._EXAMINERS[store]
    assert schemes <= set(examiners)
    assert all(callable(import_module(module).examine) for module in examiners.values())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "pubsub:",
        "pubsub://",
        "pubsub://acme-data",
        "pubsub://Acme/records",
        "pubsub://acme-data/goog",
        "pubsub://acme-data/records-dead",
        "pubsub://acme-data/records?x=1",
        "sqlite://host/bus.db",
        "sqlite:///",
    ],
)
def test_a_mistaken_url_is_a_problem_of_its_store_and_of_no_other(
    desk: Desk, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:1")
    desk.variables["BUS_URL"] = url
    result = desk.run()
    assert result.exception is None
    if url:  # an empty variable is none at all
        assert result.return_value == ExitCode.INCOMPLETE
        assert "intake.sqlite" in {finding.subject for finding in desk.findings()}
