"""Scalars that MessagePack has no type for: how each is written, and under which code.

A code stands for its type in stored bytes, so it never changes and is never used again.
"""

from __future__ import annotations

import datetime
import struct
import uuid
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from augury.errors import CodecError

_pack = msgspec.msgpack.encode
_unpack = msgspec.msgpack.decode
_complex = struct.Struct("<dd")


class Extension(NamedTuple):
    """How one type of scalars is written and read."""

    code: int
    kind: type
    write: Callable[[Any], bytes]
    read: Callable[[memoryview], Any]


def _int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _zone(zone: datetime.tzinfo | None) -> object:
    if zone is None:
        return None
    if type(zone) is datetime.timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]  # as pickle has it
        return [offset.days, offset.seconds, offset.microseconds, *name]
    if type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        return zone.key
    raise CodecError(
        f"no codec carries the time zone {zone!r}; use datetime.timezone, or ZoneInfo by name"
    )


def _read_zone(zone: Any) -> datetime.tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        return zoneinfo.ZoneInfo(zone)
    days, seconds, microseconds, *name = zone
    return datetime.timezone(datetime.timedelta(days, seconds, microseconds), *name)


def _time(value: datetime.datetime | datetime.time) -> bytes:
    zone = value.tzinfo
    if not value.fold and (zone is None or zone is datetime.UTC):
        return value.isoformat().encode()
    return _pack((value.replace(tzinfo=None).isoformat(), value.fold, _zone(zone)))


def _read_time(kind: Any) -> Callable[[memoryview], Any]:
    def read(data: memoryview) -> Any:
        if data[0] < _NOT_ASCII:
            return kind.fromisoformat(str(data, "ascii"))
        local, fold, zone = _unpack(data)
        return kind.fromisoformat(local).replace(fold=fold, tzinfo=_read_zone(zone))

    return read


_NOT_ASCII = 0x80
"""As a list begins in MessagePack, and no ISO 8601."""


def _timedelta(value: datetime.timedelta) -> bytes:
    return _pack((value.days, value.seconds, value.microseconds))


def _uuid(value: uuid.UUID) -> bytes:
    return value.bytes + _SAFETY[value.is_safe]


def _read_uuid(data: memoryview) -> uuid.UUID:
    return uuid.UUID(bytes=bytes(data[:16]), is_safe=_SAFETIES[bytes(data[16:])])


_SAFETY = {uuid.SafeUUID.unknown: b"", uuid.SafeUUID.safe: b"s", uuid.SafeUUID.unsafe: b"u"}
_SAFETIES = {mark: safety for safety, mark in _SAFETY.items()}

BIG_INT = Extension(1, int, _int, lambda data: int.from_bytes(data, "little", signed=True))
"""Integers beyond the 64 bits that MessagePack has."""
ODD_TEXT = Extension(
    2,
    str,
    lambda value: value.encode("utf-8", "surrogatepass"),
    lambda data: str(data, "utf-8", "surrogatepass"),
)
"""Strings with lone surrogates, which MessagePack has not."""

SCALARS = [
    Extension(8, datetime.datetime, _time, _read_time(datetime.datetime)),
    Extension(
        9,
        datetime.date,
        lambda value: value.isoformat().encode(),
        lambda data: datetime.date.fromisoformat(str(data, "ascii")),
    ),
    Extension(10, datetime.time, _time, _read_time(datetime.time)),
    Extension(11, datetime.timedelta, _timedelta, lambda data: datetime.timedelta(*_unpack(data))),
    Extension(
        12, Decimal, lambda value: str(value).encode(), lambda data: Decimal(str(data, "ascii"))
    ),
    Extension(13, uuid.UUID, _uuid, _read_uuid),
    Extension(
        14,
        complex,
        lambda value: _complex.pack(value.real, value.imag),
        lambda data: complex(*_complex.unpack(data)),
    ),
    Extension(15, bytearray, bytes, bytearray),
]
