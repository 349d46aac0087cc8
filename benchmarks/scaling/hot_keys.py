"""What popular keys do to the fullest node, and what near caches and coalescing do about it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.scaling.placement import Ring


def popularity(keys: int, skew: float) -> NDArray[np.float64]:
    """Return the shares of the requests by a Zipf law, the most popular first."""
    weights: NDArray[np.float64] = np.arange(1, keys + 1, dtype=np.float64) ** -skew
    weights /= weights.sum()
    return weights


def reach_tier(
    rates: NDArray[np.float64], near: int, processes: int, lifetime: float
) -> NDArray[np.float64]:
    """Return each key's requests a second that get beyond near caches.

    Parameters
    ----------
    rates
        Requests a second of each key, of all processes.
    near
        The most popular keys that every process keeps.
    lifetime
        Seconds that a near copy serves. Of a key asked for by a process at Poisson's rate r, a
        share of 1 / (1 + r lifetime) finds no copy.
    """
    beyond = rates.copy()
    beyond[:near] /= 1 + rates[:near] / processes * lifetime
    return beyond


def loads(
    rate: float, lifetime: float, takes: float, groups: int, seconds: float, seed: int
) -> int:
    """Return how often a key is loaded, where each group of askers waits for one load of its own.

    A shared copy that serves for `lifetime` seconds is stored when the first load is done, which
    takes `takes` seconds. With as many groups as requests nobody waits for anybody.
    """
    random = np.random.default_rng(seed)
    times = np.sort(random.random(random.poisson(rate * seconds)) * seconds)
    found, stored_at, fresh_until = 0, -1.0, -1.0
    loading: set[int] = set()
    for at in times.tolist():
        if at >= fresh_until:
            stored_at, loading = at + takes, set()
            fresh_until = stored_at + lifetime
        elif at >= stored_at:
            continue
        group = int(random.integers(groups))
        if group not in loading:
            loading.add(group)
            found += 1
    return found


def compare(
    keys: int, nodes: int, processes: int, rate: float, seed: int
) -> list[dict[str, object]]:
    """Return the fullest node's load by skew, with and without near caches."""
    placed = Ring(tuple(range(nodes))).place(np.arange(keys, dtype=np.uint64) + np.uint64(seed))
    rows: list[dict[str, object]] = []
    for skew in (0.6, 0.8, 1.0, 1.2):
        rates = popularity(keys, skew) * rate
        for near in (0, 100, 10_000):
            beyond = reach_tier(rates, near, processes, lifetime=10.0)
            load = np.bincount(placed, weights=beyond, minlength=nodes)
            rows.append(
                {
                    "skew": skew,
                    "near_entries": near,
                    "fullest_node_of_mean": float(load.max() / load.mean()),
                    "fullest_node_rate": float(load.max()),
                    "reach_tier": float(beyond.sum() / rate),
                }
            )
    return rows


def coalescing(seed: int) -> list[dict[str, object]]:
    """Return loads of a key in ten minutes: of a minute's lifetime, taking 0.1 seconds each."""
    rows: list[dict[str, object]] = []
    for rate in (1.0, 100.0, 10_000.0):
        found = {
            name: loads(rate, 60.0, 0.1, groups, 600.0, seed)
            for name, groups in (
                ("nobody waits", 1 << 40),
                ("a process waits", 50),
                ("all wait", 1),
            )
        }
        rows.append({"requests_per_second": rate, **found})
    return rows
