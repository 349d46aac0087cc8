"""What comes of looking rows up, and of running the model on those that were not there."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from augury import _native
from augury.inference.adapters import Batch, Outputs
from augury.inference.adapters.contract import Leaf


class Form(msgspec.Struct, frozen=True, dict=True):
    """What outputs look like, to make them of their bytes again."""

    leaves: tuple[Leaf, ...]
    form: Any = None

    @classmethod
    def of(cls, outputs: Outputs) -> Self:
        """Return what these look like."""
        leaves = tuple([Leaf(leaf.dtype.str, leaf.shape[1:]) for leaf in outputs.leaves])
        return cls(leaves, outputs.form)

    @cached_property
    def _parts(self) -> list[tuple[int, int, np.dtype[Any], tuple[int, ...]]]:
        """Where in a line the bytes of each leaf begin and end, its dtype, and a row's shape."""
        parts, start = [], 0
        for leaf in self.leaves:
            dtype = np.dtype(leaf.dtype)
            end = start + dtype.itemsize * prod(leaf.shape)
            parts.append((start, end, dtype, leaf.shape))
            start = end
        return parts

    @cached_property
    def width(self) -> int:
        """How many bytes a row of outputs takes."""
        return self._parts[-1][1] if self._parts else 0

    def unpack(self, lines: NDArray[np.uint8]) -> Outputs:
        """Return the outputs that `pack` has made lines of bytes of."""
        count, whole = len(lines), len(self._parts) == 1
        arrays = []
        for start, end, dtype, shape in self._parts:
            part = lines if whole else np.ascontiguousarray(lines[:, start:end])
            arrays.append(part.reshape(-1).view(dtype).reshape(count, *shape))
        return Outputs(tuple(arrays), self.form)


class Found(msgspec.Struct, frozen=True, eq=False):
    """What came of looking up the rows of one call, or of several that were joined."""

    batch: Batch
    space: bytes
    """Namespace of the model as it was then."""
    form: Form | None
    """What outputs look like; None as long as that is unknown, and nothing can be found."""
    digests: NDArray[np.uint64]
    verified: NDArray[np.uint8] | None
    """Bytes of the rows, where they are compared whole."""
    lines: NDArray[np.uint8]
    """Outputs as bytes, a line a row; only those found are filled."""
    missing: NDArray[np.int64]
    """The first row of each kind that is not there."""
    source: NDArray[np.int64]
    """For each row its place in `missing`, or -1 if it was found."""

    @property
    def hits(self) -> int:
        """How many rows were found."""
        rows, missing = len(self.source), len(self.missing)
        if missing in (0, rows):
            return rows - missing
        return int(np.count_nonzero(self.source < 0))

    def key(self, row: int) -> bytes:
        """Return what only rows equal to this one have."""
        whole = b"" if self.verified is None else self.verified[row].tobytes()
        return self.space + self.digests[2 * row : 2 * row + 2].tobytes() + whole

    def filled(self, lines: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the outputs of all rows, given those of the missing ones."""
        if len(lines) == len(self.source):
            return lines
        if not self.hits:
            return lines[self.source]
        _native.fill_rows(self.lines, self.source, lines)
        return self.lines


class Computed(msgspec.Struct, frozen=True, eq=False):
    """What the model has returned for the rows that were missing."""

    lines: NDArray[np.uint8]
    """Outputs as bytes, a line a row."""
    form: Form
    model_seconds: float
    space: bytes | None
    """Namespace of the model; None if it changed while it ran: then nothing has been stored, and
    the outputs may be of either."""
