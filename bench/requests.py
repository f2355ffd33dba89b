"""How many requests a full crawl takes: one per 200 records and one per empty table is the least."""

from __future__ import annotations

import math

from bench.report import Figure, Options
from bench.sandbox_process import running_sandbox
from bench.stores import crawl_and_write, new_client, new_world
from shared.productive import PAGE_SIZE

GOAL = 1.05


async def measure(options: Options) -> list[Figure]:
    """Crawl the sandbox's 58 default tables."""
    async with (
        running_sandbox() as connection,
        new_world(options.folder, connection) as world,
        new_client(connection) as client,
    ):
        written = await crawl_and_write(world, client)
        sent = client.stats.requests
    least = sum(max(1, math.ceil(table.records / PAGE_SIZE)) for table in written.outcome.tables)
    return [
        Figure(
            "requests",
            "requests of a full crawl ÷ the least possible",
            sent / least,
            "ratio",
            at_most=GOAL,
            detail={"requests": sent, "least": least, "records": written.records},
        )
    ]
