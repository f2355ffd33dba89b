"""One tree of errors, ordered by what the caller should do about them.

========================================  =====================================================
situation                                 raise
========================================  =====================================================
a setting is wrong or missing             `ConfigError`        (a person edits the configuration)
Productive refuses the token or the       `CredentialsError`   (a person changes the credentials)
organization
another process holds what we need        `BusyError`          (wait for it, or end it)
too many of the last messages are bad     `HaltedError`        (a person finds out why, then restarts)
a disk, a file or a store cannot be used  `StorageError`       (a person makes room or repairs it)
Productive, or a store, does not answer   `UnreachableError`   (try again later)
a store is full for the moment            `BackpressureError`  (slow down, then try again)
Productive answers what we cannot read    `ProtocolError`      (skip this table, tell the owner)
one message or record makes no sense      `RecordError`        (to the dead letters with its reason)
========================================  =====================================================

Expected outcomes are return values, not exceptions. Every error carries advice for the person who
reads it; the command line prints both and ends with the class's exit code.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its scheduler; documented in docs/exit-codes.md."""

    OK = 0
    INCOMPLETE = 1
    CONFIG = 2
    CREDENTIALS = 3
    UNREACHABLE = 4
    STORAGE = 5
    BUSY = 6
    INTERRUPTED = 130


class IngestError(Exception):
    """The root. `message` says what happened, `advice` what to do next; neither ever holds a secret."""

    exit_code = ExitCode.INCOMPLETE

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class OwnerError(IngestError):
    """A person has to change something; trying again by itself is of no use."""


class ConfigError(OwnerError):
    """A setting is wrong or missing."""

    exit_code = ExitCode.CONFIG


class CredentialsError(OwnerError):
    """Productive refuses the token or the organization."""

    exit_code = ExitCode.CREDENTIALS


class BusyError(OwnerError):
    """Another process holds the lease or the file."""

    exit_code = ExitCode.BUSY


class StorageError(OwnerError):
    """A disk is full, a file is not what it should be, a store refuses us."""

    exit_code = ExitCode.STORAGE


class HaltedError(OwnerError):
    """Going on would empty everything into the dead letters."""


class TransientError(IngestError):
    """Nothing is wrong with us or our input: the same call may succeed later."""


class UnreachableError(TransientError):
    """A server did not answer, or answered 5xx, until our patience ended."""

    exit_code = ExitCode.UNREACHABLE


class BackpressureError(TransientError):
    """A bounded store stayed full until our patience ended."""

    exit_code = ExitCode.STORAGE


class ProtocolError(IngestError):
    """Productive answered something this client cannot follow; the table at hand cannot go on."""


class RecordError(IngestError):
    """One message or record makes no sense; it goes to the dead letters with this as its reason."""
