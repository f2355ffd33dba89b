"""How close a crawl comes to what Productive's limits allow, and whether it ever oversteps them.

The sandbox enforces the real limits, exactly and in real time. With 100 requests in any 10 seconds the
last of n requests cannot be sent before the window has opened ⌊(n - 1) / 100⌋ times.
"""

from __future__ import annotations

import time

from bench.report import Figure, Options
from bench.sandbox_process import running_sandbox
from bench.stores import crawl_and_write, new_client, new_world

GOAL = 1.05
_REQUESTS, _SECONDS = 100, 10.0
_BULK = {"tasks": 50_000}
_MANY = {"tasks": 200_000}


async def measure(options: Options) -> list[Figure]:
    """Crawl under the real limits."""
    async with (
        running_sandbox(bulk=_MANY if options.full else _BULK, limits="real") as connection,
        new_world(options.folder, connection) as world,
        new_client(connection, limit_scale=1.0) as client,
    ):
        started = time.perf_counter()
        await crawl_and_write(world, client)
        took = time.perf_counter() - started
        sent, refused = client.stats.requests, client.stats.throttled
    least = (sent - 1) // _REQUESTS * _SECONDS
    return [
        Figure(
            "limits",
            "wall time under the real limits ÷ the limits' own minimum",
            took / least,
            "ratio",
            at_most=GOAL,
            detail={"s": took, "minimum s": least, "requests": sent},
        ),
        Figure("limits", "requests that were refused with 429", refused, "requests", at_most=0),
    ]
