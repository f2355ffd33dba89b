"""Where Google's services are reached, and the stand-ins that take their place on one machine.

Each service can be sent elsewhere by an environment variable: the first three are those that Google's own
clients and emulators use, the others follow their example. A stand-in is spoken to without encryption and
without credentials, so it must be on this machine or in a network of its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc
import grpc.aio
from google.auth.credentials import AnonymousCredentials, Credentials

LARGEST_GRPC_MESSAGE: Final = 32 << 20
"""Bytes. gRPC's default of 4 MiB silently keeps large messages from arriving (seen with Pub/Sub)."""

CHANNEL_OPTIONS: Final[Sequence[tuple[str, int]]] = (
    ("grpc.max_receive_message_length", LARGEST_GRPC_MESSAGE),
    ("grpc.max_send_message_length", LARGEST_GRPC_MESSAGE),
    # A connection that a firewall or a load balancer forgot is noticed within a minute.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # By default channels to one address share a connection, and a new channel would be as dead as the old.
    ("grpc.use_local_subchannel_pool", 1),
    # A server that is back is found again within seconds; the default grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 250),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


@dataclass(frozen=True, slots=True)
class Service:
    """A service of Google's: its name for people, its API's name, and the variable of its stand-in."""

    title: str
    api: str
    variable: str

    @property
    def stand_in(self) -> str | None:
        """`host:port` (or a URL, for the REST services) of the stand-in, None for the real one."""
        return os.environ.get(self.variable) or None


PUBSUB: Final = Service("Pub/Sub", "pubsub.googleapis.com", "PUBSUB_EMULATOR_HOST")
STORAGE: Final = Service("Cloud Storage", "storage.googleapis.com", "STORAGE_EMULATOR_HOST")
BIGQUERY: Final = Service("BigQuery", "bigquery.googleapis.com", "BIGQUERY_EMULATOR_HOST")
STORAGE_WRITE: Final = Service(
    "BigQuery Storage Write API", "bigquerystorage.googleapis.com", "BIGQUERY_STORAGE_EMULATOR_HOST"
)
SECRET_MANAGER: Final = Service(
    "Secret Manager", "secretmanager.googleapis.com", "SECRET_MANAGER_EMULATOR_HOST"
)
MONITORING: Final = Service("Cloud Monitoring", "monitoring.googleapis.com", "MONITORING_EMULATOR_HOST")


def grpc_transport(service: Service, transport: Any) -> Any:
    """A transport of one of Google's clients on a channel of its own, to the service or to its stand-in.

    `transport` is the client's asyncio transport class. To be called on the event loop that will use it.
    `google.auth.exceptions.DefaultCredentialsError` when there are no credentials for the real service.
    """
    if service.stand_in is not None:
        return transport(channel=grpc.aio.insecure_channel(service.stand_in, options=CHANNEL_OPTIONS))
    channel = transport.create_channel(options=CHANNEL_OPTIONS)
    return transport(channel=channel)


def rest_credentials(service: Service) -> Credentials | None:
    """Credentials for a REST client: none needed for a stand-in, None for those of the environment."""
    if service.stand_in is None:
        return None
    return AnonymousCredentials()
