"""Where a store is, written as a URL: `sqlite:`, `duckdb:` and `file:` URLs name a path on this machine.

One rule for all of them, that of file URLs (RFC 8089):

=====================================  ========================================
URL                                    path
=====================================  ========================================
`sqlite:///var/data/bus.db`            `/var/data/bus.db`
`sqlite:////var/data/bus.db`           the same (four slashes, as SQLAlchemy has it)
`sqlite:/var/data/bus.db`              the same
`sqlite:bus.db`, `sqlite:./bus.db`     `bus.db` in the working directory
`file:///srv/100%25%20mine`            `/srv/100% mine`
=====================================  ========================================

Two slashes would name a host, and there is none: `sqlite://bus.db` is refused. So are query strings and
fragments (a real `?` or `#` in a path is `%3F` or `%23`), and `~`, which only a shell expands.
Windows paths are not supported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from shared.errors import ConfigError

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")


def scheme_of(url: str) -> str:
    """The scheme in lower case; `ConfigError` when the text has none (a bare path, an empty setting)."""
    match = _SCHEME.match(url)
    if match is None:
        # Not the text itself: nobody knows what was pasted into the setting.
        raise ConfigError(
            "a store's address is not a URL",
            advice="Write the scheme and then the path, for instance `sqlite:///var/data/bus.db`.",
        )
    return match.group(1).lower()


def unknown_scheme(what: str, url: str, available: Collection[str]) -> ConfigError:
    """The error for a scheme that has no adapter here; names the schemes that have one, not the URL."""
    return ConfigError(
        f"{what}: `{scheme_of(url)}:` is not available in this version",
        advice=f"Available: {', '.join(f'`{scheme}:`' for scheme in sorted(available))}.",
    )


def path_of(url: str) -> Path:
    """The path that a URL names, relative only if the URL's is; `ConfigError` as the module tells."""
    scheme = scheme_of(url)
    rest = url[len(scheme) + 1 :]
    absolute, relative = f"`{scheme}:///absolute/path`", f"`{scheme}:relative/path`"
    if "?" in rest or "#" in rest:
        raise ConfigError(
            f"{scheme}: a URL of this kind has no options after `?` or `#`",
            advice="Remove them; in a path write `?` as `%3F` and `#` as `%23`.",
        )
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host:
            raise ConfigError(
                f"{scheme}: after two slashes stands a host, and files are on this machine only",
                advice=f"Write {absolute} with three slashes, or {relative} with none.",
            )
        rest = slash + path
    if re.search(r"%(?![0-9A-Fa-f]{2})", rest):
        raise ConfigError(f"{scheme}: a `%` without two hexadecimal digits", advice="Write `%` as `%25`.")
    if rest.startswith(("~", "/~/")):
        raise ConfigError(f"{scheme}: `~` is not expanded in a URL", advice=f"Write {absolute}.")
    decoded = os.fsdecode(unquote_to_bytes(rest))
    if "\0" in decoded:
        raise ConfigError(f"{scheme}: a path cannot contain a zero byte")
    if decoded.startswith("/"):
        # POSIX lets exactly two leading slashes mean something else, and pathlib keeps them.
        decoded = "/" + decoded.lstrip("/")
    path_ = Path(decoded)
    if path_ in (Path(), Path("/")):
        raise ConfigError(f"{scheme}: the URL names no path", advice=f"Write {absolute} or {relative}.")
    return path_


def url_of(scheme: str, path: Path) -> str:
    """The URL of a path, such that `path_of` gives the path back."""
    text = quote(os.fsencode(path), safe="/:@!$&'()*+,;=")
    if text.startswith("/"):
        return f"{scheme}:///{text.lstrip('/')}"
    return f"{scheme}:./{text}" if text.startswith("~") else f"{scheme}:{text}"
