"""Rows to the bytes that are sent, and the rows that BigQuery would not take, found before they are.

Of the ways to make a message that were measured (`bench/storage_write.py`), giving all fields to the
constructor of protobuf's own message class is the fastest: it is one call into C per row. An assignment per
field takes half as long again, pure Python that writes the wire format more than three times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.record.model import Value
from shared.warehouse.bigquery.changes import CHANGE_SEQUENCE_NUMBER, CHANGE_TYPE, KEY, ChangeRow
from shared.warehouse.bigquery.descriptor import Columns, describe
from shared.warehouse.bigquery.fitting import form_of
from shared.warehouse.port import RefusedRow

_KINDS: Final = frozenset(("UPSERT", "DELETE"))
_SEQUENCE = re.compile(r"[0-9A-Fa-f]{1,16}(/[0-9A-Fa-f]{1,16}){0,3}")


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as bytes, each with its index in the rows given, and the rows that do not fit."""

    rows: Sequence[bytes]
    indexes: Sequence[int]
    refused: Sequence[RefusedRow]


class RowEncoder:
    """Encodes rows with these columns. What is built from the columns is built once: keep it.

    BigQuery cannot tell an empty array from one that is NULL: both are a repeated field without values.
    """

    def __init__(self, columns: Columns) -> None:
        self._descriptor = describe(columns)
        self._message = self._descriptor.message
        self._forms = {name: form_of(name, type_) for name, type_ in columns}
        self._names = self._forms.keys()
        self.schema: bytes = self._descriptor.proto.SerializeToString()
        """The serialized descriptor."""
        self.columns = frozenset(self._names)
        """The columns' names."""

    @property
    def descriptor(self) -> Any:
        """The `DescriptorProto` that rows are encoded by."""
        return self._descriptor.proto

    def encode(self, rows: Sequence[ChangeRow], *, largest: int) -> Encoded:
        """All rows that fit, as bytes; a row of more than `largest` bytes does not fit.

        The others are refused with the column and the reason.
        """
        values = [row.values if row.kind == "UPSERT" else _key_of(row) for row in rows]
        misfits = dict(self._misfits(rows, values))
        encoded, indexes = [], []
        for index, (row, its_values) in enumerate(zip(rows, values, strict=True)):
            if index in misfits:
                continue
            try:
                data = self._encode(row, its_values)
            except UnicodeEncodeError:
                misfits[index] = self._misfit(row, its_values) or "holds text that is not valid Unicode"
                continue
            if len(data) > largest:
                misfits[index] = f"takes {len(data):,} bytes, of which BigQuery takes {largest:,} at once"
                continue
            encoded.append(data)
            indexes.append(index)
        refused = [RefusedRow(index, reason) for index, reason in sorted(misfits.items())]
        return Encoded(encoded, indexes, refused)

    def _encode(self, row: ChangeRow, values: Mapping[str, Any]) -> bytes:
        kind, sequence, _ = row
        renamed = self._descriptor.renamed
        if not renamed:
            try:
                message = self._message(**values, _CHANGE_TYPE=kind, _CHANGE_SEQUENCE_NUMBER=sequence)
                return bytes(message.SerializeToString())
            except UnicodeEncodeError:
                raise
            except (ValueError, TypeError):
                pass  # a name that is no column's; to look for those in every row would cost more
        known = {renamed.get(name, name): value for name, value in values.items() if name in self._names}
        message = self._message(**known, _CHANGE_TYPE=kind, _CHANGE_SEQUENCE_NUMBER=sequence)
        return bytes(message.SerializeToString())

    def _misfits(
        self, rows: Sequence[ChangeRow], values: Sequence[Mapping[str, Value]]
    ) -> Iterator[tuple[int, str]]:
        table = zip(*(map(row.get, self._names) for row in values), strict=True)
        fit = all(form.holds_all(column) for form, column in zip(self._forms.values(), table, strict=False))
        if fit and _well_marked(rows):
            return
        for index, (row, its_values) in enumerate(zip(rows, values, strict=True)):
            reason = self._misfit(row, its_values)
            if reason is not None:
                yield index, reason

    def _misfit(self, row: ChangeRow, values: Mapping[str, Value]) -> str | None:
        if not _well_marked((row,)):
            return f"`{CHANGE_TYPE}` or `{CHANGE_SEQUENCE_NUMBER}` is none"
        names = self._forms.items() if row.kind == "UPSERT" else ((KEY, self._forms[KEY]),)
        for name, form in names:
            reason = form.misfit_of(values.get(name))
            if reason is not None:
                return f"column `{name}` {reason}"
        return None


def _key_of(row: ChangeRow) -> Mapping[str, Value]:
    return {KEY: row.values.get(KEY)}


def _well_marked(rows: Sequence[ChangeRow]) -> bool:
    return {row.kind for row in rows} <= _KINDS and all(
        map(_SEQUENCE.fullmatch, [row.sequence for row in rows])
    )
