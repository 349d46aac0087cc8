"""When each key of a trace is asked for next, found in the plainest way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NEVER = np.iinfo(np.int64).max


def following(ids: Sequence[int]) -> NDArray[np.int64]:
    """The index of the next request of the same id, for each request."""
    result = np.full(len(ids), NEVER, np.int64)
    last: dict[int, int] = {}
    for index, each in enumerate(ids):
        if each in last:
            result[last[each]] = index
        last[each] = index
    return result
