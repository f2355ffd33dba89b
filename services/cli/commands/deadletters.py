"""`productive-ingest deadletters`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from services.cli.letters import Letter, Letters
from services.cli.options import Invocation, common_options, run_async
from services.cli.world import open_world
from shared.bus import DeadLetter
from shared.clock import MICROSECONDS
from shared.errors import ConfigError, RecordError
from shared.record.codec import BatchCodec


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
        letters = await Letters(world).first(limit)
        total = await Letters(world).total()
    if not letters:
        invocation.output.say("No dead letters.")
    else:
        rows = [(one.id, _when(one), _what(one), one.letter.reason) for one in letters]
        invocation.output.table(("id", "since", "of", "reason"), rows)
        if total > len(letters):
            invocation.output.say(f"{total - len(letters):,} more; see --limit.")
    invocation.output.result({"total": total, "dead_letters": [_plain(one) for one in letters]})


@deadletters.command("show", epilog="Example: productive-ingest deadletters show 7")
@click.argument("letter_id")
@common_options
@run_async
async def show(invocation: Invocation, letter_id: str) -> None:
    """One dead letter with its content; it may hold personal data."""
    async with open_world(invocation.settings) as world:
        found = await Letters(world).find(letter_id)
        content = await _content(world.codec, found.letter)
    invocation.output.say(f"{found.id}: {found.letter.reason}", style="bold")
    invocation.output.say(f"since {_when(found)}, after {found.letter.attempts} attempts")
    invocation.output.say(content)
    invocation.output.result({**_plain(found), "content": content})


@deadletters.command("replay", epilog="Example: productive-ingest deadletters replay --all")
@click.argument("letter_ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
@common_options
@run_async
async def replay(invocation: Invocation, letter_ids: Sequence[str], everything: bool) -> None:
    """Put dead letters back where they came from, to be tried again."""
    if bool(letter_ids) == everything:
        raise ConfigError("which dead letters?", advice="Name their ids, or say --all.")
    async with open_world(invocation.settings) as world:
        letters = Letters(world)
        ids = [letter.id async for letter in letters.all()] if everything else list(letter_ids)
        count = await letters.replay(ids)
    invocation.output.say(
        f"{count:,} back on the bus; `run` takes them, or the next `backfill` or `writer` for records and "
        "`serve` for webhooks."
    )
    invocation.output.result({"replayed": count})


async def _content(codec: BatchCodec, letter: DeadLetter) -> str:
    """The records as JSON where they can be read, else the bytes as text."""
    try:
        return msgspec.json.format(msgspec.json.encode((await codec.decode(letter.message)).batch)).decode()
    except RecordError:
        return letter.message.body.decode("utf-8", "backslashreplace")


def _plain(one: Letter) -> dict[str, Any]:
    return {
        "id": one.id,
        "since": _when(one),
        "table": one.letter.message.attributes.get("table", ""),
        "event_id": one.letter.message.attributes.get("event_id"),
        "reason": one.letter.reason,
        "attempts": one.letter.attempts,
        "bytes": len(one.letter.message.body),
    }


def _what(one: Letter) -> str:
    """The table of a record, or the webhook that a delivery came from."""
    attributes = one.letter.message.attributes
    return attributes.get("table") or (f"event {attributes['event_id']}" if "event_id" in attributes else "")


def _when(one: Letter) -> str:
    return datetime.fromtimestamp(one.letter.died_us / MICROSECONDS, UTC).isoformat(timespec="seconds")
