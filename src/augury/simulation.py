"""Replays a trace through the very policies that the live cache runs."""

from __future__ import annotations

import math
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from augury import _native
from augury.accesslog import InMemoryTrace, Spool, Trace
from augury.accesslog.spool import spooled
from augury.errors import ConfigurationError
from augury.models import Artefact
from augury.policies import Policy, check_seed, describe, parse

if TYPE_CHECKING:
    from augury.accesslog.spool import SpooledChunk


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """What one policy at one size did with a trace."""

    policy: str
    """As users write it."""
    capacity: int
    """Entries, or bytes if the simulation was by bytes."""
    requests: int
    """Requests counted: all, less those that only warmed the cache."""
    misses: int
    """Requests of which the key was not there."""
    requested_bytes: int
    """Sum of the sizes of the requests; without sizes, the requests."""
    missed_bytes: int
    """Sum of the sizes of the misses; without sizes, the misses."""
    seconds: float
    """Time spent in the simulation itself."""
    group_misses: tuple[int, ...] = field(default=(), repr=False)
    """The misses by group of keys, of which there are 32, chosen by hash: what they differ by tells
    how much a sample of the keys would be off."""
    group_missed_bytes: tuple[int, ...] = field(default=(), repr=False)
    """As `group_misses`, of `missed_bytes`."""

    @property
    def miss_ratio(self) -> float:
        """Misses per request; 0.0 without requests."""
        return self.misses / self.requests if self.requests else 0.0

    @property
    def byte_miss_ratio(self) -> float:
        """Missed bytes per requested byte; 0.0 without requests."""
        return self.missed_bytes / self.requested_bytes if self.requested_bytes else 0.0

    def as_dict(self) -> dict[str, str | int | float]:
        """Return what `augury simulate --json` prints."""
        return {
            "policy": self.policy,
            "capacity": self.capacity,
            "requests": self.requests,
            "misses": self.misses,
            "miss_ratio": self.miss_ratio,
            "byte_miss_ratio": self.byte_miss_ratio,
            "seconds": self.seconds,
        }


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    f"{prefix}i": 2**power for prefix, power in (("k", 10), ("m", 20), ("g", 30), ("t", 40))
}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?(?:e\d+)?)\s*(?P<unit>%|[kmgt]?i?b?)", re.IGNORECASE)


def capacity_of(size: str | float, whole: int, *, by_bytes: bool) -> int:
    """Read a size as users write it.

    Parameters
    ----------
    size
        Entries (``5000``), or percent of `whole` (``"1%"``), or with `by_bytes` bytes (``"64MiB"``,
        ``"1.5GB"``).
    whole
        Distinct keys, or with `by_bytes` the sum of their sizes.

    Returns
    -------
    int
        Entries or bytes, at least 1 of any percentage.

    Examples
    --------
    >>> capacity_of("10%", 5000, by_bytes=False)
    500
    >>> capacity_of("64KiB", 0, by_bytes=True)
    65536
    """
    match = _SIZE.fullmatch(str(size).strip())
    unit = match["unit"].lower().removesuffix("b") if match else ""
    if match is None or (match["unit"] not in {"", "%"} and not by_bytes):
        kinds = "bytes (64MiB) or percent of bytes (1%)" if by_bytes else "entries or percent (1%)"
        raise ConfigurationError(f"cannot read size {size!r}; write {kinds}")
    number = float(match["number"])
    capacity = number * whole / 100 if unit == "%" else number * _UNITS[unit]
    if not capacity > 0 or not math.isfinite(capacity) or capacity > 2**62:
        raise ConfigurationError(f"size {size!r} must be more than 0 and less than 2**62")
    if unit != "%" and (capacity < 1 or (capacity % 1 and not by_bytes)):
        counted = "bytes" if by_bytes else "entries"
        raise ConfigurationError(
            f"size {size!r} is not a whole number of {counted}; write 10% for a share"
        )
    return max(1, int(capacity))


def simulate(
    trace: Spool | Trace | InMemoryTrace | Iterable[int | str],
    policy: str | Policy = "s3fifo",
    capacity: str | float = "10%",
    *,
    by_bytes: bool = False,
    warm: float = 0.0,
    seed: int = 1,
    model: Artefact | None = None,
) -> SimulationResult:
    """Replay a trace through one policy at one size.

    Parameters
    ----------
    trace
        From `augury.read_trace`, or the keys of the requests in order.
    policy
        As for `augury.Cache`; besides, those that need to know the future, such as ``"belady"``.
    capacity
        Entries, percent of the distinct keys (``"1%"``), or with `by_bytes` bytes or percent of the
        distinct bytes.
    by_bytes
        Whether an entry takes as much room as its size; otherwise each takes 1.
    warm
        The first share of the requests that only warms the cache and is not counted, from 0 to 1.
    seed
        Of the random choices that some policies make.
    model
        For policy ``"learned"``: from `augury.learn` or `augury.load_model`. None by default.

    Returns
    -------
    SimulationResult
        What was counted, misses first of all.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.
    TraceError
        If the trace cannot be read.

    Examples
    --------
    >>> result = simulate([1, 2, 1, 3, 1, 2], policy="lru", capacity=2)
    >>> result.misses, round(result.miss_ratio, 3)
    (4, 0.667)
    """
    return simulate_many(
        trace, [policy], [capacity], by_bytes=by_bytes, warm=warm, seed=seed, model=model, jobs=1
    )[0]


