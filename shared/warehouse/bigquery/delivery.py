"""One append's rows until they are durable or refused, whatever is answered meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, NoReturn

from shared.clock import Clock
from shared.errors import UnreachableError
from shared.warehouse.bigquery.answers import (
    Answer,
    Broken,
    Confirmed,
    Exhausted,
    Forbidden,
    Missing,
    RequestRefused,
    RowsRefused,
    SchemaBehind,
    mismatch,
    table_of,
)
from shared.warehouse.bigquery.append_settings import AppendSettings
from shared.warehouse.bigquery.connections import Connections
from shared.warehouse.bigquery.encoding import RowEncoder
from shared.warehouse.bigquery.pacing import Pace
from shared.warehouse.bigquery.parcels import Parcel
from shared.warehouse.port import RefusedRow

ALL_REFUSED: Final = 16
"""So many rows refused one by one with none accepted are no longer the rows' fault."""

WaitForColumns = Callable[[str, Collection[str]], Awaitable[None]]


class Delivery:
    """The parcels of one append; they may be delivered concurrently."""

    def __init__(
        self,
        table: str,
        encoder: RowEncoder,
        connections: Connections,
        pace: Pace,
        wait_for_columns: WaitForColumns,
        *,
        clock: Clock,
        settings: AppendSettings,
    ) -> None:
        self._table = table
        self._encoder = encoder
        self._connections = connections
        self._pace = pace
        self._wait_for_columns = wait_for_columns
        self._clock = clock
        self._settings = settings
        self._refusals = 0
        self._alone = 0
        self._accepted = False

    async def deliver(self, parcel: Parcel) -> Sequence[RefusedRow]:
        """Send rows until all are durable but those that come back refused."""
        refused: list[RefusedRow] = []
        troubles: dict[type, float] = {}
        while True:
            match answer := await self._send(parcel):
                case Confirmed():
                    self._accepted = True
                    self._pace.succeeded()
                    return refused
                case RowsRefused(reasons) if self._may_drop(reasons, parcel):
                    refused += [RefusedRow(parcel.indexes[at], why) for at, why in sorted(reasons.items())]
                    parcel = parcel.without(reasons)
                    if not parcel.rows:
                        return refused
                case RowsRefused() | RequestRefused():
                    return [*refused, *await self._divide(parcel, answer.reason)]
                case _:
                    await self._make_ready(answer, troubles)

    async def _send(self, parcel: Parcel) -> Answer:
        await self._pace.wait()
        async with self._connections.use(self._table) as connection:
            answer = await connection.send(parcel, self._encoder.schema)
            if isinstance(answer, Broken | SchemaBehind | Missing | Forbidden):
                # What it knows of the table, or whether it is alive, is not to be relied on.
                connection.abort()
            return answer

    async def _make_ready(
        self, answer: SchemaBehind | Missing | Broken | Exhausted | Forbidden, troubles: dict[type, float]
    ) -> None:
        """Return when the rows may be sent again; raise when there is no use in it, or no time left.

        `troubles` keeps since when each kind of trouble is had: each has a patience of its own.
        """
        kind = Broken if isinstance(answer, Exhausted) else type(answer)
        elapsed = self._clock.monotonic() - troubles.setdefault(kind, self._clock.monotonic())
        match answer:
            case SchemaBehind():
                if elapsed >= self._settings.schema_seconds:
                    raise mismatch(self._table, answer.reason)
                await self._wait_for_schema(answer.known)
            case Forbidden(error):
                raise error
            case Missing(error):
                if elapsed >= self._settings.missing_seconds:
                    raise error
            case Exhausted(reason) | Broken(reason):
                if elapsed >= self._settings.patience_seconds:
                    self._give_up(reason)
        self._pace.failed(answer)

    def _may_drop(self, positions: Collection[int], parcel: Parcel) -> bool:
        """Whether what is named are rows of the request, and rows are not named one by one without end."""
        self._refusals += 1
        return self._refusals <= self._settings.refusals and all(
            0 <= position < len(parcel.rows) for position in positions
        )

    async def _divide(self, parcel: Parcel, reason: str) -> Sequence[RefusedRow]:
        """Find the rows for which a request is refused, by sending it in halves."""
        self._refusals += 1
        if len(parcel.rows) == 1:
            self._alone += 1
            if self._alone >= ALL_REFUSED and not self._accepted:
                raise mismatch(self._table, reason)
            return [RefusedRow(parcel.indexes[0], reason)]
        if self._refusals > self._settings.refusals:
            together = f"was refused together with other rows: {reason}"
            return [RefusedRow(index, together) for index in parcel.indexes]
        left, right = parcel.halves()
        return [*await self.deliver(left), *await self.deliver(right)]

    async def _wait_for_schema(self, known: Collection[str] | None) -> None:
        # What one connection was told may still be unknown to the next: hence the pause afterwards.
        names = self._encoder.columns
        if known is None or not {name.lower() for name in names} <= set(known):
            await self._wait_for_columns(self._table, names)

    def _give_up(self, reason: str) -> NoReturn:
        raise UnreachableError(
            f"{table_of(self._table).what}: rows were not confirmed for "
            f"{self._settings.patience_seconds:.0f} s ({reason})",
            advice="They are sent again later; https://status.cloud.google.com tells of troubles of "
            "Google's, `productive-ingest doctor` of quotas.",
        )
