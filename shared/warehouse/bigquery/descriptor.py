"""How a row of a table looks on the wire: the protobuf descriptor that goes ahead of the rows.

Which protobuf type stands for which type of BigQuery is from Google's table of supported types (documented):
TIMESTAMP is int64 microseconds, DATE int32 days, NUMERIC and JSON travel as strings. Fields are proto2's
`optional`, so that a field left out is NULL and one that holds zero or an empty text is not; proto3 would
lose that difference, and its `optional` is refused by the service (seen by others).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from shared.catalog.model import ColumnType
from shared.warehouse.bigquery.changes import CHANGE_SEQUENCE_NUMBER, CHANGE_TYPE

Columns = tuple[tuple[str, ColumnType], ...]

_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES: Final[Mapping[ColumnType, int]] = {
    ColumnType.STRING: _FIELD.TYPE_STRING,
    ColumnType.INT64: _FIELD.TYPE_INT64,
    ColumnType.BOOL: _FIELD.TYPE_BOOL,
    ColumnType.TIMESTAMP: _FIELD.TYPE_INT64,
    ColumnType.DATE: _FIELD.TYPE_INT32,
    ColumnType.NUMERIC: _FIELD.TYPE_STRING,
    ColumnType.JSON: _FIELD.TYPE_STRING,
    ColumnType.STRING_ARRAY: _FIELD.TYPE_STRING,
}

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COLUMN_NAME: Final = 454943157
"""The number of Google's field option `column_name`, which gives a field any column's name (documented)."""
_RESERVED_NUMBERS: Final = range(19_000, 20_000)
"""Protobuf keeps these for itself."""


@dataclass(frozen=True)
class RowDescriptor:
    """The descriptor of a table's rows, self-contained, and the message class made from it.

    `renamed` has the fields that could not be called like their columns, by the column's name.
    """

    proto: Any
    message: Any
    renamed: Mapping[str, str]


def describe(columns: Columns) -> RowDescriptor:
    """The descriptor for these columns in their order, and the two pseudo-columns of a change after them.

    Columns may have the names of keywords (`default`, `order`) and begin with underscores. A name that is no
    identifier of protobuf is told by the option `column_name`.
    """
    proto = descriptor_pb2.DescriptorProto(name="Row")
    renamed = {}
    taken = {name for name, _ in columns}
    pseudo = ((CHANGE_TYPE, ColumnType.STRING), (CHANGE_SEQUENCE_NUMBER, ColumnType.STRING))
    numbers = (number for number in range(1, 1 << 29) if number not in _RESERVED_NUMBERS)
    for number, (name, type_) in zip(numbers, (*columns, *pseudo), strict=False):
        field = proto.field.add(
            name=name,
            number=number,
            type=_TYPES[type_],
            label=_FIELD.LABEL_REPEATED if type_ is ColumnType.STRING_ARRAY else _FIELD.LABEL_OPTIONAL,
        )
        if not _IDENTIFIER.fullmatch(name):
            field.name = renamed[name] = _free_name(number, taken)
            field.options.MergeFromString(_column_name_option(name))
    return RowDescriptor(proto, _message_class(proto), renamed)


def _free_name(number: int, taken: set[str]) -> str:
    name = f"column_{number}"
    while name in taken:
        name = f"{name}_"
    return name


def _column_name_option(name: str) -> bytes:
    # The extension is declared in none of Google's Python packages: its bytes are written by hand.
    text = name.encode()
    return _varint(_COLUMN_NAME << 3 | 2) + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    low = bytearray()
    while number > 0x7F:
        low.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*low, number))


def _message_class(proto: Any) -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="row.proto", package="productive_ingest", syntax="proto2", message_type=[proto]
    )
    for field in file.message_type[0].field:
        # The names derived from `a_b` and `aB` would be one, which protobuf refuses; nobody needs them.
        field.json_name = str(field.number)
    # A pool of its own: the same names mean other fields in every table.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("productive_ingest.Row"))