def simulate_many(
    trace: Spool | Trace | InMemoryTrace | Iterable[int | str],
    policies: Sequence[str | Policy],
    capacities: Sequence[str | float],
    *,
    by_bytes: bool = False,
    warm: float = 0.0,
    seed: int = 1,
    model: Artefact | None = None,
    jobs: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> list[SimulationResult]:
    """Replay a trace once, through many policies at many sizes side by side.

    Parameters
    ----------
    policies, capacities
        As for `simulate`; every policy is run at every capacity.
    trace, by_bytes, warm, seed, model
        As for `simulate`.
    jobs
        Threads to use; as many as there are processors by default.
    progress
        Called with the share done, from 0.0 to 1.0.

    Returns
    -------
    list of SimulationResult
        In the order of the policies, for each in the order of the capacities.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, or does not go with the trace or the policies.
    """
    if not 0.0 <= warm < 1.0:
        raise ConfigurationError(f"warm must be from 0 up to, not including, 1, not {warm:g}")
    if jobs is not None and jobs < 1:
        raise ConfigurationError(f"jobs must be at least 1, not {jobs}")
    check_seed(seed)
    chosen = [parse(policy) for policy in policies]
    if model is not None and not isinstance(model, Artefact):
        raise ConfigurationError(f"a model is an Artefact, as load_model returns, not {model!r}")
    if model is not None and not any(describe(policy.name).learns for policy in chosen):
        raise ConfigurationError("a model is for policy 'learned', which is not among the policies")
    tell = progress or (lambda _: None)
    with spooled(trace, lambda share: tell(share * _READING)) as spool:
        whole = spool.footprint if by_bytes else spool.distinct
        if by_bytes and not spool.sized:
            raise ConfigurationError("the trace has no sizes; simulate by entries, not by bytes")
        runs = [
            _Alone(policy, capacity_of(size, whole, by_bytes=by_bytes), by_bytes, seed, model)
            for policy in chosen
            for size in capacities
        ]
        replay(
            spool,
            runs,
            warm,
            jobs,
            lambda share: tell(_READING + (1 - _READING) * share),
        )
    return [run.result() for run in runs]


_READING = 0.25  # about the share of the time that reading the trace takes


S = TypeVar("S", bound=_native.Simulation | _native.PrefetchSimulation)


class Run(ABC, Generic[S]):
    """One policy at one size, replayed a chunk at a time."""

    def __init__(self, policy: Policy, capacity: int, simulation: S) -> None:
        self._policy = policy
        self._capacity = capacity
        self._simulation = simulation
        self._seconds = 0.0
        self.offline = describe(policy.name).offline

    def feed(self, chunk: SpooledChunk, spool: Spool, warm: int) -> None:
        """Replay a chunk, of which the first `warm` requests do not count."""
        started = time.perf_counter()
        if warm:
            self._feed(chunk, spool, slice(0, warm))
            self._simulation.reset_counts()
        self._feed(chunk, spool, slice(warm, None))
        self._seconds += time.perf_counter() - started

    @abstractmethod
    def _feed(self, chunk: SpooledChunk, spool: Spool, part: slice) -> None:
        """Replay a part of a chunk."""


class _Alone(Run[_native.Simulation]):
    """A policy by itself."""

    def __init__(
        self, policy: Policy, capacity: int, by_bytes: bool, seed: int, model: Artefact | None
    ) -> None:
        simulation = _native.Simulation(
            policy.name,
            capacity,
            weighed=by_bytes,
            seed=seed,
            parameters=dict(policy.parameters),
            model=model.native if model is not None else None,
        )
        super().__init__(policy, capacity, simulation)

    def _feed(self, chunk: SpooledChunk, spool: Spool, part: slice) -> None:
        self._simulation.feed(
            chunk.ids[part],
            spool.hashes,
            chunk.sizes[part] if chunk.sizes is not None else None,
            chunk.next[part] if chunk.next is not None and self.offline else None,
            spool.numbers,
            chunk.times[part] if chunk.times is not None else None,
        )

    def result(self) -> SimulationResult:
        return SimulationResult(
            policy=str(self._policy),
            capacity=self._capacity,
            requests=self._simulation.requests,
            misses=self._simulation.misses,
            requested_bytes=self._simulation.requested_bytes,
            missed_bytes=self._simulation.missed_bytes,
            seconds=self._seconds,
            group_misses=tuple(self._simulation.group_misses().tolist()),
            group_missed_bytes=tuple(self._simulation.group_missed_bytes().tolist()),
        )


def replay(
    spool: Spool,
    runs: Sequence[Run[Any]],
    warm: float,
    jobs: int | None,
    progress: Callable[[float], object],
) -> None:
    """Feed the requests to all runs side by side; parameters are as of `simulate_many`."""
    jobs = jobs or os.cpu_count() or 1
    warming = int(spool.requests * warm)
    done = 0
    with ExitStack() as stack:
        # One job is done in the caller's thread, so that its processor time is that thread's.
        each = map if jobs == 1 else stack.enter_context(ThreadPoolExecutor(jobs)).map
        for chunk in spool.chunks(next_access=any(run.offline for run in runs)):
            uncounted = min(max(warming - done, 0), len(chunk.ids))
            for _ in each(partial(Run.feed, chunk=chunk, spool=spool, warm=uncounted), runs):
                pass  # until all are done, or one has failed
            done += len(chunk.ids)
            progress(done / spool.requests)
