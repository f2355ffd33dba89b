"""Sends traces away where the environment says so, in the standard variables of OpenTelemetry.

`OTEL_TRACES_EXPORTER=otlp`, or an address in `OTEL_EXPORTER_OTLP_ENDPOINT` or
`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, switches it on; `OTEL_TRACES_EXPORTER=none` and `OTEL_SDK_DISABLED=true`
off. Others (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`,
`OTEL_EXPORTER_OTLP_HEADERS`) are read by the SDK.

A mistake in any of them is told in the log, and nothing is traced: taking deliveries comes first. Spans wait
in a bounded queue, and are dropped where the collector does not take them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, Final

from shared.telemetry import tracing
from shared.telemetry.cloud import project, service_name
from shared.telemetry.seldom import Seldom

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 1.0
"""How long the end of a process waits for its last spans: receivers end in 8 s, and have 10."""

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_CHATTY: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)
"""Loggers of the SDK that say the same about every batch while the collector is away."""


@contextmanager
def exporting(environ: Mapping[str, str], *, command: str) -> Iterator[None]:
    """Trace while the body runs, if that is configured; `command` tells the processes apart. Never raises."""
    end = _begin(environ, command)
    try:
        yield
    finally:
        tracing.install(None)
        if end is not None:
            _within(end, FLUSH_SECONDS)


def _begin(environ: Mapping[str, str], command: str) -> Callable[[], None] | None:
    problem = None
    try:
        if not _is_wanted(environ):
            return None
        problem = _mistake(environ)
        if problem is None:
            return _start(environ, command)
    except ModuleNotFoundError as error:
        problem = f"the package {error.name} is not installed: pip install 'productive-ingest[cloud]'"
    except Exception as error:
        # The SDK's own checks of its variables, and the credentials'. Their texts may quote a header.
        kind = type(error)
        if kind.__module__.startswith("google.auth"):
            problem = (
                f"Cloud Trace needs valid Google credentials ({kind.__name__}); on Cloud Run give the "
                "service a service account, elsewhere: gcloud auth application-default login"
            )
        else:
            problem = f"OpenTelemetry does not start ({kind.__name__}); check the variables OTEL_*"
    log.error("no traces are sent: %s", problem)
    return None


def _is_wanted(environ: Mapping[str, str]) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return exporter != "none" if exporter else any(environ.get(name) for name in _ENDPOINTS)


def _mistake(environ: Mapping[str, str]) -> str | None:
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    if exporter != "otlp":
        return f"OTEL_TRACES_EXPORTER is {exporter[:40]!r}; there are otlp and none"
    protocol = next((environ[name].strip() for name in _PROTOCOLS if environ.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        return (
            f"the protocol {protocol[:40]!r} is not built in; send http/protobuf to the collector's port 4318"
        )
    endpoint = next((environ[name] for name in _ENDPOINTS if environ.get(name)), "http://localhost:4318")
    if not endpoint.lower().startswith(("http://", "https://")):
        return "the endpoint must begin with http:// or https://"
    return None


def _start(environ: Mapping[str, str], command: str) -> Callable[[], None]:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 -- the extra `cloud`
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    version = metadata.version("productive-ingest")
    provider = TracerProvider(
        resource=Resource.create(_resource(environ, command, version)), shutdown_on_exit=False
    )
    processor = BatchSpanProcessor(_exporter(environ))
    provider.add_span_processor(processor)
    tracing.install(provider.get_tracer("productive-ingest", version))
    log.info("traces are sent by OTLP")
    return processor.shutdown


def _resource(environ: Mapping[str, str], command: str, version: str) -> dict[str, str]:
    """Who we are. What the standard variables say wins, where the SDK merges them in."""
    attributes = {"service.version": version, "productive.command": command}
    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if not named:
        attributes["service.name"] = service_name(environ) or "productive-ingest"
    if (ours := project(environ)) is not None:
        attributes["gcp.project_id"] = ours
    return attributes


def _exporter(environ: Mapping[str, str]) -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    for name in _CHATTY:
        logger = logging.getLogger(name)
        if not any(isinstance(one, Seldom) for one in logger.filters):
            logger.addFilter(Seldom())
    endpoint = next((environ[name] for name in _ENDPOINTS if environ.get(name)), "")
    session = None
    if "googleapis.com" in endpoint:
        from shared.google.tracing import authorized_session, is_cloud_trace  # noqa: PLC0415

        session = authorized_session() if is_cloud_trace(endpoint) else None
    with _unquoted(environ):
        return OTLPSpanExporter(session=session)


@contextmanager
def _unquoted(environ: Mapping[str, str]) -> Iterator[None]:
    """Keep the SDK from quoting headers that it cannot read in its warnings: they hold the keys."""
    logger = logging.getLogger("opentelemetry.util.re")
    was, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was
    headers = next((environ[name] for name in _HEADERS if environ.get(name)), "")
    if any(part.strip() and "=" not in part for part in headers.split(",")):
        log.warning("a part of OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value, and is left out")


def _within(work: Callable[[], None], seconds: float) -> None:
    """Wait for `work` no longer than that; the interpreter's end ends it then."""
    thread = threading.Thread(target=work, name="traces-flush", daemon=True)
    thread.start()
    thread.join(seconds)
