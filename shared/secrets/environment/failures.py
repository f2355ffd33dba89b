"""What cannot be done with environment variables."""

from __future__ import annotations

from shared.errors import ConfigError


def read_only(variable: str) -> ConfigError:
    """The error for writing: the environment belongs to whoever started the process."""
    return ConfigError(
        f"secrets in the environment are only read; {variable} cannot be changed from here",
        advice="Change the variable where it is set, or keep secrets in a file: `file:///PATH`.",
    )
