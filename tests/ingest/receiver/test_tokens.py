"""The receiver and the real book of tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from services.ingest.tokens import REREAD_SECONDS, TokenBook
from shared.clock import ManualClock
from shared.secrets import Secret, open_secrets
from shared.urls import url_of
from tests.ingest.receiver.world import TOKEN, open_world, running

OTHER = Secret("11111111-2222-3333-4444-555555555555")


async def test_a_token_that_another_process_has_just_kept_is_believed_at_once(tmp_path: Path) -> None:
    clock = ManualClock()
    secrets = await open_secrets(url_of("file", tmp_path / "secrets.json"))
    book, elsewhere = TokenBook(secrets, clock), TokenBook(secrets, clock)
    await book.add(1, "101", TOKEN)
    async with open_world(tmp_path, clock=clock) as world:
        world.env = replace(world.env, tokens=book)
        async with running(world) as client:
            assert (await client.deliver(b"body")).status == 200
            assert (await client.deliver(b"body", event=24, token=OTHER)).status == 401
            await elsewhere.add(24, "102", OTHER)
            clock.advance(REREAD_SECONDS)
            assert (await client.deliver(b"body", event=24, token=OTHER)).status == 200
            assert (await client.deliver(b"body", event=1, token=OTHER)).status == 401
        assert {delivery.event_id for delivery in await world.bus.deliveries()} == {1, 24}
    await book.close()
    await secrets.close()
