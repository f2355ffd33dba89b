"""`productive-ingest query`."""

from __future__ import annotations

import click

from services.cli.options import Invocation, common_options, run_async
from services.cli.reading import open_for_reading


@click.command(epilog="Example: productive-ingest query 'select count(*) from tasks where not closed'")
@click.argument("statement")
@click.option(
    "--limit",
    type=click.IntRange(1, 1_000_000),
    default=100,
    show_default=True,
    help="Show this many rows at the most.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 86_400),
    default=300.0,
    show_default=True,
    help="Stop the question if it has no answer by then.",
)
@common_options
@run_async
async def query(invocation: Invocation, statement: str, limit: int, seconds: float) -> None:
    """Ask the embedded warehouse one question in SQL, also while `run` or `writer` is at work.

    Then it is answered from a copy that the writing process makes for the occasion, so the answer is of
    this moment and the writing goes on.
    """
    async with open_for_reading(invocation.settings, invocation.output) as warehouse:
        answer = await warehouse.query(statement, max_rows=limit, seconds=seconds)
    invocation.output.table(answer.columns, answer.rows)
    if answer.truncated:
        invocation.output.note(f"only the first {limit:,} rows are shown; see --limit", style="yellow")
    rows = [[None if value is None else _plain(value) for value in row] for row in answer.rows]
    invocation.output.result({"columns": answer.columns, "rows": rows, "truncated": answer.truncated})


def _plain(value: object) -> object:
    """Numbers, booleans and lists as JSON has them; the rest, exact decimals among it, as text."""
    return value if isinstance(value, bool | int | float | list | dict) else str(value)
