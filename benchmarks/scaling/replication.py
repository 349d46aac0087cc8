"""What copies save when nodes fail, and how stale what they tell may be."""

from __future__ import annotations

import numpy as np

from benchmarks.scaling.placement import Ring


def lost(keys: int, nodes: int, copies: int, failed: int, seed: int, tries: int = 100) -> float:
    """Return the mean share of the keys of which no copy is left when nodes fail at once."""
    random = np.random.default_rng(seed)
    numbers = random.integers(0, 2**63, keys).astype(np.uint64)
    where = Ring(tuple(range(nodes)), 20).copies(numbers, copies)
    gone = [
        np.isin(where, random.choice(nodes, failed, replace=False)).all(axis=1).mean()
        for _ in range(tries)
    ]
    return float(np.mean(gone))


def stale(writes: float, lag: float, copies: int, seconds: float, seed: int) -> dict[str, float]:
    """Return which share of reads miss the last write, and how many writes a failure loses.

    Writes of a key come at Poisson's rate `writes` a second to the primary, and each copy applies
    one after an exponential lag of `lag` seconds on average, in order. Reads come at any time. The
    primary fails at any time, too, and the copy that has got furthest takes over.
    """
    random = np.random.default_rng(seed)
    times = np.sort(random.random(random.poisson(writes * seconds)) * seconds)
    applied = np.stack(
        [np.maximum.accumulate(times + random.exponential(lag, len(times))) for _ in range(copies)]
    )
    reads = random.random(100_000) * seconds
    written = np.searchsorted(times, reads)
    known = np.stack([np.searchsorted(each, reads) for each in applied])
    behind = (known < written).mean(axis=1)
    return {
        "stale_reads": float(behind.mean() * copies / (copies + 1)),  # the primary is never stale
        "lost_writes_of_a_failure": float((written - known.max(axis=0)).mean()),
    }


def compare(keys: int, nodes: int, seed: int) -> list[dict[str, object]]:
    """Return what is lost by copies and failures."""
    return [
        {"copies": copies, "failed": failed, "lost": lost(keys, nodes, copies, failed, seed)}
        for copies in (1, 2, 3)
        for failed in (1, 2, 3)
    ]


def compare_stale(seed: int) -> list[dict[str, object]]:
    """Return what one copy beside the primary makes stale."""
    return [
        {"writes_per_second": writes, "lag": lag, **stale(writes, lag, 1, 10_000.0, seed)}
        for writes in (0.01, 1.0, 100.0)
        for lag in (0.001, 0.1)
    ]
