"""How the sandbox sends webhooks."""

from __future__ import annotations

from dataclasses import dataclass

_HOUR = 3_600.0


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """Everything that decides how deliveries look and when they come. Shares are between 0 and 1."""

    complete_share: float = 0.0
    """Deliveries that hold every attribute, and the id of every to-one relationship. The rest is partial."""

    cut_share: float = 0.5
    """Partial deliveries that lack some of the attributes, too."""

    delete_with_object: bool = False
    """Whether a delete or an archive tells the record as well. What the real ones hold is not known."""

    duplicate_share: float = 0.0
    """Deliveries that are sent twice."""

    delay: float = 0.0
    """Seconds from a change to its delivery."""

    shuffle: float = 0.0
    """Each delivery is held back for up to so many seconds more, so that they overtake each other."""

    retry_seconds: tuple[float, ...] = (4 * _HOUR,) * 12
    """The waits before a delivery that failed is sent again, divided by the limits' `time_scale`.

    Documented: 12 more times over 48 hours. How they are spread over them is not.
    """

    issues_after: int = 3
    """Failures in a row after which a webhook has issues, and its owner gets a message (documented)."""

    deactivate_after: int = 12
    """Failures in a row, over all its deliveries, after which a webhook is switched off (documented)."""

    timeout: float = 10.0
    """Seconds that a receiver has for its answer. The real figure is not known."""

    concurrency: int = 16
    """Deliveries under way at once; 1 keeps them in order."""

    queue_size: int = 20_000
    """Deliveries that may wait; what comes on top is never sent, only counted."""

    sends_custom_headers: bool = False
    """Whether `custom_headers` are sent: presented as a feature, but seen by others to be missing."""

    logs_successes: bool = True
    """Whether `webhook_logs` has the attempts that went well: the documents contradict each other."""

    log_rows: int = 5_000
    """How many attempts `webhook_logs` remembers, with their payloads."""

    sent_size: int = 100_000
    """How many attempts `Dispatcher.sent` remembers, without."""

    def __post_init__(self) -> None:
        for name in ("complete_share", "cut_share", "duplicate_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share between 0 and 1")
        if self.concurrency < 1 or self.queue_size < 1:
            raise ValueError("concurrency and queue_size are at least 1")
