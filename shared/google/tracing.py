"""A way into Cloud Trace for the exporter of traces, which speaks OTLP and knows nothing of Google.

Cloud Trace takes OTLP over HTTP at `telemetry.googleapis.com`, with a token of the scope `trace.append` and a
resource attribute that names the project (documented).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import google.auth
import requests
from google.auth.transport.requests import AuthorizedSession

HOST: Final = "telemetry.googleapis.com"
_SCOPE: Final = "https://www.googleapis.com/auth/trace.append"


def is_cloud_trace(endpoint: str) -> bool:
    """Whether traces that are sent there need a token of Google's."""
    try:
        return urlsplit(endpoint).hostname == HOST
    except ValueError:
        return False


def authorized_session() -> requests.Session:
    """A session that signs requests as whoever we are; `GoogleAuthError` where we are nobody."""
    credentials, _ = google.auth.default(scopes=[_SCOPE])
    session: requests.Session = AuthorizedSession(credentials)
    return session
