"""Log lines: for people on a terminal, one JSON object a line where Cloud Logging reads them.

Structured where Cloud Run says that it runs us, or where `LOG_FORMAT=json`; `LOG_FORMAT=text` never. The
fields with a meaning of their own are from Cloud Logging's documentation on structured logging. A traceback
stands in the message, where Error Reporting looks for it and groups by it (documented).

Everything goes to standard error, so that standard output holds a command's result and nothing else.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, Any, Final

from shared.telemetry import tracing
from shared.telemetry.cloud import project, service_name

OURS: Final = ("services", "shared")
"""The loggers that are ours; libraries are heard from warnings up in structured logs."""

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SEVERITIES: Final = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
    (logging.INFO, "INFO"),
    (logging.DEBUG, "DEBUG"),
)
_MOST_CHARACTERS: Final = 60_000
"""An entry of Cloud Logging has at most 256 KiB (documented); a character may take four bytes and more."""


def is_structured(environ: Mapping[str, str]) -> bool:
    """Whether log lines are to be JSON."""
    wanted = environ.get("LOG_FORMAT", "").strip().lower()
    return wanted == "json" or (wanted != "text" and service_name(environ) is not None)


def configure(environ: Mapping[str, str], *, verbose: bool = False, stream: IO[str] | None = None) -> None:
    """Set logging up for this process, unless somebody has done so already.

    For people: errors, and with `verbose` everything from INFO up. Structured: INFO and up of ours and
    warnings of others, and with `verbose` DEBUG of ours.
    """
    if not is_structured(environ):
        level = logging.INFO if verbose else logging.ERROR
        logging.basicConfig(level=level, format=_TEXT, stream=stream)
        return
    handler = logging.StreamHandler(stream)
    handler.setFormatter(CloudFormatter(project(environ)))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_crash


def severity(level: int) -> str:
    """Cloud Logging's word for a level of Python's; levels in between count as the one below."""
    return next((word for least, word in _SEVERITIES if level >= least), "DEFAULT")


class CloudFormatter(logging.Formatter):
    """A record as one line of JSON in ASCII, whatever is in it; never raises because of its content."""

    def __init__(self, project_id: str | None) -> None:
        super().__init__()
        self._project_id = project_id

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        entry: dict[str, Any] = {
            "severity": severity(record.levelno),
            "message": _bounded(self._message(record)),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "logging.googleapis.com/labels": {"logger": record.name},
        }
        if record.levelno >= logging.WARNING:
            entry["logging.googleapis.com/sourceLocation"] = {
                "file": record.pathname,
                "line": str(record.lineno),
                "function": record.funcName,
            }
        if (ids := tracing.current_ids()) is not None:
            known = self._project_id
            trace = f"projects/{known}/traces/{ids.trace}" if known else ids.trace
            entry["logging.googleapis.com/trace"] = trace
            entry["logging.googleapis.com/spanId"] = ids.span
            entry["logging.googleapis.com/trace_sampled"] = ids.sampled
        return json.dumps(entry)

    def _message(self, record: logging.LogRecord) -> str:
        try:
            parts = [record.getMessage()]
        except (TypeError, ValueError):
            # A mistake in the call must not cost the line.
            parts = [str(record.msg)]
        if record.exc_info:
            parts.append(self.formatException(record.exc_info))
        if record.stack_info:
            parts.append(self.formatStack(record.stack_info))
        return "\n".join(parts)


def _bounded(text: str) -> str:
    """The beginning and the end, where a traceback has its message and its error."""
    half = _MOST_CHARACTERS // 2
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:half]}\n[...]\n{text[-half:]}"


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("services").critical("the process ends", exc_info=(kind, error, trace))
