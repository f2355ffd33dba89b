"""`productive-ingest deadletters`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from services.cli.options import Invocation, common_options, run_async
from services.cli.world import open_world
from shared.bus import Bus, DeadLetter
from shared.clock import MICROSECONDS
from shared.errors import ConfigError, RecordError
from shared.record.codec import BatchCodec

_PAGE = 100


@click.group(epilog="Example: productive-ingest deadletters list")
def deadletters() -> None:
    """What could not be written, with the reason; nothing is lost."""


@deadletters.command("list", epilog="Example: productive-ingest deadletters list --limit 20")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@common_options
@run_async
async def list_letters(invocation: Invocation, limit: int) -> None:
    """The oldest dead letters first."""
    async with open_world(invocation.settings) as world:
        letters = await world.bus.dead_letters(limit=limit)
        total = (await world.bus.backlog()).dead_letters
    if not letters:
        invocation.output.say("No dead letters.")
    else:
        rows = [(letter.id, _when(letter), _table(letter), letter.reason) for letter in letters]
        invocation.output.table(("id", "since", "table", "reason"), rows)
        if total > len(letters):
            invocation.output.say(f"{total - len(letters):,} more; see --limit.")
    invocation.output.result({"total": total, "dead_letters": [_plain(letter) for letter in letters]})


@deadletters.command("show", epilog="Example: productive-ingest deadletters show 7")
@click.argument("letter_id")
@common_options
@run_async
async def show(invocation: Invocation, letter_id: str) -> None:
    """One dead letter with its content; it may hold personal data."""
    async with open_world(invocation.settings) as world:
        letter = await _find(world.bus, letter_id)
        content = await _content(world.codec, letter)
    invocation.output.say(f"{letter.id}: {letter.reason}", style="bold")
    invocation.output.say(f"since {_when(letter)}, after {letter.attempts} attempts")
    invocation.output.say(content)
    invocation.output.result({**_plain(letter), "content": content})


@deadletters.command("replay", epilog="Example: productive-ingest deadletters replay --all")
@click.argument("letter_ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@common_options
@run_async
async def replay(invocation: Invocation, letter_ids: Sequence[str], everything: bool) -> None:
    """Put dead letters back on the bus, for the writer to try again."""
    if bool(letter_ids) == everything:
        raise ConfigError("which dead letters?", advice="Name their ids, or say --all.")
    async with open_world(invocation.settings) as world:
        ids = [letter.id async for letter in _all(world.bus)] if everything else list(letter_ids)
        count = await world.bus.replay(ids)
    invocation.output.say(f"{count:,} back on the bus; the next `backfill`, `writer` or `run` writes them.")
    invocation.output.result({"replayed": count})


async def _all(bus: Bus) -> AsyncIterator[DeadLetter]:
    after: str | None = None
    while letters := await bus.dead_letters(limit=_PAGE, after=after):
        for letter in letters:
            yield letter
        after = letters[-1].id


async def _find(bus: Bus, letter_id: str) -> DeadLetter:
    async for letter in _all(bus):
        if letter.id == letter_id:
            return letter
    raise ConfigError(
        f"there is no dead letter {letter_id!r}", advice="`productive-ingest deadletters list` shows them."
    )


async def _content(codec: BatchCodec, letter: DeadLetter) -> str:
    """The records as JSON where they can be read, else the bytes as text."""
    try:
        return msgspec.json.format(msgspec.json.encode((await codec.decode(letter.message)).batch)).decode()
    except RecordError:
        return letter.message.body.decode("utf-8", "backslashreplace")


def _plain(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "since": _when(letter),
        "table": _table(letter),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "bytes": len(letter.message.body),
    }


def _table(letter: DeadLetter) -> str:
    return letter.message.attributes.get("table", "")


def _when(letter: DeadLetter) -> str:
    return datetime.fromtimestamp(letter.died_us / MICROSECONDS, UTC).isoformat(timespec="seconds")
