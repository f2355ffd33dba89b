"""Reads settings: the command line wins over the environment, that over the file, that over the defaults.

Every mistake becomes a `ConfigError` that says where it is, what was expected, and the nearest right name.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from shared.config.file import ConfigFile, read_file
from shared.config.settings import SETTINGS, Raw, Setting, Settings, settle
from shared.errors import ConfigError

DEFAULT_FILE = Path("productive-ingest.toml")
TOKEN_VARIABLE = "PRODUCTIVE_API_TOKEN"  # noqa: S105 -- the variable's name, not a token
_SETTINGS = {setting.key: setting for setting in SETTINGS}
_SECTIONS = sorted({setting.key.split(".")[0] for setting in SETTINGS})
_LONGEST_SHOWN = 60
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def load_settings(file: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Raw]) -> Settings:
    """The settings of one run.

    `file` was named by a person and must exist; None reads `productive-ingest.toml` if there is one.
    `overrides` are values from the command line, by key.
    """
    values: dict[str, Raw] = {}
    places: dict[tuple[str, str], str] = {}
    path = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    if path is not None:
        from_file = read_file(path)
        values |= _from_file(from_file)
        places = _places(from_file, values)
    for setting in SETTINGS:
        if setting.env and environ.get(setting.env):
            values[setting.key] = _from_text(setting, environ[setting.env])
    return settle({**values, **overrides}, places)


def _from_file(file: ConfigFile) -> dict[str, Raw]:
    values: dict[str, Raw] = {}
    for section, content in file.document.items():
        place = file.place(section)
        if section not in _SECTIONS:
            _refuse_section(section, place)
        if not isinstance(content, dict):
            raise ConfigError(
                f"{place}: {section!r} must be a section",
                advice=f"Write [{section}] on a line of its own and its keys below it.",
            )
        for name, value in content.items():
            values[f"{section}.{name}"] = _checked(section, name, value, file.place(section, name))
    return values


def _refuse_section(section: str, place: str) -> NoReturn:
    homes = [key.split(".")[0] for key in _SETTINGS if key.split(".")[1] == section]
    if homes:
        raise ConfigError(
            f"{place}: {_shown(section)} is outside of any section", advice=f"Write it below [{homes[0]}]."
        )
    if _is_credential(section):
        raise _credential(place)
    raise ConfigError(
        f"{place}: there is no section [{section[:_LONGEST_SHOWN]}]",
        advice=_nearest(section, _SECTIONS, "[{}]"),
    )


def _checked(section: str, name: str, value: Any, place: str) -> Raw:
    setting = _SETTINGS.get(f"{section}.{name}")
    if setting is None:
        if _is_credential(name):
            raise _credential(place)
        names = [key.split(".")[1] for key in _SETTINGS if key.startswith(section + ".")]
        elsewhere = [key.split(".")[0] for key in _SETTINGS if key.split(".")[1] == name]
        raise ConfigError(
            f"{place}: there is no key {_shown(name)} in [{section}]",
            advice=f"It belongs below [{elsewhere[0]}]." if elsewhere else _nearest(name, names, "{}"),
        )
    problem = _problem(setting, value)
    if problem:
        raise ConfigError(f"{place}: {name} must be {problem}, not {_shown(value)}")
    # An id written as a number means the text of that number.
    checked: Raw = str(value) if setting.kind == "text" else value
    return checked


def _is_credential(name: str) -> bool:
    return re.search("token|secret|password", name, re.IGNORECASE) is not None


def _credential(place: str) -> ConfigError:
    return ConfigError(
        f"{place}: a token does not belong into this file",
        advice=f"Set the environment variable {TOKEN_VARIABLE} instead.",
    )


def _problem(setting: Setting, value: Any) -> str | None:
    """What the value should have been, or None when it is fine."""
    match setting.kind:
        case "text":
            return _text_problem(setting, value)
        case "names":
            return _names_problem(setting, value)
        case "integer" if type(value) is not int:
            return "a whole number"
        case "number" if type(value) not in (int, float):
            return "a number"
    if not setting.least <= value <= setting.most:
        return f"between {setting.least:g} and {setting.most:g}"
    return None


def _text_problem(setting: Setting, value: Any) -> str | None:
    if type(value) is int and setting.key.endswith("_id"):
        return None if value > 0 else "the number before the first dash in Productive's web address"
    if not isinstance(value, str):
        return "a text in quotes"
    if _CONTROL.search(value):
        return "a text on one line, without control characters"
    if setting.key == "storage.duckdb_memory" and not re.fullmatch(r"[1-9][0-9]{0,5}[MG]i?B", value):
        return 'a size, like "256MiB" or "2GiB"'
    if setting.key == "productive.organization_id" and not re.fullmatch(r"[A-Za-z0-9_]{0,64}", value):
        return "the number before the first dash in Productive's web address"
    return None


def _names_problem(setting: Setting, value: Any) -> str | None:
    like = '["people.email"]' if setting.key.startswith("columns.") else '["deals", "tasks"]'
    if setting.key == "tables.history":
        if value == "*":
            return None
        like = f'{like}, or "*"'
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return f"a list of names, like {like}"
    if not all(re.fullmatch(r"\*|[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?", item) for item in value):
        return f"a list of plain names, like {like}"
    twice = [name for name, count in Counter(value).items() if count > 1]
    return f"without repetition (`{twice[0]}` is there twice)" if twice else None


def _from_text(setting: Setting, text: str) -> Raw:
    # A line break often comes along when a variable is filled from a file.
    value: Any = text.strip()
    if setting.kind in ("integer", "number"):
        try:
            value = int(text) if setting.kind == "integer" else float(text)
        except ValueError:
            raise ConfigError(f"{setting.env} must be a number, not {_shown(text)}") from None
    problem = _problem(setting, value)
    if problem:
        raise ConfigError(f"{setting.env} must be {problem}, not {_shown(text)}")
    return value  # type: ignore[no-any-return]


def _shown(value: Any) -> str:
    """A value for a message, cut short."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _nearest(name: str, names: list[str], form: str) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    known = ", ".join(form.format(item) for item in names)
    return f"Did you mean {form.format(near[0])}?" if near else f"There are: {known}."


def _places(file: ConfigFile, values: Mapping[str, Raw]) -> dict[tuple[str, str], str]:
    """Where each name of a list of names stands."""
    return {
        (key, name): file.place(*key.split("."), item=name)
        for key, value in values.items()
        if isinstance(value, list)
        for name in value
    }
