"""Why the receiver refuses requests: what each reason means, and what to do about it."""

from __future__ import annotations

from typing import Final, NamedTuple


class RefusalReason(NamedTuple):
    """One value of the label `reason` of `productive_receiver_refused_total`."""

    reason: str
    answer: int
    meaning: str
    advice: str


REFUSAL_REASONS: Final = (
    RefusalReason(
        "no_signature",
        401,
        "No `Productive-Signature` header.",
        "A scanner, or a proxy that drops headers.",
    ),
    RefusalReason(
        "malformed_signature",
        401,
        "A header that is no `t=…, s=…`, or several.",
        "As above; if deliveries stop coming in, Productive has changed its form: report it.",
    ),
    RefusalReason(
        "too_old",
        401,
        "Signed longer ago than `receiver.tolerance_seconds`.",
        "Somebody repeats old requests; this machine's clock is wrong; or Productive sends a late "
        "delivery again with its first signature: raise the setting while you catch up, or use `webhooks "
        "replay`.",
    ),
    RefusalReason(
        "too_new",
        401,
        "Signed in the future by more than that.",
        "This machine's clock is wrong.",
    ),
    RefusalReason(
        "wrong_signature",
        401,
        "No token of this webhook (or there is none) makes this signature.",
        "A stranger; or the tokens and Productive disagree: `productive-ingest webhooks verify`.",
    ),
    RefusalReason(
        "no_such_path",
        404,
        "Below the webhooks' address, but no event's number.",
        "A scanner, or a wrong target URL: `webhooks verify`.",
    ),
    RefusalReason(
        "method",
        405,
        "Not a POST.",
        "A scanner.",
    ),
    RefusalReason(
        "cut_off",
        400,
        "The connection ended, or the body was no HTTP, before the body was whole.",
        "A flaky network or proxy.",
    ),
    RefusalReason(
        "too_slow",
        408,
        "The body did not come within 10 s.",
        "As above.",
    ),
    RefusalReason(
        "too_large",
        413,
        "A body over `receiver.body_megabytes`.",
        "If it is Productive's, raise the setting (at most 9).",
    ),
    RefusalReason(
        "encoded",
        415,
        "A compressed body.",
        "Productive sends none that we know of; have the proxy send bodies as they are.",
    ),
    RefusalReason(
        "not_http",
        400,
        "Bytes that are no HTTP.",
        "A scanner, or TLS spoken to the plain port.",
    ),
    RefusalReason(
        "error",
        500,
        "A bug in answering a page for operators.",
        "Report it.",
    ),
)
