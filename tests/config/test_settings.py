"""Settings come from four places, and every mistake in them is explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.config import SETTINGS, load_settings
from shared.errors import ConfigError


def write(path: Path, text: str) -> Path:
    file = path / "productive-ingest.toml"
    file.write_text(text, encoding="utf-8")
    return file


def mistake(path: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_settings(write(path, text), {}, {})
    return caught.value


def test_without_any_setting_the_embedded_stores_are_in_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings(None, {}, {"storage.data_dir": str(tmp_path)})
    assert settings.bus_url == f"sqlite://{tmp_path}/bus.sqlite"
    assert settings.warehouse_url == f"duckdb://{tmp_path}/productive.duckdb"
    assert settings.objects_url == f"file://{tmp_path}/objects"
    assert settings.api_url == "https://api.productive.io/api/v2"
    assert settings.organization_id is None


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, '[productive]\norganization_id = "1"\napi_url = "https://file"\nconcurrency = 3\n')
    environ = {"PRODUCTIVE_ORGANIZATION_ID": "2", "PRODUCTIVE_API_URL": "https://environment"}
    settings = load_settings(file, environ, {"productive.organization_id": "3"})
    assert (settings.organization_id, settings.api_url, settings.concurrency) == (
        "3",
        "https://environment",
        3,
    )


def test_an_organization_id_may_be_written_as_a_number(tmp_path: Path) -> None:
    assert (
        load_settings(write(tmp_path, "[productive]\norganization_id = 42\n"), {}, {}).organization_id == "42"
    )


def test_an_empty_variable_is_no_setting() -> None:
    assert load_settings(None, {"PRODUCTIVE_API_URL": ""}, {}).api_url.startswith("https://api.productive.io")


def test_a_misspelled_key_is_found_with_its_line_and_the_nearest_right_name(tmp_path: Path) -> None:
    error = mistake(tmp_path, '[productive]\norganization_id = "1"\nconcurency = 3\n')
    assert error.message.endswith("productive-ingest.toml:3: there is no key 'concurency' in [productive]")
    assert error.advice == "Did you mean concurrency?"


def test_a_misspelled_section_is_found_with_its_line_and_the_nearest_right_name(tmp_path: Path) -> None:
    error = mistake(tmp_path, "\n[table]\nskip = []\n")
    assert error.message.endswith("toml:2: there is no section [table]")
    assert error.advice == "Did you mean [tables]?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[productive]\nconcurrency = 0\n", "toml:2: concurrency must be between 1 and 64, not 0"),
        ('[productive]\nconcurrency = "8"\n', "toml:2: concurrency must be a whole number, not '8'"),
        ("[productive]\nconcurrency = true\n", "concurrency must be a whole number, not True"),
        ("[productive]\nreserve = nan\n", "reserve must be between 0 and 0.9, not nan"),
        ("[productive]\napi_url = 7\n", "api_url must be a text in quotes, not 7"),
        (
            '[tables]\nskip = "deals"\n',
            """skip must be a list of names, like ["deals", "tasks"], not 'deals'""",
        ),
        ("productive = 1\n", "toml:1: 'productive' must be a section"),
    ],
)
def test_a_wrong_value_is_told_with_what_was_expected(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in mistake(tmp_path, text).message


def test_a_token_in_the_file_is_refused_without_repeating_it(tmp_path: Path) -> None:
    error = mistake(tmp_path, '[productive]\napi_token = "abc123"\n')
    assert "PRODUCTIVE_API_TOKEN" in error.advice
    assert "abc123" not in error.message + error.advice


def test_broken_toml_and_a_missing_file_are_told(tmp_path: Path) -> None:
    assert "is not valid TOML" in mistake(tmp_path, "[productive\n").message
    with pytest.raises(ConfigError, match="there is no configuration file"):
        load_settings(tmp_path / "nowhere.toml", {}, {})


def test_a_number_in_the_environment_is_checked_as_well() -> None:
    with pytest.raises(ConfigError, match="PRODUCTIVE_LIMIT_SCALE must be a number, not 'fast'"):
        load_settings(None, {"PRODUCTIVE_LIMIT_SCALE": "fast"}, {})
    with pytest.raises(ConfigError, match="PRODUCTIVE_LIMIT_SCALE must be between 1 and 10000"):
        load_settings(None, {"PRODUCTIVE_LIMIT_SCALE": "0.1"}, {})


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    for setting in SETTINGS:
        assert f"`{setting.key.split('.')[1]}`" in page
        assert setting.env is None or f"`{setting.env}`" in page
