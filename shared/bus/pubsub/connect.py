"""From a URL to a bus: `pubsub://PROJECT/TOPIC`, with the subscription TOPIC and the pair TOPIC-dead."""

from __future__ import annotations

from shared.bus.limits import BusSettings
from shared.bus.pubsub.adapter import PubsubBus
from shared.bus.pubsub.names import parse
from shared.clock import Clock


async def connect(url: str, *, clock: Clock, settings: BusSettings) -> PubsubBus:
    """Open the bus, making what is missing of it.

    `ConfigError` for an address that Pub/Sub would not take, `StorageError` without credentials, or when
    something is missing and may not be made; `UnreachableError` when Pub/Sub does not answer.
    """
    bus = PubsubBus(parse(url), clock=clock, settings=settings)
    try:
        await bus.provision()
    except BaseException:
        await bus.close()
        raise
    return bus
