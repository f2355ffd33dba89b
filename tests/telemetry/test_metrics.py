"""Every metric is declared once, made by some service, and explained on the page about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from scripts import metrics_page
from services.backfill.checkpoint import Status
from services.backfill.metrics import CrawlMetrics
from services.backfill.progress import Silent
from services.cli.metrics import ProcessMetrics
from shared.clock import ManualClock
from shared.productive import Connection, ProductiveClient
from shared.secrets import Secret
from shared.telemetry.metric import FewNames
from shared.telemetry.metrics import METRICS
from tests.telemetry.checkpoints import checkpoint


@pytest.fixture
def everything() -> CollectorRegistry:
    """What `run` has, before anything happened."""
    process = ProcessMetrics()
    client = ProductiveClient(Connection("https://api.example", "42", Secret("t")), clock=ManualClock())
    process.watch_api(client)
    for service in (process.receiver, process.writer, process.crawl):
        assert service.registry is process.registry
    assert process.buses is process.buses
    return process.registry


def names(registry: CollectorRegistry) -> set[str]:
    families = registry.collect()
    return {family.name + ("_total" if family.type == "counter" else "") for family in families}


def test_a_process_that_runs_everything_has_every_declared_metric_and_no_other(
    everything: CollectorRegistry,
) -> None:
    assert names(everything) == {metric.scraped for metric in METRICS}


def test_every_metric_says_what_it_means_and_what_to_do_and_keeps_to_the_naming() -> None:
    for metric in METRICS:
        assert metric.meaning.endswith("."), metric.name
        assert metric.advice.endswith("."), metric.name
        assert not metric.name.endswith("_total"), "the client adds it"
        assert bool(metric.buckets) == (metric.kind == "histogram"), metric.name
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_alerts_use_only_metrics_and_labels_that_exist() -> None:
    scraped = {metric.scraped for metric in METRICS}
    scraped |= {f"{metric.name}_bucket" for metric in METRICS if metric.kind == "histogram"}
    alerts = [alert for metric in METRICS for alert in metric.alerts]
    assert len({alert.name for alert in alerts}) == len(alerts)
    for alert in alerts:
        used = set(re.findall(r"productive_\w+", alert.when))
        assert used, alert.name
        assert used <= scraped, alert.name
        for name, label in re.findall(r"(productive_\w+)\{(\w+)=", alert.when):
            declared = next(metric for metric in METRICS if name in (metric.scraped, f"{metric.name}_bucket"))
            assert label in declared.labels, alert.name


def test_the_page_is_the_one_that_the_declarations_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert metrics_page.main(["--check"]) == 0, "run scripts/metrics_page.py"
    other = tmp_path / "metrics.md"
    assert metrics_page.main(["--check", "--page", str(other)]) == 1
    assert "Run `python scripts/metrics_page.py`" in capsys.readouterr().err
    assert metrics_page.main(["--page", str(other)]) == 0
    assert metrics_page.main(["--check", "--page", str(other)]) == 0


def test_what_is_scraped_is_understood_by_a_parser(everything: CollectorRegistry) -> None:
    families = text_string_to_metric_families(generate_latest(everything).decode())
    helped = {family.name: family.documentation for family in families}
    for metric in METRICS:
        assert helped[metric.name] == metric.help


def test_names_from_outside_take_no_more_room_than_a_few_hundred() -> None:
    name_of = FewNames()
    assert [name_of("deals"), name_of("tasks")] == ["deals", "tasks"]
    assert len({name_of(f"table{number}") for number in range(10_000)}) < 300
    assert name_of("deals") == "deals"


def test_a_crawl_counts_what_it_reads_itself_and_not_what_a_killed_one_had_read() -> None:
    metrics = CrawlMetrics()
    progress = metrics.watching(Silent())
    progress.table_started(checkpoint(pages=10, records=2_000))
    progress.page_published(checkpoint(pages=11, records=2_200))
    progress.table_finished(checkpoint(pages=12, records=2_250, rejected=1, status=Status.DONE))
    assert value(metrics, "productive_crawl_pages_total", table="deals") == 2
    assert value(metrics, "productive_crawl_records_total", table="deals") == 250
    assert value(metrics, "productive_crawl_rejected_total", table="deals") == 1
    assert value(metrics, "productive_crawl_tables_total", outcome="done") == 1


def test_a_crawl_that_begins_its_table_again_counts_what_it_reads_twice() -> None:
    metrics = CrawlMetrics()
    progress = metrics.watching(Silent())
    progress.table_started(checkpoint())
    progress.page_published(checkpoint(pages=3, records=600))
    progress.page_published(checkpoint(pages=1, records=200))
    assert value(metrics, "productive_crawl_records_total", table="deals") == 800


def test_only_a_table_that_was_read_to_its_end_says_when() -> None:
    metrics = CrawlMetrics()
    progress = metrics.watching(Silent())
    progress.table_finished(checkpoint(status=Status.FAILED))
    assert value(metrics, "productive_crawl_finished_timestamp_seconds", table="deals") is None
    progress.table_finished(checkpoint(status=Status.DONE, finished_us=1_700_000_000_000_000))
    assert value(metrics, "productive_crawl_finished_timestamp_seconds", table="deals") == 1_700_000_000


def value(metrics: CrawlMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)
