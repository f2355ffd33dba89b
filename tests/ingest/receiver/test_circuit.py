"""The circuit breaker."""

from __future__ import annotations

from services.ingest.receiver.circuit import Circuit
from shared.clock import ManualClock


def circuit_on(clock: ManualClock) -> Circuit:
    return Circuit("the bus", clock, first_seconds=1, longest_seconds=4)


def test_everybody_may_call_until_a_call_fails() -> None:
    circuit = circuit_on(ManualClock())
    assert circuit.admit()
    assert circuit.admit()
    circuit.failed(TimeoutError())
    assert not circuit.admit()
    assert not circuit.may_succeed


def test_after_a_while_one_may_try_and_its_success_lets_the_others_in() -> None:
    clock = ManualClock()
    circuit = circuit_on(clock)
    circuit.failed(TimeoutError())
    clock.advance(1)
    assert circuit.may_succeed
    assert circuit.admit()
    assert not circuit.admit()
    circuit.succeeded()
    assert circuit.admit()
    assert circuit.admit()


def test_the_while_doubles_up_to_its_bound() -> None:
    clock = ManualClock()
    circuit = circuit_on(clock)
    circuit.failed(TimeoutError())
    for seconds in (1, 2, 4, 4):
        clock.advance(seconds - 0.5)
        assert not circuit.admit()
        clock.advance(0.5)
        assert circuit.admit()
        circuit.failed(TimeoutError())


def test_calls_that_fail_together_are_one_failure() -> None:
    clock = ManualClock()
    circuit = circuit_on(clock)
    for _ in range(5):
        circuit.failed(TimeoutError())
    clock.advance(1)
    assert circuit.admit()


def test_a_success_elsewhere_closes_it_at_once() -> None:
    circuit = circuit_on(ManualClock())
    circuit.failed(TimeoutError())
    circuit.succeeded()
    assert circuit.is_closed
    assert circuit.admit()
