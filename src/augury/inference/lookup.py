"""What comes of looking rows up, and of running the model on those that were not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from augury.inference.adapters import Batch, Outputs
from augury.inference.adapters.contract import Leaf
from augury.inference.arrays import leaves_of


class Form(msgspec.Struct, frozen=True):
    """What outputs look like: what `unpack` has to know."""

    leaves: tuple[Leaf, ...]
    form: Any = None

    @classmethod
    def of(cls, outputs: Outputs) -> Self:
        """Return what these look like."""
        return cls(leaves_of(outputs), outputs.form)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
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
        all_missing = len(self.missing) == len(self.source)
        return 0 if all_missing else int((self.source < 0).sum())

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
        out, computed = self.lines, self.source >= 0
        out[computed] = lines[self.source[computed]]
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """What the model has returned for the rows that were missing."""

    lines: NDArray[np.uint8]
    """Outputs as bytes, a line a row."""
    form: Form
    model_seconds: float
    space: bytes | None
    """Namespace of the model; None if it changed while it ran: then nothing has been stored, and
    the outputs may be of either."""
