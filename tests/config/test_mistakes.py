"""A mistake in the file is told with its line, what was expected and the nearest right name."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog import load_catalog
from shared.catalog.selection import select
from shared.config import SETTINGS, Settings, load_settings
from shared.errors import ConfigError

NAME = "productive-ingest.toml"


def chosen(path: Path, content: str | bytes) -> Settings:
    """The settings of a file, once its tables and columns are found to exist."""
    file = path / NAME
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    loaded = load_settings(file, {}, {})
    select(load_catalog(), loaded.selection)
    return loaded


def mistake(path: Path, content: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        chosen(path, content)
    assert caught.value.message.count("\n") == 0
    return caught.value


@pytest.mark.parametrize(
    ("content", "line", "said", "advice"),
    [
        # names of tables
        ('[tables]\nadd = ["deels"]\n', 2, "there is no table 'deels'", "did you mean 'deals'?"),
        (
            '[tables]\nonly = [\n  "deals",\n  # more\n  "time_entrys",\n]\n',
            5,
            "there is no table 'time_entrys'",
            "did you mean 'time_entries'?",
        ),
        ('[tables]\nskip = ["qqqqqq"]\n', 2, "there is no table 'qqqqqq'", "tables list --all"),
        ('[tables]\nadd = ["Deals"]\n', 2, "there is no table 'Deals'", "did you mean 'deals'?"),
        ('[tables]\nadd = ["bills", "bills"]\n', 2, "without repetition (`bills` is there twice)", ""),
        ('[tables]\nadd = ["a b"]\n', 2, "a list of plain names", ""),
        ('[tables]\nadd = [""]\n', 2, "a list of plain names", ""),
        ('[tables]\nadd = ["deals\\u0000"]\n', 2, "a list of plain names", ""),
        ('[tables]\nadd = [["deals"]]\n', 2, "a list of names", ""),
        ("[tables]\nadd = [1, 2]\n", 2, "a list of names", ""),
        ('[tables]\nadd = "deals"\n', 2, "a list of names", ""),
        ("[tables]\nadd = { deals = true }\n", 2, "a list of names", ""),
        ("[tables.deals]\nskip = true\n", 1, "there is no key 'deals' in [tables]", "There are:"),
        # names of columns
        ('[columns]\nskip = ["people.emial"]\n', 2, "has no column 'emial'", "Did you mean people.email?"),
        (
            '[columns]\nhash = [\n"people.email",\n"poeple.email"]\n',
            4,
            "there is no table 'poeple'",
            "did you mean 'people'?",
        ),
        ('[columns]\nskip = ["email"]\n', 2, "'email' does not name a column", "table.column"),
        ('[columns]\nskip = ["people.contact.phone"]\n', 2, "a list of plain names", ""),
        ('[columns]\nskip = ["people.id"]\n', 2, "people.id cannot be left out", "Every row"),
        ('[columns]\nhash = ["people.id"]\n', 2, "people.id cannot be hashed", "hash or skip"),
        (
            '[columns]\nskip = ["people.email"]\nhash = ["people.email"]\n',
            3,
            "people.email is in `hash` and in `skip`",
            "one of them",
        ),
        ('[columns]\nhash = "people.email"\n', 2, 'like ["people.email"]', ""),
        # keys and sections
        ('[productive]\norganisation_id = "4"\n', 2, "no key 'organisation_id'", "organization_id?"),
        ('[column]\nskip = ["people.email"]\n', 1, "there is no section [column]", "[columns]?"),
        (
            '[tables]\nhash = ["people.email"]\n',
            2,
            "no key 'hash' in [tables]",
            "It belongs below [columns].",
        ),
        ('organization_id = "4"\n', 1, "outside of any section", "Write it below [productive]."),
        ('[[tables]]\nadd = ["bills"]\n', 1, "'tables' must be a section", "[tables]"),
        ('[productive]\n"api token" = "abc123"\n', None, "a token does not belong", "PRODUCTIVE_API_TOKEN"),
        ('api_token = "abc123"\n', 1, "a token does not belong", "PRODUCTIVE_API_TOKEN"),
        # values
        ("[productive]\nconcurrency = 1.5\n", 2, "a whole number, not 1.5", ""),
        ("[productive]\nconcurrency = 0x7fffffffffffffff\n", 2, "between 1 and 64", ""),
        ("[productive]\nreserve = 1e999\n", 2, "between 0 and 0.9", ""),
        ("[productive]\norganization_id = true\n", 2, "a text in quotes", ""),
        ("[productive]\norganization_id = 2026-01-01\n", 2, "a text in quotes", ""),
        ('[productive]\norganization_id = "4-acme"\n', 2, "the number before the first dash", ""),
        ('[productive]\norganization_id = "../4"\n', 2, "the number before the first dash", ""),
        ("[productive]\norganization_id = -4\n", 2, "the number before the first dash", ""),
        ('[storage]\ndata_dir = "a\\nb"\n', 2, "a text on one line", ""),
        ('[storage]\ndata_dir = "a\\u0000b"\n', 2, "a text on one line", ""),
        # no TOML
        ("[productive]\nconcurrency = \n", 2, "is not valid TOML", "toml.io"),
        ("[productive]\nconcurrency = 3\nconcurrency = 4\n", 3, "is not valid TOML", "toml.io"),
        ("[tables]\nadd = [deals]\n", 2, "is not valid TOML", "toml.io"),
        ("[tables]\nadd = ['deals'\n[columns]\n", 3, "is not valid TOML", "toml.io"),
        ("[productive]\nconcurrency = 3 \x07\n", 2, "is not valid TOML", "toml.io"),
        (f"[productive]\nconcurrency = {'9' * 5_000}\n", None, "a value is too large", "toml.io"),
        (f"[tables]\nadd = {'[' * 50_000}\n", None, "a value is too large", "toml.io"),
        (b"[tables]\n# caf\xe9\n", 2, "is not UTF-8", "encoding UTF-8"),
        ("[tables]\nadd = []\n".encode("utf-16"), 1, "is not UTF-8", "encoding UTF-8"),
        (b"\x00" * 10, 1, "is not valid TOML", "toml.io"),
        (b"#" * 1_000_001, None, "has more than 1,000,000 bytes", "--config"),
    ],
)
def test_a_mistake_is_told(
    tmp_path: Path, content: str | bytes, line: int | None, said: str, advice: str
) -> None:
    error = mistake(tmp_path, content)
    assert said in error.message
    assert advice in error.advice
    assert NAME in error.message
    assert len(error.message) < 300 + len(str(tmp_path))
    assert "abc123" not in error.message + error.advice
    if line is not None:
        assert f"{NAME}:{line}" in error.message


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbf[tables]\nadd = ["bills"]\n',
        b'[tables]\r\nadd = ["bills"]\r\n',
        b'\xef\xbb\xbf[tables]\r\n# a remark\r\nadd = [\r\n  "bills", # this one\r\n]\r\n',
        b'tables.add = ["bills"]\n',
        b'tables = { add = ["bills"] }\n',
        b'["tables"]\n"add" = [\'bills\']\n',
        b"# nothing else\n[tables]\nadd = ['bills']",
    ],
    ids=["mark", "windows", "both", "dotted", "inline", "quoted", "no-newline"],
)
def test_a_file_as_any_editor_leaves_it_is_read(tmp_path: Path, content: bytes) -> None:
    assert chosen(tmp_path, content).selection.add == ("bills",)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('tables.add = ["deels"]\n', 1),
        ('tables = { add = ["deels"] }\n', 1),
        ('["tables"] # which\n"add" = [\n\'deels\']\n', 3),
        ('[columns]\nskip = ["people.email"] # "deels"\n[tables]\n\nadd = ["bills", "deels"]\n', 5),
    ],
)
def test_the_line_is_found_however_the_file_is_written(tmp_path: Path, content: str, line: int) -> None:
    assert f"{NAME}:{line}: there is no table 'deels'" in mistake(tmp_path, content).message


def test_a_folder_and_an_unreadable_path_are_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / ("x" * 300), tmp_path / "a\0b"):
        with pytest.raises(ConfigError, match="configuration file"):
            load_settings(path, {}, {})


def test_the_environment_is_checked_as_the_file_is() -> None:
    with pytest.raises(ConfigError, match="PRODUCTIVE_ORGANIZATION_ID must be the number before"):
        load_settings(None, {"PRODUCTIVE_ORGANIZATION_ID": "4-acme"}, {})
    with pytest.raises(ConfigError, match="PRODUCTIVE_API_URL must be a text on one line"):
        load_settings(None, {"PRODUCTIVE_API_URL": "https://x\r\nX-Evil: 1"}, {})


def test_white_space_around_a_variable_is_not_part_of_it() -> None:
    environ = {"PRODUCTIVE_ORGANIZATION_ID": " 42\n", "PRODUCTIVE_LIMIT_SCALE": "2 "}
    settled = load_settings(None, environ, {})
    assert (settled.organization_id, settled.limit_scale) == ("42", 2)


def test_a_path_may_hold_any_letter(tmp_path: Path) -> None:
    assert chosen(tmp_path, '[storage]\ndata_dir = "/tmp/日本\u00a0ü"\n').data_dir.name == "日本\u00a0ü"


toml_values = st.sampled_from(
    ["1", "-1", "1.5", "nan", "true", '""', '"x"', "[]", '["x"]', '["deals.name"]', "{}", "1979-05-27", "[1]"]
)


@settings(max_examples=150)
@given(pairs=st.dictionaries(st.sampled_from([s.key for s in SETTINGS]), toml_values, max_size=6))
def test_whatever_value_a_setting_has_it_is_taken_or_explained(
    tmp_path_factory: pytest.TempPathFactory, pairs: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("config")
    with contextlib.suppress(ConfigError):
        chosen(path, "".join(f"{key} = {value}\n" for key, value in pairs.items()))


@settings(max_examples=150)
@given(content=st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode(errors="replace")))
def test_whatever_bytes_a_file_holds_it_is_read_or_explained(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    with contextlib.suppress(ConfigError):
        chosen(tmp_path_factory.mktemp("config"), content)
