"""A Storage Write API that does nothing but confirm, in a process of its own.

`python -m bench.storage_write_process` prints the port and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.cloud.bigquery_storage_v1 import types

_SERVICE = "google.cloud.bigquery.storage.v1.BigQueryWrite"
_CONFIRMED = types.AppendRowsResponse.serialize(
    types.AppendRowsResponse(append_result=types.AppendRowsResponse.AppendResult())
)


async def _append_rows(requests: AsyncIterator[bytes], _: Any) -> AsyncIterator[bytes]:
    async for _request in requests:
        yield _CONFIRMED


async def _serve() -> None:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    # Bytes in, bytes out: what it costs to read the requests is not ours.
    handlers = {"AppendRows": grpc.stream_stream_rpc_method_handler(_append_rows)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve())
