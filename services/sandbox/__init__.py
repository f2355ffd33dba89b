"""A make-believe Productive organization behind the real API's manners.

It serves the demo, the tests and the benchmarks: strict where the real API is strict, with the same
pages, cursors, limits and error bodies, and with the data of a whole agency, made from a seed.
"""

from services.sandbox.faults import Faults
from services.sandbox.limits import Limits, Window
from services.sandbox.organization import Change, Organization
from services.sandbox.sandbox import Sandbox
from services.sandbox.server import RequestLog
from services.sandbox.settings import SandboxSettings
from services.sandbox.webhooks.settings import WebhookSettings

__all__ = [
    "Change",
    "Faults",
    "Limits",
    "Organization",
    "RequestLog",
    "Sandbox",
    "SandboxSettings",
    "WebhookSettings",
    "Window",
]
