"""Where Productive is and who we are there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from yarl import URL

from shared.errors import ConfigError
from shared.secrets.secret import Secret

PRODUCTION_URL = "https://api.productive.io/api/v2"

_ORGANIZATION_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True, slots=True)
class Connection:
    """One organization at one address, checked when it is made.

    `api_url` is the API's root (scheme http or https, no query, no user name), `organization_id` the
    number in the address bar after `app.productive.io/`, `token` a personal access token.
    Raises `ConfigError`.
    """

    api_url: str
    organization_id: str
    token: Secret

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_url", _checked_url(self.api_url))
        if not _ORGANIZATION_ID.fullmatch(self.organization_id):
            raise ConfigError(
                "the organization id is missing or is not one",
                advice="It is the number after app.productive.io/ in the browser's address bar.",
            )
        if not _TOKEN.fullmatch(self.token.reveal()):
            raise ConfigError(
                "the API token is missing or holds characters that no token has",
                advice="Create a personal access token in Productive under Settings → API integrations, "
                "and copy it without spaces or line breaks.",
            )

    @property
    def host(self) -> str:
        """Host, and the port where it is not the usual one, for messages."""
        url = URL(self.api_url)
        return f"{url.host}:{url.explicit_port}" if url.explicit_port else f"{url.host}"


def _checked_url(text: str) -> str:
    advice = f"Leave it out for {PRODUCTION_URL}, or give an address like it."
    try:
        url = URL(text.strip())
    except ValueError:
        raise ConfigError("the API's address is not a URL", advice=advice) from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigError(
            "the API's address must start with https:// or http:// and name a host", advice=advice
        )
    if url.user is not None or url.password is not None:
        raise ConfigError("the API's address must not hold a user name or a password", advice=advice)
    if url.raw_query_string or url.raw_fragment:
        raise ConfigError("the API's address must not have a query or a fragment", advice=advice)
    return str(url).rstrip("/")
