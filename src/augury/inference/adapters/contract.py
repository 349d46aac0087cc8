"""What a kind of model has to say about itself, so that its outputs can be cached."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray


class Batch(msgspec.Struct, frozen=True, eq=False):
    """The rows of one call, as an adapter reads them from what the user passed."""

    given: Any
    """What the model's own method takes: an array, tensor or frame whose rows can be selected."""
    rows: NDArray[np.uint8]
    """The same as bytes, contiguous: a line a row."""
    signature: bytes
    """What the bytes of a row do not say, such as dtype, shape and layout: rows of two signatures
    are never taken for one another."""
    floats: tuple[tuple[int, int, str], ...] = ()
    """Where in a row's bytes floating-point numbers lie, which may be rounded for the key: first
    byte, the one after the last, dtype."""


class Leaf(msgspec.Struct, frozen=True):
    """One array of a model's output."""

    dtype: str
    """As NumPy writes it, with the byte order: ``"<f4"``."""
    shape: tuple[int, ...]
    """Of one row."""


class Outputs(msgspec.Struct, frozen=True, eq=False):
    """What a model returned for some rows."""

    leaves: tuple[NDArray[Any], ...]
    """Its arrays, each with a row for each row of the input; none of Python objects."""
    form: Any = None
    """What it takes to make of the leaves what the model returns, the same for every batch. It has
    to be what MessagePack can write."""


class Adapter(ABC):
    """Makes one kind of model cacheable: how to read rows, run, and tell that the model changed.

    Calls come from any thread. An adapter is made for one method of one model.
    """

    model: Any
    method: str

    @abstractmethod
    def read(self, given: Any) -> Batch:
        """Return the rows of what was `given` by the user.

        Raises
        ------
        InputError
            If these are no rows that the model could take, or none whose bytes say all about them.
        """

    def join(self, parts: Sequence[Any]) -> Any:
        """Return as one the `parts` that several calls had passed, all of one signature."""
        return np.concatenate([np.asarray(part) for part in parts])

    @abstractmethod
    def run(self, given: Any, chosen: NDArray[np.int64] | None) -> Outputs:
        """Return what the model makes of the `chosen` rows of what was `given`; of all if None."""

    @abstractmethod
    def assemble(self, outputs: Outputs) -> Any:
        """Return outputs as the model itself would."""

    def bare(self, given: Any) -> tuple[Any, int]:
        """Return what the model makes of what was `given`, of which nothing is kept, and its rows.

        It is what is called where looking rows up does not pay: it should cost what the model does.
        """
        outputs = self.run(given, None)
        return self.assemble(outputs), len(outputs.leaves[0]) if outputs.leaves else 0

    @abstractmethod
    def state(self) -> Any:
        """Return what is quickly compared to tell whether the model may have changed.

        It is compared by ``==``, before each call; so it must cost far less than the model, and
        must keep alive what it compares by identity.
        """

    @abstractmethod
    def fingerprint(self) -> bytes:
        """Return 16 bytes or more that stand for all that the output depends on but the row.

        Weights, parameters, code, and versions of the libraries; equal in every process, if that
        can be had. Called only when `state` has changed. Nothing, ``b""``, where it cannot be told:
        then the user has to name a version.
        """
