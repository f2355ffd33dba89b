"""The numbers by which the API tells what a webhook is and how it does."""

from __future__ import annotations

from typing import Final

WEBHOOK: Final = 1
ZAPIER: Final = 2

WORKING: Final = 1
ISSUES: Final = 2
WAITING: Final = 3
