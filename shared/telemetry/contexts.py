"""Contexts as they travel: which trace and span something belongs to, as text.

The form is that of the W3C recommendation "Trace Context". What comes from a bus or a header is checked
before it is believed, and is passed over where it is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

TRACEPARENT: Final = "traceparent"
"""The message attribute, and the HTTP header, that a context travels in."""

MOST_LINKS: Final = 128
"""The SDK's own default bound; a batch may have more parents than that, the rest is not linked."""

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_CLOUD_TRACE = re.compile(r"([0-9a-fA-F]{32})/([0-9]{1,20})(?:;o=([0-9]))?")
_KNOWN_FLAGS = 0x03  # sampled, and that the trace's id is random


def written(context: SpanContext) -> str:
    """A context as the value of `traceparent`."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def caller_of(headers: Mapping[str, str]) -> SpanContext | None:
    """The context that a request says it belongs to, in the standard header or in Google's older one."""
    standard = _parsed(headers.get(TRACEPARENT, ""))
    return standard or _cloud_context(headers.get("X-Cloud-Trace-Context", ""))


def distinct(parents: Iterable[str]) -> list[SpanContext]:
    """The first `MOST_LINKS` of them that are contexts, each once."""
    found: dict[str, SpanContext] = {}
    for text in parents:
        if text and text not in found and (context := _parsed(text)) is not None:
            found[text] = context
            if len(found) == MOST_LINKS:
                break
    return list(found.values())


def _parsed(text: str) -> SpanContext | None:
    match = _TRACEPARENT.fullmatch(text)
    return _context(int(match[1], 16), int(match[2], 16), int(match[3], 16) & _KNOWN_FLAGS) if match else None


def _cloud_context(text: str) -> SpanContext | None:
    """Google's older header, documented as `TRACE_ID/SPAN_ID;o=OPTIONS` with the span's id in decimal."""
    match = _CLOUD_TRACE.fullmatch(text)
    return _context(int(match[1], 16), int(match[2]), int(match[3] or "0") & 1) if match else None


def _context(trace_id: int, span_id: int, flags: int) -> SpanContext | None:
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 -- see `tracing.py`

    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid else None
