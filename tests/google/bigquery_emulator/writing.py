"""The emulator's Storage Write API with change data capture, and refusals where BigQuery refuses.

Rows of a table with a staleness show when it has passed, and not before: later than BigQuery ever would. Not
modelled: delays between a change of a table and the write path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import uuid4

import bqemulator.grpc_api.write_servicer as servicer  # type: ignore[import-not-found]
import grpc
import pyarrow as pa
from bqemulator.storage.sql_identifiers import quoted_table_ref  # type: ignore[import-not-found]
from google.cloud.bigquery_storage_v1 import types
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from tests.google.bigquery_emulator.changes import CHANGE_TYPE, SEQUENCE_NUMBER, Memory, sequence
from tests.google.bigquery_emulator.tables import primary_key, staleness_seconds

_PSEUDO = (CHANGE_TYPE, SEQUENCE_NUMBER)
_decode = servicer._rows_for_request


def _rows_for_request(request: Any, decoder: Any, arrow: Any, target: Any) -> Any:
    if arrow is not None or request._pb.HasField("arrow_rows"):
        raise ValueError("change data capture takes protobuf only")
    try:
        rows, decoder, arrow = _decode(request, decoder, arrow, target)
    except (DecodeError, ArithmeticError, pa.ArrowException, TypeError) as error:
        raise ValueError(f"a row could not be decoded: {error}") from error
    extra = set(decoder.field_names) - set(target.names) if decoder is not None else ()
    if extra:
        names = ",".join(sorted(extra))
        raise ValueError(f"Input schema has more fields than BigQuery schema, extra fields: '{names}'")
    missing = [name for name in _PSEUDO if decoder is None or name not in decoder.field_names]
    return rows.drop_columns(missing) if missing else rows, decoder, arrow


class ChangesHandler(servicer.BigQueryWriteHandler):  # type: ignore[misc]
    """UPSERT and DELETE by primary key, ordered by number, deletions remembered for two days."""

    now: Callable[[], float] = staticmethod(lambda: 0.0)
    served: ClassVar[list[ChangesHandler]] = []

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._memories: dict[tuple[Any, ...], Memory] = {}
        self._changing = threading.RLock()
        self._waiting: list[tuple[float, tuple[str, str, str], Callable[[], None]]] = []
        self.served.append(self)

    def _ensure_stream_bound(self, name: str, bound: Any, context: Any) -> Any:
        if bound is not None and not name:
            return bound
        return super()._ensure_stream_bound(name, bound, context)

    def _bind_stream_to_target(self, name: str, context: Any) -> Any:
        got = super()._bind_stream_to_target(name, context)
        if got is None:
            return None
        schema = got[1]
        for pseudo in _PSEUDO:
            schema = schema.append(pa.field(pseudo, pa.string()))
        return got[0], schema

    def _perform_append(self, stream: Any, rows: Any, offset: Any, cap: Any) -> Any:
        table = self._ctx.catalog.get_table(stream.project_id, stream.dataset_id, stream.table_id)
        if table is None:
            return _refusal(stream, "the table is gone", code=grpc.StatusCode.NOT_FOUND)
        problem, bad = _problems(stream, rows, table)
        if problem or bad:
            return _refusal(stream, problem, bad)
        try:
            return super()._perform_append(stream, rows, offset, cap)
        except Exception as error:  # the rows are to blame, whatever DuckDB calls it
            return _refusal(stream, f"{type(error).__name__}: {error}")

    def _flush_to_target(self, stream: Any, rows: Any) -> None:
        place = (stream.project_id, stream.dataset_id, stream.table_id)
        table = self._ctx.catalog.get_table(*place)
        with self._changing:
            memory = self._memories.setdefault((*place, table.creation_time), Memory(self.now))
            picked: dict[str, int] = {}
            [name] = primary_key(table) or []
            changes = (rows[column].to_pylist() for column in (name, *_PSEUDO))
            for position, (key, kind, number) in enumerate(zip(*changes, strict=True)):
                if memory.accepts(key, sequence(number), is_deletion=kind == "DELETE"):
                    picked[key] = position
            changed = rows.take(pa.array(sorted(picked.values()), pa.int64()))
            self._waiting.append((self.now(), place, lambda: self._apply(place, name, changed)))
        self.show()
        self._ctx.snapshots.record_change(*place)  # so that no query is answered from a cache

    def show(self) -> None:
        """Work in what is due by the staleness that its table has now."""
        with self._changing:
            due = [each for each in self._waiting if self._is_due(*each[:2])]
            self._waiting = [each for each in self._waiting if each not in due]
            for _, _, change in due:
                change()

    def _is_due(self, written_at: float, place: tuple[str, str, str]) -> bool:
        table = self._ctx.catalog.get_table(*place)
        return table is None or written_at + staleness_seconds(table) <= self.now()

    def _apply(self, place: tuple[str, str, str], key: str, rows: Any) -> None:
        names = ", ".join(f'"{name}"' for name in rows.column_names if name not in _PSEUDO)
        target, batch = quoted_table_ref(*place), f"changes_{uuid4().hex}"
        table = self._ctx.catalog.get_table(*place)
        if table is None:
            return
        cursor = self._ctx.engine.connection.cursor()
        cursor.register(batch, rows)
        try:
            cursor.execute("BEGIN")
            cursor.execute(f'DELETE FROM {target} WHERE "{key}" IN (SELECT "{key}" FROM {batch})')
            cursor.execute(
                f"INSERT INTO {target} ({names}) SELECT {names} FROM {batch} WHERE {CHANGE_TYPE} = 'UPSERT'"
            )
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        finally:
            cursor.close()


def _problems(stream: Any, rows: Any, table: Any) -> tuple[str, dict[int, str]]:
    key = primary_key(table)
    if not key or len(key) != 1:
        return "the table has no primary key of one column, which is all that this stand-in knows", {}
    if any(name not in rows.column_names for name in _PSEUDO):
        return f"rows of this stand-in need {CHANGE_TYPE} and {SEQUENCE_NUMBER}", {}
    if stream.stream_type is not servicer.WriteStreamType.DEFAULT:
        return "changes need the default stream", {}
    if not set(rows[CHANGE_TYPE].to_pylist()) <= {"UPSERT", "DELETE"}:
        return f"not a valid {CHANGE_TYPE}", {}
    try:
        for number in rows[SEQUENCE_NUMBER].to_pylist():
            sequence(number)
    except ValueError as error:
        return str(error), {}
    kinds = rows[CHANGE_TYPE].to_pylist()
    bad: dict[int, str] = {}
    for required in (each.name for each in table.schema_.fields if each.mode == "REQUIRED"):
        for position, value in enumerate(rows[required].to_pylist()):
            if value is None and (required in key or kinds[position] == "UPSERT"):
                bad[position] = required
    return "", bad


def _refusal(
    stream: Any,
    problem: str,
    bad: dict[int, str] | None = None,
    code: Any = grpc.StatusCode.INVALID_ARGUMENT,
) -> bytes:
    text = problem or "Errors found while processing rows. Please refer to the row_errors field for details."
    response = types.AppendRowsResponse(
        write_stream=stream.name,
        error=status_pb2.Status(code=code.value[0], message=text),
        row_errors=[
            types.RowError(
                index=position,
                code=types.RowError.RowErrorCode.FIELDS_ERROR,
                message=f"Field {name}: missing required value",
            )
            for position, name in sorted((bad or {}).items())
        ],
    )
    return bytes(types.AppendRowsResponse.serialize(response))


def install(now: Callable[[], float]) -> None:
    """Serve this instead of the emulator's own; `now` is the time by which deletions are forgotten."""
    ChangesHandler.now = staticmethod(now)
    servicer._rows_for_request = _rows_for_request
    servicer.BigQueryWriteHandler = ChangesHandler
