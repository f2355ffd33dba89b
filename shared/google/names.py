"""URLs of stores on Google Cloud: `SCHEME://PROJECT/NAME` or, for buckets, `gs://BUCKET/PREFIX`.

Which names Google takes is from its documentation; they are checked here so that a typing mistake is
told before the first request, with the place that it is in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import ConfigError
from shared.urls import scheme_of

PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
"""An id of a project, with its domain for very old ones."""


@dataclass(frozen=True, slots=True)
class CloudName:
    """The two parts of a URL: a project and a name in it, or a bucket and a prefix (which may be empty)."""

    first: str
    second: str


def parse_cloud_url(url: str, *, example: str) -> CloudName:
    """The two parts of `scheme://first/second`; `ConfigError` for anything more or less, with an example."""
    scheme = scheme_of(url)
    rest = url[len(scheme) + 1 :]
    if not rest.startswith("//") or "?" in rest or "#" in rest or "@" in rest or "%" in rest:
        raise ConfigError(f"{scheme}: not an address of this kind", advice=f"Write it like `{example}`.")
    first, _, second = rest[2:].partition("/")
    if not first:
        raise ConfigError(f"{scheme}: the address lacks its first part", advice=f"Write it like `{example}`.")
    return CloudName(first, second.rstrip("/"))


def checked(name: str, pattern: re.Pattern[str], *, what: str, example: str) -> str:
    """The name itself when it matches, else `ConfigError` with what it should be like."""
    if not pattern.fullmatch(name):
        raise ConfigError(f"not the name of {what}: {name[:80]!r}", advice=f"Write it like `{example}`.")
    return name
