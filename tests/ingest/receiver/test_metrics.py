"""The metrics, and the page about them."""

from __future__ import annotations

import re
from pathlib import Path

from services.ingest.reading.observing import ReadingObserver
from services.ingest.receiver.bodies import BodyRefusal
from services.ingest.receiver.metrics import ReceiverMetrics
from services.ingest.receiver.signature import Refusal

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")


def names(metrics: ReceiverMetrics) -> set[str]:
    """As they are scraped, a counter with its `_total`; a histogram is one metric."""
    return {
        family.name + ("_total" if family.type == "counter" else "") for family in metrics.registry.collect()
    }


def test_the_page_tells_about_every_metric_of_the_receiver_and_of_no_other() -> None:
    told = set(re.findall(r"^\| `(productive_(?:receiver|reading)_\w+)", PAGE, re.MULTILINE))
    assert told == names(ReceiverMetrics())


def test_the_page_tells_about_every_label() -> None:
    told = dict(
        re.findall(r"^\| `(productive_(?:receiver|reading)_\w+)(?:\{([\w,]+)\})?`", PAGE, re.MULTILINE)
    )
    assert {name: labels for name, labels in told.items() if labels} == {
        "productive_receiver_deliveries_total": "outcome",
        "productive_receiver_refused_total": "reason",
        "productive_receiver_shed_total": "reason",
        "productive_reading_settled_total": "outcome,table",
    }


def test_the_page_tells_about_every_reason_of_a_refusal() -> None:
    told = set(re.findall(r"^\| `(\w+)` \| [45]\d\d \|", PAGE, re.MULTILINE))
    bodies = {refusal.name.lower() for refusal in BodyRefusal if refusal is not BodyRefusal.NO_ROOM}
    assert told == {*Refusal, *bodies, "no_such_path", "method", "not_http", "error"}


def test_two_receivers_in_one_process_count_apart() -> None:
    one, other = ReceiverMetrics(), ReceiverMetrics()
    one.accepted(5)
    assert b'deliveries_total{outcome="accepted"} 1.0' in one.exposition()
    assert b'deliveries_total{outcome="accepted"} 0.0' in other.exposition()


def test_what_the_reading_does_is_counted() -> None:
    metrics = ReceiverMetrics()
    observer: ReadingObserver = metrics
    observer.settled("reread", "tasks", 3)
    observer.settled("reread", "tasks", 1)
    observer.read_took(0.2)
    observer.waiting(7)
    value = metrics.registry.get_sample_value
    assert value("productive_reading_settled_total", {"outcome": "reread", "table": "tasks"}) == 4
    assert value("productive_reading_request_seconds_count") == 1
    assert value("productive_reading_waiting") == 7


def test_the_names_of_tables_cannot_fill_the_memory() -> None:
    metrics = ReceiverMetrics()
    for number in range(1_000):
        metrics.settled("dead", f"table{number}", 1)
    assert len(metrics.exposition().splitlines()) < 700
