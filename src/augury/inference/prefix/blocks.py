"""Keys and values of attention as bytes, a block of tokens each, and back.

::

    4 bytes   length of the head, little-endian
    the head  MessagePack: the dtype, tokens, and for each layer's keys, then for each layer's
              values, [heads, elements]
    the rest  the elements, by [layer, head, token, element]
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

_LENGTH = 4


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What the elements of a block are."""

    dtype: str
    """As torch names it: ``"float32"``."""
    tokens: int
    shapes: tuple[tuple[int, int], ...]
    """Heads and elements of each layer's keys, then of each layer's values."""

    def groups(self) -> list[tuple[int, tuple[int, int]]]:
        """Return how many of the same shape follow one another."""
        return [(len(list(alike)), shape) for shape, alike in groupby(self.shapes)]


def cut(tensors: Sequence[Any], tokens: int) -> list[bytes]:
    """Return blocks of so many tokens.

    Parameters
    ----------
    tensors
        Each layer's keys, then each layer's values: ``[head, token, element]``, of whole blocks.
    """
    torch = importlib.import_module("torch")
    dtype = str(tensors[0].dtype).removeprefix("torch.")
    head = Head(dtype, tokens, tuple((each.shape[0], each.shape[2]) for each in tensors))
    written = msgspec.msgpack.encode(head)
    start = len(written).to_bytes(_LENGTH, "little") + written
    arrays, at = [], 0
    for count, _ in head.groups():
        arrays.append(_bytes_of(torch.stack(tuple(tensors[at : at + count]))))
        at += count
    return [
        b"".join((start, *(array[:, :, first : first + tokens].tobytes() for array in arrays)))
        for first in range(0, tensors[0].shape[1], tokens)
    ]


def head_of(block: object) -> Head | None:
    """Return what is in a block; None if it is no block."""
    if not isinstance(block, bytes):
        return None
    end = _LENGTH + int.from_bytes(block[:_LENGTH], "little")
    try:
        head = msgspec.msgpack.decode(block[_LENGTH:end], type=Head)
        whole = len(block) - end == sum(_sizes(head))
    except (msgspec.DecodeError, AttributeError):  # no such dtype
        return None
    numbers = (head.tokens, *(number for shape in head.shapes for number in shape))
    return head if whole and min(numbers) > 0 and len(head.shapes) % 2 == 0 else None


def fits(head: Head | None, block: object) -> bool:
    """Return whether this is a block with such a head."""
    return head is not None and head_of(block) == head


def paste(head: Head, blocks: Sequence[bytes], into: Sequence[Any], column: int, end: int) -> None:
    """Write blocks that follow one another into tensors.

    Parameters
    ----------
    head
        That of every one of the blocks.
    into
        A prompt's part of what `room` returned: ``[layer, head, column, element]``.
    column, end
        Where the first token goes, and before which column to stop.
    """
    start = len(blocks[0]) - sum(_sizes(head))
    arrays = [_bytes_of(each) for each in into]
    width = _itemsize(head.dtype)
    for block in blocks:
        fitting = min(head.tokens, end - column)
        if fitting <= 0:
            break
        offset = start
        for array, size, (count, (heads, elements)) in zip(
            arrays, _sizes(head), head.groups(), strict=True
        ):
            flat = np.frombuffer(block, np.uint8, size, offset)
            whole = flat.reshape(count, heads, head.tokens, elements * width)
            array[:, :, column : column + fitting] = whole[:, :, :fitting]
            offset += size
        column += fitting


def room(head: Head, prompts: int, columns: int) -> list[Any]:
    """Return room, ``[layer, prompt, head, column, element]`` for each group of like layers."""
    torch = importlib.import_module("torch")
    return [
        torch.empty((count, prompts, heads, columns, elements), dtype=getattr(torch, head.dtype))
        for count, (heads, elements) in head.groups()
    ]


def layers(into: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return what `room` returned as keys and values, a pair for each layer."""
    tensors = [tensor for group in into for tensor in group]
    half = len(tensors) // 2
    return list(zip(tensors[:half], tensors[half:], strict=True))


def _sizes(head: Head) -> list[int]:
    """Return the bytes that each group takes in a block."""
    width = head.tokens * _itemsize(head.dtype)
    return [count * heads * elements * width for count, (heads, elements) in head.groups()]


def _itemsize(dtype: str) -> int:
    torch = importlib.import_module("torch")
    return int(getattr(torch, dtype).itemsize)


def _bytes_of(tensor: Any) -> NDArray[np.uint8]:
    """Return a tensor's elements as bytes along its last dimension."""
    torch = importlib.import_module("torch")
    array: NDArray[np.uint8] = tensor.cpu().view(torch.uint8).numpy()
    return array
