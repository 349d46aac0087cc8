"""NumPy arrays and scalars of fixed-width dtypes: dtype, shape and order, then the elements.

A restored array is a writable copy, as the stored one was; an array in Fortran order stays so, and
any other becomes C-contiguous.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import numpy as np

from augury.codecs.formats import full_name
from augury.errors import CodecError

NUMBER = 3
_SCALARS: Any = np.sctypeDict.values()
TYPES = frozenset({np.ndarray, *_SCALARS} - {np.object_})

_SCALAR, _C, _FORTRAN = "S", "C", "F"
_FIXED = re.compile(r"[<>|][biufcmMSUV]\d+(\[\w+\])?|[<>][mM]8")
_LENGTH = 4
"""Bytes that tell how long the head is."""


def encode(value: Any) -> bytes:
    """Return dtype, shape, order and elements."""
    kind = type(value)
    if kind is not np.ndarray and (
        not issubclass(kind, np.generic) or np.dtype(value.dtype.str).type is not kind
    ):
        raise CodecError(
            f"no codec carries a value of type {full_name(kind)} exactly; convert it to an array "
            "or scalar of a fixed-width dtype"
        )
    dtype = _describe(value.dtype)
    if kind is not np.ndarray:
        return _joined(_SCALAR, dtype, (), value.tobytes())
    if value.size and not value.itemsize:
        raise CodecError(f"no codec carries an array of {value.dtype!r}, whose elements are empty")
    if value.flags.f_contiguous and not value.flags.c_contiguous:
        return _joined(_FORTRAN, dtype, value.shape, _bytes_of(value.T))
    return _joined(_C, dtype, value.shape, _bytes_of(np.ascontiguousarray(value)))


def decode(data: memoryview) -> Any:
    """Return the array or scalar."""
    start = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    order, description, shape = msgspec.msgpack.decode(data[_LENGTH:start])
    dtype = _dtype(description)
    elements = data[start:]
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError("no shape of an array")
    if math.prod(shape) * dtype.itemsize != len(elements):
        raise ValueError("more or fewer elements than the shape says")
    if order == _SCALAR:
        scalar: Any = np.zeros(shape, dtype)
        if elements:
            scalar = np.ndarray(shape, dtype, buffer=elements).copy()
        return scalar[()]
    if order not in (_C, _FORTRAN):
        raise ValueError("no order of an array")
    if not elements:
        if math.prod(shape):
            raise ValueError("elements without bytes")
        return np.empty(shape, dtype, order=order)
    return np.ndarray(shape, dtype, buffer=elements, order=order).copy(order=order)


def _joined(order: str, dtype: object, shape: tuple[int, ...], elements: Any) -> bytes:
    head = msgspec.msgpack.encode((order, dtype, shape))
    return b"".join((len(head).to_bytes(_LENGTH, "little"), head, elements))


def _bytes_of(array: np.ndarray[Any, Any]) -> Any:
    """Return the elements of a C-contiguous array without a copy."""
    # By way of a view, for datetimes have no buffer that others could read.
    return array.reshape(-1).view(np.uint8).data if array.nbytes else b""


def _describe(dtype: np.dtype[Any]) -> object:
    """Return a dtype as strings, numbers and lists; raise if these would not restore it."""
    if dtype.metadata is not None:
        raise CodecError(f"no codec carries the metadata of {dtype!r}")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_describe(base), shape]
    if dtype.names is not None:
        found: Any = dtype.fields
        fields = [found[name] for name in dtype.names]
        titles = [field[2] if len(field) > 2 else None for field in fields]
        if not {*map(type, titles)} <= {str, type(None)}:
            raise CodecError(f"no codec carries titles of fields other than strings: {dtype!r}")
        return {
            "names": dtype.names,
            "formats": [_describe(field[0]) for field in fields],
            "offsets": [field[1] for field in fields],
            "titles": titles,
            "itemsize": dtype.itemsize,
            "aligned": dtype.isalignedstruct,
        }
    if dtype.char in "gG" or not _FIXED.fullmatch(dtype.str):
        raise CodecError(
            f"no codec carries an array of {dtype!r}: its elements are not the same bytes in "
            "every process; convert it to a fixed-width dtype"
        )
    return dtype.str


def _dtype(description: Any) -> np.dtype[Any]:
    if isinstance(description, str):
        if not _FIXED.fullmatch(description):
            raise ValueError("no dtype")
        return np.dtype(description)
    if isinstance(description, list):
        base, shape = description
        return np.dtype((_dtype(base), tuple(shape)))
    fields: Any = {**description, "formats": [_dtype(item) for item in description["formats"]]}
    dtype: np.dtype[Any] = np.dtype(fields)
    return dtype
