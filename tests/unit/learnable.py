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


def asked_four_times(requests: int = 12_000, seed: int = 1) -> NDArray[np.uint64]:
    """Keys that are asked for four times at random intervals, and then never again.

    Whoever takes what was asked for often for popular keeps what is of no more use; how often a key
    was asked for says it.
    """
    random = np.random.default_rng(seed)
    times = 4.0 * np.arange(requests)[:, None] + np.cumsum(
        random.exponential(800, (requests, 4)), axis=1
    )
    order = np.argsort(times, axis=None, kind="stable")[4_000 : 4_000 + requests]
    return (order // 4).astype(np.uint64) * np.uint64(97)
