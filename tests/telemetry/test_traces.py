"""An event is followed from the webhook's receipt to the row in the warehouse."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

from services.ingest.delivery import Delivery
from services.ingest.receiver.spool import decode, encode
from shared.telemetry import tracing
from shared.telemetry.contexts import MOST_LINKS
from shared.telemetry.exporting import exporting
from tests.ingest.receiver.world import TOKEN
from tests.telemetry.collector import Collector, collecting
from tests.telemetry.journey import UPDATED, journey

CALLER = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    with collecting() as started:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", started.url)
        yield started


async def through(
    folder: Path,
    *,
    whole: bool,
    count: int = 1,
    command: str = "run",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Deliver, read and write, and end the process; the ids of the tasks that it was about."""
    async with journey(folder) as world:
        with exporting(os.environ, command=command):
            ids = world.task_ids()[:count]
            for id_ in ids:
                assert (await world.deliver(id_, whole=whole, **headers)).status == 200
            await world.read()
            await world.write()
        assert await world.rows() == set(ids)
    return ids


@pytest.mark.parametrize(("whole", "reading"), [(True, "process intake"), (False, "read again")])
async def test_one_webhook_is_one_trace_from_the_request_to_the_row(
    tmp_path: Path, collector: Collector, whole: bool, reading: str
) -> None:
    await through(tmp_path, whole=whole)
    names = [
        "POST /webhooks/productive/{event_id}",
        "publish intake",
        reading,
        "publish records",
        "process records",
        "warehouse.write",
    ]
    path = [collector.only(name) for name in names]
    assert len(collector.spans) == len(path)
    assert len({span.trace for span in path}) == 1
    assert [span.parent for span in path] == ["", *(span.id for span in path[:-1])]
    assert [span.kind for span in path] == [
        "server",
        "producer",
        "consumer",
        "producer",
        "consumer",
        "client",
    ]
    assert not any(span.failed for span in path)
    request, published, read, _, flush, write = path
    assert read.links == {published.place}
    assert flush.links == {path[3].place}
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/webhooks/productive/{event_id}",
        "http.response.status_code": 200,
        "productive.event_id": UPDATED,
    }
    assert published.attributes["productive.outcome"] == "accepted"
    assert write.attributes == {
        "db.collection.name": "tasks",
        "db.operation.batch.size": 1,
        "productive.rows.applied": 1,
        "productive.rows.stale": 0,
        "productive.rows.refused": 0,
    }


async def test_a_batch_is_linked_to_all_that_led_to_it_and_continues_the_first(
    tmp_path: Path, collector: Collector
) -> None:
    await through(tmp_path, whole=True, count=3)
    published = collector.named("publish intake")
    assert len({span.trace for span in published}) == 3
    readings = collector.named("process intake")
    assert {link for span in readings for link in span.links} == {span.place for span in published}
    for span in readings:
        assert (span.trace, span.parent) in span.links
    flush = collector.only("process records")
    assert flush.links == {span.place for span in collector.named("publish records")}
    assert (flush.trace, flush.parent) in flush.links
    assert collector.only("warehouse.write").attributes["db.operation.batch.size"] == 3


@pytest.mark.parametrize(
    "header",
    [
        {"traceparent": CALLER},
        {"X-Cloud-Trace-Context": f"{'a' * 32}/{int('b' * 16, 16)};o=1"},
    ],
)
async def test_the_trace_of_a_caller_is_linked_and_not_continued(
    tmp_path: Path, collector: Collector, header: dict[str, str]
) -> None:
    await through(tmp_path, whole=True, headers=header)
    request = collector.only("POST /webhooks/productive/{event_id}")
    assert request.links == {("a" * 32, "b" * 16)}
    assert request.parent == ""
    assert request.trace != "a" * 32


