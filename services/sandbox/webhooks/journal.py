"""The table `webhook_logs`: one row per attempt, and no more than so many."""

from __future__ import annotations

from collections import deque

from services.sandbox.organization import Organization
from services.sandbox.storage import Ref
from services.sandbox.webhooks.delivery import Attempt, Delivery
from services.sandbox.webhooks.settings import WebhookSettings

_TABLE = "webhook_logs"


class Journal:
    """Writes attempts down; when there are too many it forgets the oldest of its own."""

    def __init__(self, organization: Organization, settings: WebhookSettings) -> None:
        self._organization = organization
        self._settings = settings
        self._rows = organization.rows(_TABLE)
        self._written: deque[int] = deque()

    def write(self, delivery: Delivery, attempt: Attempt, *, url: str, answer: str | None) -> None:
        """Log one attempt and what the receiver answered."""
        if attempt.delivered and not self._settings.logs_successes:
            return
        values = {
            "payload": delivery.body.decode(),
            "status_code": attempt.status,
            "response_code": attempt.status,
            "response_body": answer,
            "target_url": url,
            "url": url,
            "retry_attempt": attempt.attempt,
            "retry_job_id": f"sandbox-job-{delivery.number}",
            "success": attempt.delivered,
        }
        webhook = Ref("webhooks", int(delivery.webhook_id))
        self._organization.write(_TABLE, values, {"webhook": webhook}, attempt.sent_us)
        self._written.append(self._rows.ids[-1])
        if len(self._written) > self._settings.log_rows:
            oldest = self._written.popleft()
            if oldest in self._rows:
                self._rows.remove(oldest)
