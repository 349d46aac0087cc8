"""Types of the standard library: dates, exact numbers, paths, collections, classes."""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import ipaddress
import operator
import pathlib
import re
import sys
import types
import uuid
import zoneinfo
from typing import Any

from augury.keys.dispatch import Unencodable, content_encoder
from augury.keys.format import Encoder, Output, named, text, type_name

FIXED = True


def find(kind: type) -> Encoder | None:
    """Return the encoder of a type of the standard library."""
    return _encode_class if issubclass(kind, type) else _ENCODERS.get(kind)


def _datetime(value: datetime.datetime) -> object:
    # The local time and its offset: a function sees both, so the same instant told in two zones
    # makes two keys. `fold` counts only where no offset tells what it means.
    local = value.isoformat()
    return (local, 1) if value.fold and value.utcoffset() is None else local


def _time(value: datetime.time) -> object:
    local = value.isoformat()
    return (local, 1) if value.fold and value.utcoffset() is None else local


def _counter(value: collections.Counter[Any]) -> object:
    return {item: count for item, count in value.items() if count}  # a count of 0 is no item


def _zone(value: zoneinfo.ZoneInfo) -> object:
    if value.key is None:
        raise Unencodable(
            value, "the zone has no name; read it by name, as ZoneInfo('Europe/Rome')"
        )
    return value.key


_CONTENT: dict[type, Any] = {
    datetime.datetime: _datetime,
    datetime.date: datetime.date.isoformat,
    datetime.time: _time,
    datetime.timedelta: lambda span: span // datetime.timedelta(microseconds=1),
    datetime.timezone: lambda zone: zone.utcoffset(None),
    zoneinfo.ZoneInfo: _zone,
    decimal.Decimal: str,
    fractions.Fraction: lambda value: (value.numerator, value.denominator),
    uuid.UUID: operator.attrgetter("bytes"),
    pathlib.PurePosixPath: str,
    pathlib.PosixPath: str,
    pathlib.PureWindowsPath: str,
    pathlib.WindowsPath: str,
    ipaddress.IPv4Address: str,
    ipaddress.IPv6Address: str,
    ipaddress.IPv4Network: str,
    ipaddress.IPv6Network: str,
    ipaddress.IPv4Interface: str,
    ipaddress.IPv6Interface: str,
    re.Pattern: lambda value: (value.pattern, value.flags),
    collections.OrderedDict: lambda value: list(value.items()),
    collections.defaultdict: dict,
    collections.Counter: _counter,
    collections.deque: list,
    types.MappingProxyType: dict,
}

_ENCODERS: dict[type, Encoder] = {
    # Not by `__module__`, which may differ between versions of Python.
    kind: content_encoder(f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}", content)
    for kind, content in _CONTENT.items()
}

_CLASS = named("class")


def _encode_class(value: type, output: Output, _room: int) -> None:
    """Write a class by the name under which any process can import it."""
    try:
        found: object = sys.modules[value.__module__]
        for name in value.__qualname__.split("."):
            found = getattr(found, name)
    except (KeyError, AttributeError):
        found = None
    if found is not value:
        raise Unencodable(
            value, f"cannot make a stable key from {value!r}, a class that has no name to import it"
        )
    output.append(_CLASS + text(type_name(value)))
