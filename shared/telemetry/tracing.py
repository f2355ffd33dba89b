"""Traces: one event followed from its receipt to its row, over processes and buses.

Off unless `exporting.py` finds an exporter configured; then every call here is a look at one variable, and
nothing of OpenTelemetry is imported. Contexts travel as the message attribute `traceparent`, in the form of
the W3C recommendation "Trace Context". What comes from a bus or a header is checked before it is believed.

Attributes never hold ids of records or persons, bodies, or tokens; of an error only its kind is told,
because the texts of other people's errors may quote anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

from shared.telemetry.contexts import TRACEPARENT, caller_of, distinct, written

__all__ = [
    "TRACEPARENT",
    "Attributes",
    "Ids",
    "Span",
    "carried",
    "consumer",
    "current_ids",
    "event",
    "install",
    "is_on",
    "server",
    "span",
]

if TYPE_CHECKING:
    from types import ModuleType

    from opentelemetry.trace import Span as OtelSpan
    from opentelemetry.trace import SpanContext, Tracer

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | float | bool]

_NOTHING: Final[Mapping[str, str]] = {}


class Span(Protocol):
    """What is being followed at the moment."""

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        ...

    def fail(self, reason: str) -> None:
        """It did not succeed; `reason` is one of a few words, never data."""
        ...


class Ids(NamedTuple):
    """Which trace and span something belongs to, in hexadecimal."""

    trace: str
    span: str
    sampled: bool


class _NoSpan:
    def set(self, attributes: Attributes) -> None:
        pass

    def fail(self, reason: str) -> None:
        pass


_NO_SPAN: Final = nullcontext[Span](_NoSpan())
_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """Trace with this from now on; None ends it. For `exporting.py`, and for tests."""
    global _tracer  # noqa: PLW0603 -- a process has one tracer, as it has one root logger
    _tracer = tracer


def is_on() -> bool:
    """Whether anything is traced at all."""
    return _tracer is not None


def span(
    name: str, *, kind: Kind = "internal", attributes: Attributes = _NOTHING
) -> AbstractContextManager[Span]:
    """A part of what is being followed; where nothing is, the root of a new trace."""
    return _NO_SPAN if _tracer is None else _running(_tracer, name, kind, attributes)


def server(
    name: str,
    *,
    started_ns: int,
    headers: Mapping[str, str],
    attributes: Attributes = _NOTHING,
) -> AbstractContextManager[Span]:
    """The answering of a request that came at `started_ns` (since 1970): the root of a new trace.

    The trace that the caller is in is linked, and not continued: the endpoint is public, and neither
    strangers nor a proxy's sampling shall decide what is recorded here.
    """
    if _tracer is None:
        return _NO_SPAN
    caller = caller_of(headers)
    links = [] if caller is None else [caller]
    return _running(_tracer, name, "server", attributes, links=links, root=True, started_ns=started_ns)


def consumer(
    name: str, parents: Iterable[str], attributes: Attributes = _NOTHING
) -> AbstractContextManager[Span]:
    """The processing of messages with these contexts (`""` for one without).

    All of them are linked, up to a bound; the first that is sampled is the parent too, so that a message
    that comes alone is followed in one trace, and whatever is sampled leads to everything that came of it.
    `parents` is not looked at while nothing is traced.
    """
    if _tracer is None:
        return _NO_SPAN
    contexts = distinct(parents)
    parent = next((one for one in contexts if one.trace_flags.sampled), contexts[0] if contexts else None)
    return _running(_tracer, name, "consumer", attributes, links=contexts, parent=parent, root=True)


def event(name: str, attributes: Attributes = _NOTHING) -> None:
    """Note a moment of the span that is under way; the latest 128 are kept."""
    if _tracer is not None:
        _api().get_current_span().add_event(name, dict(attributes))


def carried() -> Mapping[str, str]:
    """What a message must carry to be followed: its attributes; nothing when there is nothing to follow."""
    if _tracer is None:
        return _NOTHING
    context = _api().get_current_span().get_span_context()
    if not context.is_valid:
        return _NOTHING
    return {TRACEPARENT: written(context)}


def current_ids() -> Ids | None:
    """Those of the span that is under way; for log lines."""
    if _tracer is None:
        return None
    context = _api().get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return Ids(f"{context.trace_id:032x}", f"{context.span_id:016x}", context.trace_flags.sampled)


@contextmanager
def _running(
    tracer: Tracer,
    name: str,
    kind: Kind,
    attributes: Attributes,
    *,
    links: Sequence[SpanContext] = (),
    parent: SpanContext | None = None,
    root: bool = False,
    started_ns: int | None = None,
) -> Iterator[Span]:
    """`root`: whatever is under way around it is not the parent."""
    from opentelemetry import context as contexts  # noqa: PLC0415 -- see the module's docstring

    api = _api()
    outer = contexts.Context() if root else None
    if parent is not None:
        outer = api.set_span_in_context(api.NonRecordingSpan(parent), outer)
    started = tracer.start_span(
        name,
        context=outer,
        kind=api.SpanKind[kind.upper()],
        attributes=dict(attributes),
        links=[api.Link(link) for link in links],
        start_time=started_ns,
    )
    running = _Running(started)
    with api.use_span(started, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield running
        except BaseException as error:
            running.fail(type(error).__name__)
            raise


class _Running:
    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(dict(attributes))

    def fail(self, reason: str) -> None:
        self._span.set_attribute("error.type", reason)
        self._span.set_status(_api().StatusCode.ERROR, reason)


def _api() -> ModuleType:
    from opentelemetry import trace  # noqa: PLC0415 -- imported already where anything is traced

    return trace
