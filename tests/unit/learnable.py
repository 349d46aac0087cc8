"""Small generated traces with something to learn in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def popular_and_scans(requests: int = 12_000, seed: int = 1) -> NDArray[np.uint64]:
    """Popular keys, interrupted by runs of neighbours that never come again.

    Recency cannot tell them apart; the runs and what became of a key's neighbours can.
    """
    random = np.random.default_rng(seed)
    parts: list[NDArray[np.uint64]] = []
    scanned = 1 << 20
    for _ in range(-(-requests // 120)):
        parts.append((400 * random.random(60) ** 2).astype(np.uint64) * np.uint64(97))
        parts.append(np.arange(scanned, scanned + 60, dtype=np.uint64))
        scanned += 60
    return np.concatenate(parts)[:requests]
