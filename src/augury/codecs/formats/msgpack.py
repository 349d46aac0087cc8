"""Values of the language and of its library, in each other, as MessagePack; and all others nested.

What MessagePack has is written as such, by msgspec, which would also write much that it does not
read back as the same type. So types are looked at first: what is not exactly one of its own becomes
an extension, whose code never changes and is never used again.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from augury.codecs import formats, records
from augury.codecs.extensions import BIG_INT, ODD_TEXT, SCALARS
from augury.codecs.formats import full_name
from augury.errors import CodecError

NUMBER = 2
TYPES = frozenset({type(None), bool, int, float, list, dict, tuple})

DEPTH = 100
"""How deep containers may lie in each other; within themselves they lie for ever."""

_TUPLE, _ROWS, _SET, _FROZENSET, _MAPPING, _RECORD = 3, 4, 5, 6, 7, 16
_CODEC = 32
"""Added to a codec's number, it is the code of a value of that codec."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})

_pack = msgspec.msgpack.Encoder().encode


def encode(value: Any) -> bytes:
    """Return the value as MessagePack."""
    if _is_plain(value, DEPTH):
        try:
            return _pack(value)
        except (OverflowError, UnicodeEncodeError):
            pass  # a big integer or an odd string: `_converted` looks at each
    try:
        return _pack(_converted(value, DEPTH))
    except ValueError as error:  # beyond 4 GiB
        raise CodecError(f"no codec carries so long a value: {error}") from None


def decode(data: memoryview) -> Any:
    """Return the value."""
    return _unpack(data)


def _is_plain(value: Any, room: int) -> bool:
    """Tell if MessagePack has each type in the value; lengths of numbers aside."""
    kind = type(value)
    if kind is dict:
        if not _PLAIN.issuperset(map(type, value)):
            return False
        items = value.values()
    elif kind is list:
        items = value
    else:
        return kind in _PLAIN
    if _PLAIN.issuperset(map(type, items)):
        return True
    room -= 1
    for item in items:
        if type(item) not in _PLAIN and not (room and _is_plain(item, room)):
            return False
    return True


def _converted(value: Any, room: int) -> Any:
    """Return the value, or a copy, in which all that MessagePack has not is an extension."""
    convert: Callable[[Any, int], Any] = _CONVERTERS.get(type(value), _foreign)
    return convert(value, room)


def _items(values: Any, room: int) -> list[Any]:
    if not room:
        raise CodecError(f"containers lie in each other more than {DEPTH} deep, or in themselves")
    converter: Callable[[type, Any], Callable[[Any, int], Any]] = _CONVERTERS.get
    return [converter(type(item), _foreign)(item, room - 1) for item in values]


def _same(value: Any, _room: int) -> Any:
    return value


def _int(value: int, _room: int) -> Any:
    if -(1 << 63) <= value < 1 << 64:
        return value
    return Ext(BIG_INT.code, BIG_INT.write(value))


def _str(value: str, _room: int) -> Any:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return Ext(ODD_TEXT.code, ODD_TEXT.write(value))
    return value


def _list(value: list[Any], room: int) -> Any:
    # Rows of a database are so common, and extensions so slow, that a list of tuples is only one.
    if value and {*map(type, value)} == {tuple}:
        if _PLAIN.issuperset(map(type, chain.from_iterable(value))):
            try:
                return Ext(_ROWS, _pack(value))
            except (OverflowError, UnicodeEncodeError):
                pass
        return Ext(_ROWS, _pack([_items(row, room - 1) for row in value]))
    return _items(value, room)


def _dict(value: dict[Any, Any], room: int) -> Any:
    value = value.copy()  # another thread may change it meanwhile
    keys, items = _items(value, room), _items(value.values(), room)
    if _PLAIN.issuperset(map(type, keys)):
        return dict(zip(keys, items, strict=True))
    return Ext(_MAPPING, _pack((keys, items)))


def _sequence(code: int) -> Callable[[Any, int], Ext]:
    return lambda value, room: Ext(code, _pack(_items(value, room)))


def _scalar(code: int, write: Callable[[Any], bytes]) -> Callable[[Any, int], Ext]:
    return lambda value, _room: Ext(code, write(value))


def _foreign(value: Any, room: int) -> Ext:
    """Return a record, or a value of another codec, as an extension."""
    kind = type(value)
    record = records.BY_TYPE.get(kind)
    if record is not None:
        return Ext(_RECORD, _pack((record.name, _converted(record.apart(value), room))))
    codec = formats.codec_of(kind)
    if codec is None or codec.NUMBER == NUMBER:
        raise CodecError(
            f"no codec carries a value of type {full_name(kind)}; convert it, or name its class "
            "with augury.codecs.register"
        )
    return Ext(_CODEC + codec.NUMBER, codec.encode(value))


_CONVERTERS: dict[type, Callable[[Any, int], Any]] = {
    **dict.fromkeys((type(None), bool, float, bytes), _same),
    int: _int,
    str: _str,
    list: _list,
    dict: _dict,
    tuple: _sequence(_TUPLE),
    set: _sequence(_SET),
    frozenset: _sequence(_FROZENSET),
    **{kind: _scalar(code, write) for code, kind, write, _ in SCALARS},
}


def _extension(code: int, data: memoryview) -> Any:
    reader = _READERS.get(code)
    if reader is not None:
        return reader(data)
    return formats.BY_NUMBER[code - _CODEC].decode(data)


def _mapping(data: memoryview) -> dict[Any, Any]:
    keys, items = _unpack_list(data)
    return dict(zip(keys, items, strict=True))


def _record(data: memoryview) -> Any:
    name, content = _unpack_list(data)
    return records.BY_NAME[name].together(content)


def _decoder(kind: Any) -> Callable[[memoryview], Any]:
    return msgspec.msgpack.Decoder(kind, ext_hook=_extension).decode


_unpack = _decoder(Any)
_unpack_list = _decoder(list[Any])

_READERS: dict[int, Callable[[memoryview], Any]] = {
    _TUPLE: _decoder(tuple[Any, ...]),
    _ROWS: _decoder(list[tuple[Any, ...]]),
    _SET: lambda data: set(_unpack_list(data)),
    _FROZENSET: lambda data: frozenset(_unpack_list(data)),
    _MAPPING: _mapping,
    _RECORD: _record,
    **{code: read for code, _, _, read in (BIG_INT, ODD_TEXT, *SCALARS)},
}
