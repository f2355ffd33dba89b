"""What the write path knows of a table: behind what the table is, for minutes after it was altered."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from google.api_core import exceptions
from google.cloud.bigquery_storage_v1 import types
from google.cloud.bigquery_storage_v1.services.big_query_write import BigQueryWriteAsyncClient

from shared.clock import Clock
from shared.errors import UnreachableError
from shared.google.failures import as_ours
from shared.warehouse.bigquery.answers import table_of
from shared.warehouse.bigquery.append_settings import AppendSettings
from shared.warehouse.bigquery.connection import default_stream

_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_CALL_SECONDS: Final = 20.0


async def wait_for_columns(
    client: BigQueryWriteAsyncClient,
    table: str,
    columns: Collection[str],
    *,
    clock: Clock,
    settings: AppendSettings,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Ask until the default stream of a table has all these columns, whatever their case.

    A table that is not there yet is waited for likewise. `check` is called before each question and may
    raise. `UnreachableError` after `schema_seconds`;
    `StorageError` when we may not ask.
    """
    wanted = {name.lower(): name for name in columns}
    request = types.GetWriteStreamRequest(name=default_stream(table), view=types.WriteStreamView.FULL)
    started, pause = clock.monotonic(), _FIRST_PAUSE
    while True:
        check()
        try:
            stream = await client.get_write_stream(request, retry=None, timeout=_CALL_SECONDS)
        except exceptions.NotFound:
            lacking = "the table"
        except Exception as error:
            ours = as_ours(error, table_of(table))
            if not isinstance(ours, UnreachableError):
                raise ours from error
            lacking = "an answer"
        else:
            known = {field.name.lower() for field in stream.table_schema.fields}
            missing = sorted(name for lower, name in wanted.items() if lower not in known)
            if not missing:
                return
            lacking = f"its columns {', '.join(missing[:10])}"
        if clock.monotonic() - started >= settings.schema_seconds:
            raise UnreachableError(
                f"{table_of(table).what}: the Storage Write API lacks {lacking} after "
                f"{settings.schema_seconds:.0f} s",
                advice="It knows of a new table or column within minutes: try again later.",
            )
        await clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