@pytest.mark.parametrize("header", ["", "00-xyz", "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "ff" * 500])
async def test_a_context_that_is_none_is_passed_over(
    tmp_path: Path, collector: Collector, header: str
) -> None:
    async with journey(tmp_path) as world:
        with exporting(os.environ, command="serve"):
            assert (await world.deliver(world.task_ids()[0], whole=True, traceparent=header)).status == 200
    assert collector.only("POST /webhooks/productive/{event_id}").links == frozenset()


async def test_strangers_leave_no_trace(tmp_path: Path, collector: Collector) -> None:
    async with journey(tmp_path) as world:
        with exporting(os.environ, command="serve"):
            world.receiver.tokens.known = {}  # type: ignore[attr-defined]
            assert (await world.deliver("1", whole=False, traceparent=CALLER)).status == 401
            assert (await world.client.get("/healthz")).status == 200
    assert collector.spans == []


async def test_what_is_not_sampled_at_the_receipt_is_not_recorded_anywhere(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    await through(tmp_path, whole=True, count=2)
    assert collector.spans == []


async def test_a_process_is_named_by_the_standard_variables_and_else_by_where_it_runs(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K_SERVICE", "receiver-eu")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-sync")
    await through(tmp_path / "one", whole=True, command="serve")
    resource = collector.spans[0].resource
    assert resource["service.name"] == "receiver-eu"
    assert resource["gcp.project_id"] == "acme-sync"
    assert resource["productive.command"] == "serve"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
    await through(tmp_path / "other", whole=True)
    assert collector.spans[-1].resource["service.name"] == "ours"


async def test_neither_tokens_nor_bodies_nor_ids_of_records_are_sent(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    [id_] = await through(tmp_path, whole=True)
    sent = b"".join(collector.bodies)
    assert b"tasks" in sent
    assert TOKEN.reveal().encode() not in sent
    values = {str(value) for span in collector.spans for value in span.attributes.values()}
    assert id_ not in values


async def test_a_delivery_that_waited_in_the_spool_is_still_followed() -> None:
    followed = Delivery(1, 5, b"{}", CALLER)
    assert list(decode(encode([followed, Delivery(2, 6, b"[]")]))) == [followed, Delivery(2, 6, b"[]")]
    assert Delivery.of(followed.message()) == followed
    assert tracing.TRACEPARENT not in Delivery(2, 6, b"[]").message().attributes


async def test_a_write_that_fails_is_marked_by_the_kind_of_its_error_and_not_by_its_words(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise ValueError("somebody's name")

    async with journey(tmp_path) as world:
        with exporting(os.environ, command="writer"):
            await world.deliver(world.task_ids()[0], whole=True)
            await world.read()
            monkeypatch.setattr(world.warehouse, "write", fails)
            await world.write()
    write = collector.named("warehouse.write")[-1]
    assert write.failed
    assert write.attributes["error.type"] == "ValueError"
    assert b"somebody" not in b"".join(collector.bodies)


async def test_nothing_is_added_to_messages_while_nothing_is_traced(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.deliver(world.task_ids()[0], whole=True)
        [leased] = await world.office.intake.pull(max_messages=1, max_bytes=1 << 20, wait_seconds=0)
        assert set(leased.message.attributes) == {"kind", "event_id", "received_us"}
        await world.office.intake.release([leased.lease_id])
        await world.read()
        [leased] = await world.office.bus.pull(max_messages=1, max_bytes=1 << 20, wait_seconds=0)
        assert tracing.TRACEPARENT not in leased.message.attributes


def context(number: int, *, sampled: bool) -> str:
    return f"00-{number:032x}-{number:016x}-0{int(sampled)}"


def test_what_is_sampled_is_continued_even_if_it_is_not_the_first(collector: Collector) -> None:
    parents = [context(1, sampled=False), "", "nonsense", context(2, sampled=True), context(3, sampled=True)]
    with exporting(os.environ, command="writer"), tracing.consumer("process records", parents):
        pass
    span = collector.only("process records")
    assert (span.trace, span.parent) == (f"{2:032x}", f"{2:016x}")
    assert span.links == {(f"{number:032x}", f"{number:016x}") for number in (1, 2, 3)}


def test_links_are_bounded_and_each_is_there_once(collector: Collector) -> None:
    parents = (context(number % 500 + 1, sampled=True) for number in range(10_000))
    with exporting(os.environ, command="writer"), tracing.consumer("process records", parents):
        pass
    assert len(collector.only("process records").links) == MOST_LINKS


def test_a_batch_of_messages_without_any_context_begins_a_trace(collector: Collector) -> None:
    with (
        exporting(os.environ, command="writer"),
        tracing.span("something else"),
        tracing.consumer("process records", ["", ""]),
    ):
        pass
    span = collector.only("process records")
    assert span.parent == ""
    assert span.trace != collector.only("something else").trace


@given(st.text() | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", fullmatch=True))
def test_any_text_may_come_as_a_context(text: str) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    tracing.install(provider.get_tracer("test"))
    try:
        with tracing.consumer("process records", [text]):
            carried = tracing.carried()[tracing.TRACEPARENT]
        assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[0-3]", carried)
    finally:
        tracing.install(None)


def test_while_it_is_off_nothing_is_carried_and_nobody_is_asked_for_contexts() -> None:
    contexts = iter(["not looked at"])
    with tracing.consumer("process records", contexts) as span:
        span.set({"productive.rows": 1})
        span.fail("nothing")
        tracing.event("page")
    assert next(contexts)
    assert not tracing.is_on()
    assert tracing.carried() == {}
    assert tracing.current_ids() is None
