"""What an examination of a store, a project or a machine comes to: findings, each with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "warning", "problem", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    `state`: `problem` keeps the pipeline from working or loses data, `warning` may do so later,
    `unknown` could not be looked at. `fix` is one command that mends it, empty where none does.
    """

    subject: str
    state: State
    text: str
    fix: str = ""


def good(subject: str, text: str) -> Finding:
    """All is as it should be."""
    return Finding(subject, "good", text)


def warning(subject: str, text: str, fix: str = "") -> Finding:
    """It works, and something about it may cost data or money later."""
    return Finding(subject, "warning", text, fix)


def problem(subject: str, text: str, fix: str = "") -> Finding:
    """It does not work, or data is being lost."""
    return Finding(subject, "problem", text, fix)


def unknown(subject: str, text: str, fix: str = "") -> Finding:
    """It could not be looked at, so that nothing is said about it."""
    return Finding(subject, "unknown", text, fix)
