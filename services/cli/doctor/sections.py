"""Findings in groups, and examinations that always end: in time, and with findings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.errors import IngestError
from shared.google.findings import Finding, problem, unknown

SECTION_SECONDS: Final = 30.0
_ORDER: Final = ("good", "unknown", "warning", "problem")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Section:
    """What was found about one part of the whole, the worst last."""

    title: str
    findings: tuple[Finding, ...]

    def of(self, state: str) -> Sequence[Finding]:
        """The findings of one state."""
        return [finding for finding in self.findings if finding.state == state]


async def examined(
    title: str,
    examine: Callable[[], Awaitable[Iterable[Finding]]],
    *,
    seconds: float = SECTION_SECONDS,
    refused: Callable[[str, str], Finding] = problem,
) -> Section:
    """Run one examination; whatever goes wrong in it is a finding, too.

    `refused` makes one of an error that a store told: no problem where that store is looked at for itself.
    """
    try:
        async with asyncio.timeout(seconds):
            findings = tuple(await examine())
    except TimeoutError:
        findings = (refused(title, f"was not examined to the end within {seconds:.0f} seconds"),)
    except IngestError as error:
        findings = (refused(title, " ".join(filter(None, (f"{error.message}.", error.advice)))),)
    except Exception as error:
        log.info("examining %s failed", title, exc_info=True)
        findings = (unknown(title, f"could not be examined ({type(error).__name__}: {error})"),)
    return Section(title, tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.state))))
