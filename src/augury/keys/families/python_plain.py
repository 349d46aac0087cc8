"""None, numbers, strings, bytes and the containers of the language."""

from __future__ import annotations

from collections.abc import Iterable
from reprlib import repr as short
from struct import Struct
from typing import Any

from augury.keys.dispatch import ENCODERS, TOO_DEEP, Unencodable
from augury.keys.format import Encoder, Output, named, text, write_buffer

_pack = Struct("<d").pack
_NAN = bytes.fromhex("000000000000f87f")


FIXED = True


def find(kind: type) -> Encoder | None:
    """Return the encoder of a built-in type."""
    return _ENCODERS.get(kind)


def _none(_value: None, output: Output, _room: int) -> None:
    output.append(b"n")


def _bool(value: bool, output: Output, _room: int) -> None:
    output.append(b"t" if value else b"f")


def _int(value: int, output: Output, _room: int) -> None:
    # Hexadecimal is linear in the length, and no limit on digits applies to it.
    output.append(b"i%x;" % value)


def _float_bytes(value: float) -> bytes:
    # One NaN for all: its sign and payload differ between machines and say nothing.
    return _pack(value) if value == value else _NAN  # noqa: PLR0124


def _float(value: float, output: Output, _room: int) -> None:
    output.append(b"d" + (_pack(value) if value == value else _NAN))  # noqa: PLR0124


def _complex(value: complex, output: Output, _room: int) -> None:
    output.append(b"c" + _float_bytes(value.real) + _float_bytes(value.imag))


def _str(value: str, output: Output, _room: int) -> None:
    output.append(text(value))


def _bytes(value: bytes, output: Output, _room: int) -> None:
    output.append(b"b%d:" % len(value))
    output.stream(value)


def _bytearray(value: bytearray, output: Output, _room: int) -> None:
    output.append(named("bytearray"))
    write_buffer(memoryview(value), output)


def _memoryview(value: memoryview, output: Output, room: int) -> None:
    if value.itemsize != 1:
        raise Unencodable(
            value,
            f"a memoryview of format {value.format!r} differs between machines; "
            "make it an array of NumPy",
        )
    output.append(named("memoryview"))
    output.append(b"(")
    output.append(text(value.format))
    _tuple(value.shape or (), output, room)
    flat = value.cast("B") if value.c_contiguous and value.nbytes else value.tobytes()
    write_buffer(flat, output)
    output.append(b")")


def _sequence(opening: bytes, closing: bytes) -> Encoder:
    def encode_sequence(value: tuple[Any, ...] | list[Any], output: Output, room: int) -> None:
        if not room:
            raise Unencodable(value, TOO_DEEP)
        room -= 1
        output.append(opening)
        try:
            for item in value:
                ENCODERS[type(item)](item, output, room)
        except Unencodable as error:
            # Found again by identity, so that the way without errors need not count.
            bad = error.value
            index = next((i for i, item in enumerate(value) if item is bad), "?")
            error.within(value, f"[{index}]")
            raise
        output.append(closing)

    return encode_sequence


_tuple = _sequence(b"(", b")")
_list = _sequence(b"[", b"]")


def _dict(value: dict[Any, Any], output: Output, room: int) -> None:
    if not room:
        raise Unencodable(value, TOO_DEEP)
    room -= 1
    # A copy, because another thread, or code of the user, may change the dict meanwhile.
    pairs = list(value.items())
    try:
        by_key = {text(key) if type(key) is str else _piece(key, room): item for key, item in pairs}
        output.append(b"{")
        if len(by_key) == len(pairs):
            for key in sorted(by_key):
                output.append(key)
                item = by_key[key]
                ENCODERS[type(item)](item, output, room)
        else:  # keys that differ yet encode alike, such as two NaNs: their items put them in order
            output.extend(sorted(_piece(key, room) + _piece(item, room) for key, item in pairs))
        output.append(b"}")
    except Unencodable as error:
        bad = error.value
        for key, item in pairs:
            if item is bad or key is bad:
                error.within(value, f"[{short(key)}]" if item is bad else f" key {short(key)}")
                break
        raise


def _set(value: Iterable[Any], output: Output, room: int) -> None:
    if not room:
        raise Unencodable(value, TOO_DEEP)
    items = list(value)
    try:
        pieces = sorted(_piece(item, room - 1) for item in items)
    except Unencodable as error:
        error.within(value, f" item {short(error.value)}")
        raise
    output.append(b"<")
    output.extend(pieces)
    output.append(b">")


def _frozenset(value: frozenset[Any], output: Output, room: int) -> None:
    output.append(named("frozenset"))
    _set(value, output, room)


def _piece(value: Any, room: int) -> bytes:
    output = Output()
    ENCODERS[type(value)](value, output, room)
    return b"".join(output)


def _range(value: range, output: Output, room: int) -> None:
    # Ranges of the same numbers are equal, however far they were said to go.
    output.append(named("range"))
    _tuple((len(value), *value[:1], *value[1:2]), output, room)


def _slice(value: slice, output: Output, room: int) -> None:
    output.append(named("slice"))
    _tuple((value.start, value.stop, value.step), output, room)


def _ellipsis(_value: object, output: Output, _room: int) -> None:
    output.append(named("Ellipsis"))
    output.append(b"n")


_ENCODERS: dict[type, Encoder] = {
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    complex: _complex,
    str: _str,
    bytes: _bytes,
    bytearray: _bytearray,
    memoryview: _memoryview,
    tuple: _tuple,
    list: _list,
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
    range: _range,
    slice: _slice,
    type(Ellipsis): _ellipsis,
}
