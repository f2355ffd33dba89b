"""Protocol buffers by hand, as far as Terraform's plugin protocol needs them: bytes, texts and numbers."""

from __future__ import annotations

from collections.abc import Mapping

Field = bytes | str | int | bool
Fields = Mapping[int, Field | list[bytes]]


def encode(fields: Fields) -> bytes:
    """A message: values by the numbers of their fields; a list is a repeated field."""
    out = bytearray()
    for number, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            out += _field(number, one)
    return bytes(out)


def decode(data: bytes) -> dict[int, list[bytes | int]]:
    """The values of each field, in order; nested messages and texts stay bytes."""
    fields: dict[int, list[bytes | int]] = {}
    at = 0
    while at < len(data):
        tag, at = _read_number(data, at)
        value: bytes | int
        if tag & 7 == 0:
            value, at = _read_number(data, at)
        elif tag & 7 == 2:
            length, at = _read_number(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise ValueError(f"no field of Terraform's protocol has the wire type {tag & 7}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _field(number: int, value: Field) -> bytes:
    if isinstance(value, bool | int):
        return _number(number << 3) + _number(int(value))
    body = value.encode() if isinstance(value, str) else value
    return _number(number << 3 | 2) + _number(len(body)) + body


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
