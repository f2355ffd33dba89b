"""The bus on Google's own emulator, where it is installed; time there is real, so few tests wait for it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from shared.bus import BusSettings
from tests.bus.real_time import RealTimeHarness
from tests.contracts.bus import BusContract
from tests.google.pubsub_emulator import EmulatorMissingError, running_emulator

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One for these tests and no longer: it is busy with what nobody acked for as long as it lives."""
    try:
        with running_emulator(tmp_path_factory.mktemp("pubsub") / "emulator.log") as address:
            yield address
    except EmulatorMissingError as missing:
        pytest.skip(f"no Pub/Sub emulator: {missing}")


SETTINGS = BusSettings(lease_seconds=10.0, quiet_seconds=0.5)
"""With the shortest lease that Pub/Sub has."""

_CANNOT_TELL = "the emulator does not tell what waits, and what a bus holds itself is less"
_WAITS = "it waits for real time; the same adapter waits on the stand-in's clock"
_SKIPPED = {
    "test_a_late_ack_leaves_the_message_to_whoever_has_it_now": _WAITS,
    "test_a_released_message_waits_its_delay_and_holds_up_nobody": _WAITS,
    "test_an_acked_message_never_comes_back": _WAITS,
    "test_an_extended_lease_starts_anew": _WAITS,
    "test_a_bus_is_drained_when_nothing_waits_and_nothing_is_leased": _WAITS,
    "test_a_dead_letter_keeps_its_message_and_reason_and_is_not_delivered": _WAITS,
    "test_whoever_holds_what_a_sweep_changed_is_told_of_and_may_ack_it": _WAITS,
    "test_everything_is_there_when_the_bus_is_opened_again": _CANNOT_TELL,
    "test_the_backlog_counts_what_is_not_acked_and_what_died": _CANNOT_TELL,
    "test_a_sweep_drops_and_replaces_as_it_is_told": _CANNOT_TELL,
}


class TestPubsubBusOnGooglesEmulator(BusContract):
    replaces_in_place = False

    @pytest.fixture
    async def harness(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[RealTimeHarness]:
        if reason := _SKIPPED.get(request.node.originalname):
            pytest.skip(reason)
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", request.getfixturevalue("emulator"))
        monkeypatch.delenv("MONITORING_EMULATOR_HOST", raising=False)
        harness = RealTimeHarness(f"pubsub://agency-data/records-{next(_numbers)}", SETTINGS)
        yield harness
        await harness.close()
