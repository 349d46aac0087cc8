"""What share of the reads would hit, by maxmemory and by policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from augury import _native
from augury.accesslog import InMemoryTrace
from augury.advice.redis.workload import Workload
from augury.simulation import simulate_many

POLICIES = (
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
)
"""As Redis and Valkey call them."""
AUGURY = ("s3fifo", "wtinylfu", "auto")
"""Policies of Augury's to compare with."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the server decides by."""

    maxmemory: int
    """Bytes; 0: no limit."""
    policy: str
    samples: int = 5
    log_factor: int = 10
    decay_time: int = 1


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """One policy at one size."""

    policy: str
    maxmemory: int
    hit_ratio: float
    """Predicted, of the reads that count."""
    evictions: int
    refused: int
    """Writes that the server would answer by an error of memory."""


def forecast(
    workload: Workload,
    capacities: Sequence[int],
    settings: Settings,
    *,
    fixed: int = 0,
    warm: float = 0.0,
    policies: Sequence[str] = POLICIES,
    own: Sequence[str] = AUGURY,
    progress: Callable[[float], object] | None = None,
) -> list[Forecast]:
    """Replay a workload through models of Redis' policies, and through Augury's.

    Parameters
    ----------
    capacities
        Values of maxmemory.
    settings
        Samples, log factor and decay time; the present policy does not matter.
    fixed
        Bytes of maxmemory that are for no entries.
    warm
        The share of the operations before those that count.
    policies, own
        Which policies, of Redis' and of Augury's.
    """
    cut = int(len(workload.operations) * warm)
    counted = int(np.count_nonzero(workload.reads[cut:] & ~workload.unknown[cut:]))
    whole = slice(0, cut), slice(cut, None)
    found: list[Forecast] = []
    for number, policy in enumerate(policies):
        for maxmemory in capacities:
            simulation = _native.RedisSimulation(
                policy,
                max(maxmemory - fixed, 0),
                samples=settings.samples,
                log_factor=settings.log_factor,
                decay_time=settings.decay_time,
            )
            for part in whole:
                simulation.reset_counts()
                simulation.feed(
                    workload.operations[part],
                    workload.ids[part],
                    workload.sizes[part],
                    workload.times[part],
                    workload.ttls[part],
                )
            found.append(
                Forecast(
                    policy=policy,
                    maxmemory=maxmemory,
                    hit_ratio=_share(simulation.hits, counted),
                    evictions=simulation.evictions,
                    refused=simulation.refused,
                )
            )
        if progress is not None:
            progress((number + 1) / (len(policies) + len(own)))
    return found + _own(workload, capacities, fixed, cut, counted, own)


def _own(
    workload: Workload,
    capacities: Sequence[int],
    fixed: int,
    cut: int,
    counted: int,
    policies: Sequence[str],
) -> list[Forecast]:
    """Replay the reads: our simulator knows no writes."""
    which = workload.reads & (workload.sizes > 0)
    reads = int(np.count_nonzero(which))
    rooms = [max(maxmemory - fixed, 1) for maxmemory in capacities]
    if reads == 0 or not policies or not capacities:
        return []
    before = int(np.count_nonzero(which[:cut]))
    trace = InMemoryTrace(
        workload.ids[which].astype(np.uint64),
        sizes=np.maximum(workload.sizes[which], 1),
        times=workload.times[which] / 1000,
    )
    results = simulate_many(trace, policies, rooms, by_bytes=True, warm=before / reads)
    return [
        Forecast(
            policy=f"augury {policy}",
            maxmemory=maxmemory,
            hit_ratio=_share(result.requests - result.misses, counted),
            evictions=0,
            refused=0,
        )
        for (policy, maxmemory), result in zip(
            [(policy, maxmemory) for policy in policies for maxmemory in capacities],
            results,
            strict=True,
        )
    ]


def _share(hits: int, counted: int) -> float:
    return min(hits / counted, 1.0) if counted else 0.0
