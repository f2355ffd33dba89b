from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator

import pytest
from google.api_core.exceptions import NotFound
from google.cloud import storage
from google.protobuf import duration_pb2
from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

from shared.google.endpoints import PUBSUB, STORAGE, grpc_transport, rest_credentials
from tests.google.bigquery_place import REAL_PROJECT, bigquery_emulator, bigquery_place

__all__ = ["bigquery_emulator", "bigquery_place"]

collect_ignore_glob = [] if REAL_PROJECT else ["test_*.py"]


@pytest.fixture
def project() -> str:
    assert REAL_PROJECT is not None
    return REAL_PROJECT


@pytest.fixture
async def buses(project: str) -> AsyncIterator[list[str]]:
    """Two buses of the test's own: topics with subscriptions, without a pause before a redelivery."""
    publisher = PublisherAsyncClient(transport=grpc_transport(PUBSUB, PublisherGrpcAsyncIOTransport))
    subscriber = SubscriberAsyncClient(transport=grpc_transport(PUBSUB, SubscriberGrpcAsyncIOTransport))
    names = [f"productive-ingest-test-{secrets.token_hex(6)}" for _ in range(2)]
    all_names = [each for name in names for each in (f"{name}-dead", name)]
    for name in all_names:
        topic = f"projects/{project}/topics/{name}"
        await publisher.create_topic(name=topic)
        subscription = types.Subscription(
            name=f"projects/{project}/subscriptions/{name}",
            topic=topic,
            ack_deadline_seconds=20,
            expiration_policy=types.ExpirationPolicy(),
            message_retention_duration=duration_pb2.Duration(seconds=7 * 86_400),
        )
        if not name.endswith("-dead"):
            subscription.dead_letter_policy = types.DeadLetterPolicy(
                dead_letter_topic=f"{topic}-dead", max_delivery_attempts=100
            )
        await subscriber.create_subscription(request=subscription)
    yield names
    for name in all_names:
        with contextlib.suppress(NotFound):
            await subscriber.delete_subscription(subscription=f"projects/{project}/subscriptions/{name}")
        with contextlib.suppress(NotFound):
            await publisher.delete_topic(topic=f"projects/{project}/topics/{name}")
    await subscriber.transport.close()
    await publisher.transport.close()


@pytest.fixture
async def bucket(project: str) -> AsyncIterator[str]:
    """A bucket of the test's own, in `PRODUCTIVE_INGEST_TEST_LOCATION` or where Google's default is."""
    name = f"productive-ingest-test-{secrets.token_hex(6)}"
    client = storage.Client(project=project, credentials=rest_credentials(STORAGE))
    location = os.environ.get("PRODUCTIVE_INGEST_TEST_LOCATION")
    made = await asyncio.to_thread(client.create_bucket, name, location=location)
    yield name
    for blob in await asyncio.to_thread(lambda: list(made.list_blobs())):
        await asyncio.to_thread(blob.delete)
    await asyncio.to_thread(made.delete)
    client.close()
