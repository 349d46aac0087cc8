"""How much answers differ from what the model itself would have said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.inference.arrays import bytes_of


@dataclass(frozen=True, slots=True)
class RoundingError:
    """How far answers for some rows are from the model's own."""

    rows: int
    """How many were compared."""
    differing: int
    """Those whose answer differs in any bit."""
    greatest: float
    """The greatest absolute difference of two numbers; 0.0 if the outputs are no numbers."""


def rounding_error(own: Sequence[NDArray[Any]], answers: Sequence[NDArray[Any]]) -> RoundingError:
    """Compare outputs of the same rows."""
    differs = np.zeros(len(own[0]), bool)
    greatest = 0.0
    for one, other in zip(own, answers, strict=True):
        differs |= (bytes_of(one) != bytes_of(other)).any(axis=1)
        if one.dtype.kind in "biufc":
            with np.errstate(invalid="ignore"):  # of two infinities
                apart = np.abs(one.astype(np.complex128) - other)
            greatest = max(greatest, float(apart[~np.isnan(apart)].max(initial=0.0)))
    return RoundingError(len(differs), int(differs.sum()), greatest)
