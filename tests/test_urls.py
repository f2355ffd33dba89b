from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigError
from shared.urls import path_of, scheme_of, unknown_scheme, url_of


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/data/bus.db", "/var/data/bus.db"),
        ("sqlite:////var/data/bus.db", "/var/data/bus.db"),
        ("sqlite:/var/data/bus.db", "/var/data/bus.db"),
        ("sqlite:bus.db", "bus.db"),
        ("sqlite:./bus.db", "bus.db"),
        ("sqlite:../bus.db", "../bus.db"),
        ("SQLITE:///a", "/a"),
        ("duckdb:///data/w.duckdb", "/data/w.duckdb"),
        ("file:///srv/100%25%20mine/%3F", "/srv/100% mine/?"),
        ("file:///srv/b%C3%BCro", "/srv/büro"),
        ("file:///srv/büro", "/srv/büro"),
        ("file:///srv/a+b", "/srv/a+b"),
    ],
)
def test_a_url_names_the_path_that_a_file_url_would(url: str, path: str) -> None:
    assert path_of(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://bus.db",
        "sqlite://localhost/bus.db",
        "sqlite:///bus.db?mode=ro",
        "sqlite:///bus.db#x",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:~/bus.db",
        "sqlite:///~/bus.db",
        "sqlite:///a%00b",
        "sqlite:///100%",
        "/var/data/bus.db",
        "",
    ],
)
def test_what_is_no_path_is_refused_with_advice(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        path_of(url)
    assert caught.value.advice or "zero byte" in caught.value.message


_segment = st.binary(min_size=1, max_size=12).filter(
    lambda raw: b"/" not in raw and b"\0" not in raw and raw not in (b".", b"..")
)


@given(st.lists(_segment, min_size=1, max_size=4), st.booleans())
def test_every_path_comes_back_from_its_url(segments: list[bytes], absolute: bool) -> None:
    if absolute and segments[0] == b"~":
        segments[0] = b"home"
    path = Path(os.fsdecode((b"/" if absolute else b"") + b"/".join(segments)))
    assert path_of(url_of("sqlite", path)) == path


def test_the_scheme_is_lower_case() -> None:
    assert scheme_of("PubSub://project/topic") == "pubsub"


def test_an_unknown_scheme_is_answered_with_those_that_there_are_and_never_with_the_url() -> None:
    error = unknown_scheme("BUS_URL", "amqp://user:hunter2@host/", ["sqlite"])
    assert "BUS_URL" in error.message
    assert "amqp" in error.message
    assert "`sqlite:`" in error.advice
    assert "hunter2" not in error.message + error.advice
