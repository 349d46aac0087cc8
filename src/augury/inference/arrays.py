"""Arrays as rows of bytes, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import InputError, OutputError
from augury.inference.adapters.contract import Batch, Outputs


def rows_of(given: Any, what: str = "the input") -> NDArray[Any]:
    """Return an array of rows whose bytes say all about them.

    Raises
    ------
    InputError
        If it is ragged, masked, sparse, holds Python objects, or has no rows.
    """
    if isinstance(given, np.ma.MaskedArray):
        raise InputError(f"{what} is a masked array; fill it first, with NaN for example")
    if hasattr(given, "toarray"):
        raise InputError(f"{what} is a sparse matrix; make it dense first, by toarray()")
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise InputError(f"{what} is ragged: its rows are not equally long") from error
    except (RuntimeError, TypeError) as error:  # a tensor with a gradient, or of another device
        raise InputError(f"{what} cannot be made an array: {_first_line(error)}") from error
    if array.dtype.hasobject:
        raise InputError(
            f"{what} holds Python objects (dtype {array.dtype}), whose bytes say nothing about "
            "them; convert it to numbers or fixed-length text first"
        )
    if array.ndim == 0:
        raise InputError(f"{what} is a single value; pass rows, such as [[1.0, 2.0]]")
    return array


def returned_array(returned: Any) -> NDArray[Any]:
    """Return what a model returned as an array, which may be of Python objects.

    Raises
    ------
    OutputError
        If it is ragged, masked, sparse, or a tuple.
    """
    if isinstance(returned, np.ma.MaskedArray):
        raise OutputError("the model returns a masked array; have it return one with NaN instead")
    if hasattr(returned, "toarray"):
        raise OutputError(
            "the model returns a sparse matrix, whose rows cannot be cached; have it return a "
            "dense array, as by sparse_output=False"
        )
    if isinstance(returned, tuple):  # two arrays for two rows are not to be taken for rows
        raise OutputError(
            "the model returns a tuple; have it return one array, with a row for each of the input"
        )
    try:
        return np.asarray(returned)
    except ValueError as error:
        raise OutputError("the model returns rows that are not equally long") from error
    except (RuntimeError, TypeError) as error:
        raise OutputError(
            f"what the model returns cannot be made an array: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def bytes_of(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the rows of an array as bytes, contiguous; a copy only where it is not so already."""
    whole = np.ascontiguousarray(array)
    width = whole.dtype.itemsize
    for length in whole.shape[1:]:
        width *= length
    if width == 0 or len(whole) == 0:
        return np.zeros((len(whole), width), np.uint8)
    if whole.ndim != 2:
        whole = whole.reshape(len(whole), -1)
    return whole.view(np.uint8)


def side_by_side(
    arrays: Sequence[NDArray[Any]],
) -> tuple[NDArray[np.uint8], tuple[tuple[int, int, str], ...]]:
    """Return arrays as one line of bytes a row, and where floating-point numbers lie in it."""
    if len(arrays) == 1:
        rows, dtype = bytes_of(arrays[0]), arrays[0].dtype
        return rows, ((0, rows.shape[1], dtype.str),) if dtype.kind == "f" else ()
    parts = [bytes_of(array) for array in arrays]
    floats, start = [], 0
    for array, part in zip(arrays, parts, strict=True):
        if array.dtype.kind == "f":
            floats.append((start, start + part.shape[1], array.dtype.str))
        start += part.shape[1]
    return np.concatenate(parts, axis=1), tuple(floats)


def batch_of(array: NDArray[Any], given: Any | None = None, kind: str = "array") -> Batch:
    """Return the rows of an array as a batch."""
    dtype = array.dtype.str if array.dtype.names is None else str(array.dtype)
    signature = f"{kind} {dtype} {array.shape[1:]}".encode()
    rows, floats = side_by_side([array])
    return Batch(array if given is None else given, rows, signature, floats)


def rounded(
    rows: NDArray[np.uint8], floats: tuple[tuple[int, int, str], ...], decimals: int
) -> NDArray[np.uint8]:
    """Return rows of bytes in which floating-point numbers are rounded.

    Those too great to be rounded in their own dtype stay as they are.
    """
    result = rows.copy()
    for start, end, dtype in floats:
        values = np.ascontiguousarray(rows[:, start:end]).view(dtype)
        with np.errstate(all="ignore"):
            near = np.round(values, decimals) + 0.0  # of -0.0 it makes 0.0
            # What overflows on the way, or is coarser than this, may come out as any number.
            close = np.abs(near - values) < 10.0**-decimals
        near = np.where(close, near, values).astype(dtype, copy=False)
        result[:, start:end] = near.view(np.uint8)
    return result


def check_outputs(outputs: Outputs, rows: int) -> None:
    """Raise an `OutputError` if these are not arrays of plain rows, so many of them."""
    if not outputs.leaves:
        raise OutputError("the model returned nothing that has rows")
    for leaf in outputs.leaves:
        if leaf.dtype.hasobject:
            raise OutputError("the model returns Python objects, which cannot be cached")
        if leaf.dtype.names is not None:
            raise OutputError("the model returns records of named fields, not plain rows")
        if leaf.ndim == 0 or len(leaf) != rows:
            returned = "a single value" if leaf.ndim == 0 else f"{len(leaf)} rows"
            raise OutputError(f"the model returned {returned} for {rows} rows of input")


def pack(outputs: Outputs) -> NDArray[np.uint8]:
    """Return outputs as one line of bytes a row."""
    return side_by_side(outputs.leaves)[0]
