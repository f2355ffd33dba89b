"""The client of Productive's REST API.

`ProductiveClient` makes single requests within Productive's limits; `walk` reads whole lists with it,
`total_count`, `read_one` and `read_many` ask single questions. What a request came to is an `Answer`.
"""

from shared.productive.answers import Answer, Found, Gone, Page, RefusalKind, Refused, Resource, Unavailable
from shared.productive.client import ProductiveClient, Stats
from shared.productive.connection import PRODUCTION_URL, Connection
from shared.productive.learned import Learned
from shared.productive.limits import Budget, Limiter, LimitPolicy, WindowLimit
from shared.productive.listing import PAGE_SIZE, ListQuery, changed_between
from shared.productive.paging import Position
from shared.productive.reading import (
    MOST_AT_ONCE,
    FoundMany,
    lists_by_id,
    read_many,
    read_one,
    read_page,
    total_count,
)
from shared.productive.retry import PATIENT, PROMPT, RetryPolicy, Timeouts
from shared.productive.server_clock import ServerClock
from shared.productive.server_time import ServerTime, ServerTimePolicy
from shared.productive.walk import WalkedPage, walk

__all__ = [
    "MOST_AT_ONCE",
    "PAGE_SIZE",
    "PATIENT",
    "PRODUCTION_URL",
    "PROMPT",
    "Answer",
    "Budget",
    "Connection",
    "Found",
    "FoundMany",
    "Gone",
    "Learned",
    "LimitPolicy",
    "Limiter",
    "ListQuery",
    "Page",
    "Position",
    "ProductiveClient",
    "RefusalKind",
    "Refused",
    "Resource",
    "RetryPolicy",
    "ServerClock",
    "ServerTime",
    "ServerTimePolicy",
    "Stats",
    "Timeouts",
    "Unavailable",
    "WalkedPage",
    "WindowLimit",
    "changed_between",
    "lists_by_id",
    "read_many",
    "read_one",
    "read_page",
    "total_count",
    "walk",
]
