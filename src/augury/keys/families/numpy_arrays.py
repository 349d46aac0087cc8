"""NumPy arrays, scalars and dtypes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from augury.keys.dispatch import ENCODERS, TOO_DEEP, Unencodable, content_encoder
from augury.keys.format import Chunk, Encoder, Output, named

FIXED = True

_BLOCK = 1 << 17
"""Bytes looked at in one go: they stay in the processor's cache until they are hashed."""

_SMALL = 1 << 12
"""Bytes that are sooner copied than viewed."""


def find(kind: type) -> Encoder | None:
    """Return the encoder of a type of NumPy."""
    if kind in {np.ndarray, np.memmap, np.recarray}:
        return functools.partial(_encode_array, named(f"numpy.{kind.__name__}"))
    if kind is np.ma.MaskedArray:
        return content_encoder("numpy.MaskedArray", _masked)
    if issubclass(kind, np.dtype):
        return content_encoder("numpy.dtype", describe)
    if issubclass(kind, np.generic):
        return _encode_scalar
    return None


@functools.lru_cache(maxsize=256)
def describe(dtype: np.dtype[Any]) -> object:
    """Return what tells a dtype from others, byte order aside; raise if it is not portable."""
    if dtype.fields is not None:
        return tuple((name, describe(dtype.fields[name][0])) for name in dtype.names or ())
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return (describe(base), shape)
    if dtype.char in "gG":
        raise Unencodable(
            dtype,
            f"cannot make a stable key from {dtype}: its bytes differ between machines; "
            "convert it to float64",
        )
    if dtype.kind in "?biufcmMSUVO":
        return str(dtype.newbyteorder("<").str)
    if dtype.kind == "T":
        return "string"
    raise Unencodable(
        dtype, f"cannot make a stable key from an array of {dtype!r}; convert it to a NumPy dtype"
    )


def write_array(array: np.ndarray[Any, Any], output: Output, room: int) -> None:
    """Write dtype, shape and elements in row order, wherever they lie in memory."""
    if not room:
        raise Unencodable(array, TOO_DEEP)
    output.append(b"(")
    try:
        kind = describe(array.dtype)
    except Unencodable as error:
        raise Unencodable(array, str(error)) from None  # containers look for the array
    ENCODERS[type(kind)](kind, output, room)
    ENCODERS[tuple](array.shape, output, room)
    _write_elements(array, output, room - 1)
    output.append(b")")


def _write_elements(array: np.ndarray[Any, Any], output: Output, room: int) -> None:
    if array.dtype.names is not None:
        # Field by field: what lies between the fields is not part of the value.
        for name in array.dtype.names:
            _write_elements(array[name], output, room)
    elif array.dtype.kind in "OT":
        output.append(b"[")
        try:
            for item in array.flat:
                ENCODERS[type(item)](item, output, room)
        except Unencodable as error:
            index = next((i for i, item in enumerate(array.flat) if item is error.value), None)
            place = None if index is None else np.unravel_index(index, array.shape)
            error.within(array, "[?]" if place is None else str([*map(int, place)]))
            raise
        output.append(b"]")
    else:
        output.append(b"b%d:" % (array.size * array.dtype.itemsize))
        for block in _blocks(array):
            output.stream(block)


def _blocks(array: np.ndarray[Any, Any]) -> Iterator[Chunk]:
    """Yield the bytes of the elements, little-endian and with one NaN for all; copy few at once."""
    dtype, swapped, floating = _layout(array.dtype)
    if not array.size * dtype.itemsize:
        return
    step = max(1, _BLOCK // dtype.itemsize)
    blocks: Iterator[np.ndarray[Any, Any]]
    if array.flags.c_contiguous and not swapped:
        flat = array.reshape(-1)
        if not floating:
            yield _bytes(flat)
            return
        blocks = (flat[start : start + step] for start in range(0, flat.size, step))
    else:
        blocks = _gathered(array, dtype, step)
    for block in blocks:
        yield _bytes(_one_nan(block) if floating else block)


@functools.lru_cache(maxsize=256)
def _layout(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], bool, bool]:
    """Return the dtype in little-endian order, whether that is another, and if it has NaNs."""
    little = dtype.newbyteorder("<")
    return little, little != dtype, dtype.kind in "fc"


def _gathered(
    array: np.ndarray[Any, Any], dtype: np.dtype[Any], step: int
) -> Iterator[np.ndarray[Any, Any]]:
    """Yield copies of `step` elements at a time, in row order and in the given byte order."""
    blocks: Any = np.nditer(
        array,
        flags=["external_loop", "buffered"],
        op_dtypes=[dtype],
        casting="equiv",
        order="C",
        buffersize=step,
    )
    for block in blocks:
        yield block.copy()  # the iterator writes the next block over this one


def _one_nan(block: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the elements with every NaN replaced by the same one; a copy if there is any."""
    parts = block.view(_REAL[block.itemsize]) if block.dtype.kind == "c" else block
    odd = np.isnan(parts)
    if np.count_nonzero(odd):
        odd &= parts.view(f"<u{parts.itemsize}") != _NAN[parts.itemsize]
        if np.count_nonzero(odd):
            parts = parts.copy()
            parts.view(f"<u{parts.itemsize}")[odd] = _NAN[parts.itemsize]
    return parts


_NAN = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}
_REAL = {8: "<f4", 16: "<f8"}
"""What a complex number of so many bytes is made of."""


def _bytes(array: np.ndarray[Any, Any]) -> Chunk:
    return array.tobytes() if array.nbytes < _SMALL else array.view(np.uint8).data


def _encode_array(prefix: bytes, value: np.ndarray[Any, Any], output: Output, room: int) -> None:
    output.append(prefix)
    write_array(value, output, room)


def _encode_scalar(value: np.generic, output: Output, room: int) -> None:
    output.append(_SCALAR)
    write_array(np.asarray(value), output, room)


_SCALAR = named("numpy.scalar")


def _masked(value: np.ma.MaskedArray[Any, Any]) -> object:
    return (np.asarray(value.filled(0)), np.asarray(np.ma.getmaskarray(value)))
