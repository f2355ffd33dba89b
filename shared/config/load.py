"""Reads settings: the command line wins over the environment, that over the file, that over the defaults.

Every mistake becomes a `ConfigError` that says where it is, what was expected, and the nearest right name.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.config.settings import SETTINGS, Raw, Setting, Settings, settle
from shared.errors import ConfigError

DEFAULT_FILE = Path("productive-ingest.toml")
TOKEN_VARIABLE = "PRODUCTIVE_API_TOKEN"  # noqa: S105 -- the variable's name, not a token
_SETTINGS = {setting.key: setting for setting in SETTINGS}
_SECTIONS = sorted({setting.key.split(".")[0] for setting in SETTINGS})


def load_settings(file: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Raw]) -> Settings:
    """The settings of one run.

    `file` was named by a person and must exist; None reads `productive-ingest.toml` if there is one.
    `overrides` are values from the command line, by key.
    """
    values: dict[str, Raw] = {}
    path = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    if path is not None:
        values |= _from_file(path)
    for setting in SETTINGS:
        if setting.env and environ.get(setting.env):
            values[setting.key] = _from_text(setting, environ[setting.env])
    return settle({**values, **overrides})


def _from_file(path: Path) -> dict[str, Raw]:
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no configuration file {path}", advice="Check the path given with --config."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", advice="See https://toml.io.") from None

    values: dict[str, Raw] = {}
    for section, content in document.items():
        if section not in _SECTIONS:
            raise ConfigError(
                f"{_place(path, text, section)}: there is no section [{section}]",
                advice=_nearest(section, _SECTIONS, "[{}]"),
            )
        if not isinstance(content, dict):
            raise ConfigError(
                f"{_place(path, text, section)}: {section!r} must be a section",
                advice=f"Write [{section}] on a line of its own and its keys below it.",
            )
        for name, value in content.items():
            values[f"{section}.{name}"] = _checked(section, name, value, _place(path, text, section, name))
    return values


def _checked(section: str, name: str, value: Any, place: str) -> Raw:
    setting = _SETTINGS.get(f"{section}.{name}")
    if setting is None:
        if re.search("token|secret|password", name):
            raise ConfigError(
                f"{place}: a token does not belong into this file",
                advice=f"Set the environment variable {TOKEN_VARIABLE} instead.",
            )
        names = [key.split(".")[1] for key in _SETTINGS if key.startswith(section + ".")]
        raise ConfigError(
            f"{place}: there is no key {name!r} in [{section}]", advice=_nearest(name, names, "{}")
        )
    problem = _problem(setting, value)
    if problem:
        raise ConfigError(f"{place}: {name} must be {problem}, not {value!r}")
    # An id written as a number means the text of that number.
    checked: Raw = str(value) if setting.kind == "text" else value
    return checked


def _problem(setting: Setting, value: Any) -> str | None:
    """What the value should have been, or None when it is fine."""
    match setting.kind:
        case "text":
            fine = isinstance(value, str) or (type(value) is int and setting.key.endswith("_id"))
            return None if fine else "a text in quotes"
        case "names":
            fine = isinstance(value, list) and all(isinstance(item, str) for item in value)
            return None if fine else 'a list of names, like ["deals", "tasks"]'
        case "integer" if type(value) is not int:
            return "a whole number"
        case "number" if type(value) not in (int, float):
            return "a number"
    if not setting.least <= value <= setting.most:
        return f"between {setting.least:g} and {setting.most:g}"
    return None


def _from_text(setting: Setting, text: str) -> Raw:
    value: Any = text
    if setting.kind in ("integer", "number"):
        try:
            value = int(text) if setting.kind == "integer" else float(text)
        except ValueError:
            raise ConfigError(f"{setting.env} must be a number, not {text!r}") from None
    problem = _problem(setting, value)
    if problem:
        raise ConfigError(f"{setting.env} must be {problem}, not {text!r}")
    return value  # type: ignore[no-any-return]


def _nearest(name: str, names: list[str], form: str) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    known = ", ".join(form.format(item) for item in names)
    return f"Did you mean {form.format(near[0])}?" if near else f"There are: {known}."


def _place(path: Path, text: str, section: str, key: str | None = None) -> str:
    """`file:line` of a section's header, or of a key in it."""
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[+\s*\"?([^\]\"]+?)\"?\s*\]", line)
        if header:
            current = header[1]
            if key is None and current == section:
                return f"{path}:{number}"
        assigned = re.match(r"\s*\"?([\w.-]+)\"?\s*=", line)
        if assigned:
            dotted = f"{current}.{assigned[1]}".lstrip(".")
            if dotted == (f"{section}.{key}" if key else section) or (
                not key and dotted.startswith(section + ".")
            ):
                return f"{path}:{number}"
    return str(path)
