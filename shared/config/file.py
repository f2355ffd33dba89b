"""A configuration file: its content, and the line on which something in it stands."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import ConfigError

_LARGEST_BYTES = 1_000_000
_TOML_LINE = re.compile(r" ?\(at line (\d+), column \d+\)")


@dataclass(frozen=True)
class ConfigFile:
    """The parsed document, and its text to find places in."""

    path: Path
    text: str
    document: dict[str, Any]

    def place(self, section: str, key: str | None = None, *, item: str | None = None) -> str:
        """`file:line` of a section's header, of a key in it, or of a text in the list that it holds.

        As near as a look at the lines gets: without the line where it is written in an unusual way.
        """
        wanted = f"{section}.{key}" if key else section
        current, found = "", None
        for number, line in enumerate(self.text.splitlines(), start=1):
            header = re.match(r"\s*\[+\s*[\"']?([^\]\"']+?)[\"']?\s*\]+\s*(#.*)?$", line)
            assigned = None if header else re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line)
            if header or assigned:
                if found:
                    break
                current = header[1] if header else current
                dotted = f"{current}.{assigned[1]}".lstrip(".") if assigned else current
                inline = assigned is not None and dotted == section
                if dotted == wanted or inline or (key is None and dotted.startswith(f"{section}.")):
                    found = number
            if found and (item is None or re.search(rf"[\"']{re.escape(item)}[\"']", line)):
                return f"{self.path}:{number}"
        return f"{self.path}:{found}" if found else str(self.path)


def read_file(path: Path) -> ConfigFile:
    """Read a file; `ConfigError` when there is none, or when it is no TOML."""
    text = _text(path)
    try:
        return ConfigFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        line = _TOML_LINE.search(str(error))
        place = f"{path}:{line[1]}" if line else str(path)
        raise ConfigError(
            f"{place} is not valid TOML: {_TOML_LINE.sub('', str(error))}", advice="See https://toml.io."
        ) from None
    except (ValueError, RecursionError):
        # A number with thousands of digits, or brackets in brackets in brackets.
        raise ConfigError(
            f"{path} is not valid TOML: a value is too large", advice="See https://toml.io."
        ) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration file {path}", advice="Check the path given with --config."
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"cannot read the configuration file {path}: {reason}",
            advice="Check the path and its permissions.",
        ) from None
    if len(data) > _LARGEST_BYTES:
        raise ConfigError(
            f"the configuration file {path} has more than {_LARGEST_BYTES:,} bytes",
            advice="Check the path given with --config.",
        )
    try:
        # Editors on Windows begin a file with a byte order mark, which TOML does not know, and end lines
        # with two characters.
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{line} is not UTF-8", advice="Save the file with the encoding UTF-8."
        ) from None
