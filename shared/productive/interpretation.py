"""From status, headers and JSON to an answer; where Productive's error codes get their meaning."""

from __future__ import annotations

from typing import Any

from shared.errors import CredentialsError, ProtocolError
from shared.productive.answers import Answer, Found, Gone, Page, Unavailable
from shared.productive.jsonapi import ApiError, integer
from shared.productive.refusals import Parameters, refusal

_ACCOUNT_ADVICE = {
    "no_organization_id": "Check the organization id: it is the number after app.productive.io/ in the "
    "browser's address bar, and the token's owner must belong to that organization.",
    "no_person": "The token is good, but its owner does not belong to this organization: check the "
    "organization id, or create the token in this organization.",
    "subscription_expired": "The organization's subscription has ended: renew it in Productive first.",
}
_REASONS = {
    402: "the organization's plan does not include it",
    403: "the token's owner has no permission to see it",
    404: "the API has no such list, or the organization does not use this feature",
    405: "the API does not let it be read",
    410: "the API has it no more",
}


def interpret(
    status: int,
    document: Any,
    errors: tuple[ApiError, ...],
    *,
    sent: Parameters,
    observed_us: int,
    where: str,
    location: str | None,
) -> Answer:
    """The answer's meaning; 429 and 5xx never come here.

    `errors` are those of `document`, `sent` the query's parameters, `where` the path for messages,
    `location` the host that a redirect points at.
    Raises `CredentialsError` when the account as a whole is refused and `ProtocolError` for an answer
    that has no meaning here.
    """
    if status == 204:
        return Gone(observed_us)
    if 200 <= status < 300:
        return _document(document, errors, observed_us=observed_us, where=where)
    if status in {400, 422}:
        return refusal(status, errors, sent)
    if status == 401:
        raise _token_refused(errors)
    if status in _REASONS:
        return _unavailable(status, errors, observed_us)
    if 300 <= status < 400:
        raise ProtocolError(
            f"{where}: redirected to {location or 'somewhere else'}, which is not followed with the token",
            advice="Check the API's address in the configuration: it should be the one that answers itself.",
        )
    said = f": {errors[0]}" if errors else ""
    raise ProtocolError(f"{where}: answered with HTTP {status}{said}")


def _document(document: Any, errors: tuple[ApiError, ...], *, observed_us: int, where: str) -> Answer:
    if not isinstance(document, dict) or not document.keys() & {"data", "meta", "links"}:
        said = f": {errors[0]}" if errors else ""
        raise ProtocolError(
            f"{where}: the answer is not a JSON:API document{said}",
            advice="Check the API's address in the configuration.",
        )
    data = document.get("data")
    if isinstance(data, dict):
        return Found(data, observed_us)
    meta, links = _object(document.get("meta")), _object(document.get("links"))
    return Page(
        resources=data if isinstance(data, list) else [],
        observed_us=observed_us,
        next=_link(links.get("next")),
        total_count=integer(meta.get("total_count")),
        current_page=integer(meta.get("current_page")),
        total_pages=integer(meta.get("total_pages")),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _link(value: Any) -> str | None:
    """A link, which JSON:API lets be a text or an object with `href`."""
    if isinstance(value, dict):
        value = value.get("href")
    return value if isinstance(value, str) and value else None


def _token_refused(errors: tuple[ApiError, ...]) -> CredentialsError:
    said = f": {errors[0]}" if errors else ""
    return CredentialsError(
        f"Productive refuses the API token (HTTP 401{said})",
        advice="Create a personal access token in Productive under Settings → API integrations, and put it "
        "where the old one is.",
    )


def _unavailable(status: int, errors: tuple[ApiError, ...], observed_us: int) -> Gone | Unavailable:
    first = errors[0] if errors else ApiError()
    for error in errors:
        if status in {402, 403} and error.code in _ACCOUNT_ADVICE:
            raise CredentialsError(
                f"Productive refuses this organization ({error.code}: {error})",
                advice=_ACCOUNT_ADVICE[error.code],
            )
    # A record counts as gone only on Productive's own word: a wrong address or a proxy answers 404 as well.
    if status == 404 and any(error.code == "record_not_found" for error in errors):
        return Gone(observed_us)
    said = f" ({first})" if errors else ""
    return Unavailable(status, f"{_REASONS[status]}{said}", first.code)
