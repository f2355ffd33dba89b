from __future__ import annotations

import pickle

import pytest

from shared.errors import ConfigError
from shared.productive import Connection
from shared.secrets.secret import Secret

GOOD = "https://api.productive.io/api/v2"


def test_a_secret_shows_itself_only_when_asked_by_name() -> None:
    secret = Secret("hunter2")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        "{}".format(secret),  # noqa: UP032 - this way of showing it is what is tested
        repr([secret]),
    ]
    assert not any("hunter2" in text for text in shown)
    assert secret.reveal() == "hunter2"
    with pytest.raises(TypeError, match="by accident"):
        pickle.dumps(secret)


def test_secrets_are_compared_by_value_and_only_with_secrets() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("a")
    assert not Secret("")


def test_a_secret_is_taken_out_of_texts_from_elsewhere() -> None:
    assert Secret("hunter2").redact("no: hunter2, hunter2!") == "no: •••, •••!"
    assert Secret("").redact("as it is") == "as it is"


def test_a_connection_shows_no_token() -> None:
    assert "hunter2" not in repr(Connection(GOOD, "1", Secret("hunter2")))


def test_a_slash_at_the_end_of_the_address_makes_no_difference() -> None:
    connection = Connection(f" {GOOD}/ ", "1", Secret("t"))
    assert connection.api_url == GOOD
    assert connection.host == "api.productive.io"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.productive.io",
        "ftp://api.productive.io",
        "https://",
        "https://host:99999",
        "https://me:secret@host/api",
        "https://host/api?x=1",
        "https://host/api#x",
    ],
)
def test_an_address_that_is_none_is_a_mistake_in_the_configuration(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        Connection(url, "1", Secret("t"))
    assert error.value.advice
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("organization_id", ["", "1 2", "1\r\nX-Evil: 1", "ä"])
def test_an_organization_id_must_be_one(organization_id: str) -> None:
    with pytest.raises(ConfigError, match="organization id"):
        Connection(GOOD, organization_id, Secret("t"))


@pytest.mark.parametrize("token", ["", "hunter2 ", "hunter2\n", "hunter2\r\nX-Evil: 1", "hünter2"])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ConfigError, match="token") as error:
        Connection(GOOD, "1", Secret(token))
    assert "nter2" not in f"{error.value}{error.value.advice}{error.value!r}"
