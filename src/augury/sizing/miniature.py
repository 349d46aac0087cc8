"""Curves of any policy, from small caches that are asked for a sample of the keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from augury import _native
from augury.accesslog import Chunk, InMemoryTrace, Spool, Trace
from augury.errors import ConfigurationError
from augury.simulation import simulate_many
from augury.sizing.curve import Curve
from augury.sizing.estimate import Estimate, depth_errors, estimate
from augury.sizing.reading import Watched
from augury.sizing.stack import points_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.models import Artefact
    from augury.policies import Policy
    from augury.simulation import SimulationResult

_POINTS = 32  # on a curve, unless capacities are given
_LEAST = 8  # entries of a small cache: with fewer, policies are not themselves


class SampledTrace:
    """The requests of a trace for a sample of its keys; it knows how many keys there are.

    Parameters
    ----------
    trace
        The trace.
    rate
        Share of the keys.
    seed
        Of the choice.
    """

    def __init__(self, trace: Watched, rate: float, seed: int) -> None:
        self.path = trace.path
        self._trace = trace
        self._sample = _native.KeySample(rate, seed)

    @property
    def distinct(self) -> float:
        """Distinct keys of the whole trace, estimated."""
        return self._sample.distinct

    def chunks(self, *, progress: Callable[[float], object] | None = None) -> Iterator[Chunk]:
        """Yield the sampled requests; as `Trace.chunks` does."""
        for chunk in self._trace.chunks(progress=progress):
            taken = self._sample.takes(chunk.keys)
            if taken.any():
                yield chunk.where(taken)


def rate_for(
    trace: Trace | InMemoryTrace,
    most_keys: int,
    seed: int,
    progress: Callable[[float], object],
) -> float:
    """Return which share of a trace's keys is about so many, by a pass over it."""
    sample = _native.KeySample(1.0, seed)
    for chunk in trace.chunks(progress=progress):
        sample.takes(chunk.keys)
    return min(1.0, most_keys / max(sample.distinct, 1.0))


def simulated(
    trace: Trace | InMemoryTrace,
    policy: Policy,
    rate: float,
    seed: int,
    by_bytes: bool,
    capacities: Sequence[str | float] | None,
    model: Artefact | None,
    progress: Callable[[float], object],
) -> Curve:
    """Measure by simulation of the sampled keys. Parameters are as of `curve`."""
    watched = Watched(trace, by_bytes)
    sampled = SampledTrace(watched, rate, seed)
    with Spool(sampled, progress=lambda share: progress(share / 2)) as spool:
        if not spool.requests:
            raise ConfigurationError("no key of the trace is in the sample; take a larger share")
        distinct = float(spool.distinct) if rate >= 1.0 else sampled.distinct
        share = min(1.0, spool.distinct / distinct)
        largest = max(1, round((spool.footprint if by_bytes else spool.distinct) / share))
        points = (
            _spaced(largest, share, spool.footprint / spool.distinct if by_bytes else 1.0)
            if capacities is None
            else points_of(capacities, largest, by_bytes)
        )
        results = simulate_many(
            spool,
            [policy],
            [max(1, round(float(point) * share)) for point in points],
            by_bytes=by_bytes,
            seed=seed,
            model=model,
            progress=lambda part: progress(0.5 + part / 2),
        )
        requests, of_bytes, keys = _by_group(spool)
        sized = spool.sized
    misses = estimate(
        _grouped(results, "group_misses"),
        requests,
        keys,
        watched.requests * share,
        distinct * share,
        rate,
    )
    byte_misses: Estimate | None = None
    if sized:
        byte_misses = estimate(
            _grouped(results, "group_missed_bytes"),
            of_bytes,
            keys,
            max((watched.requested_bytes or 0.0) * share, 1.0),
            distinct * share,
            rate,
        )
    entries = points / (largest / distinct if by_bytes else 1.0)

    def errors(of: Estimate) -> NDArray[np.float64]:
        return np.sqrt(of.errors**2 + depth_errors(of.ratios, entries, distinct, rate) ** 2)

    return Curve(
        capacities=points,
        miss_ratios=misses.ratios,
        errors=errors(misses),
        byte_miss_ratios=byte_misses.ratios if byte_misses else None,
        byte_errors=errors(byte_misses) if byte_misses else None,
        policy=str(policy),
        method="simulation",
        by_bytes=by_bytes,
        requests=watched.requests,
        distinct=round(distinct),
        rate=rate,
        requested_bytes=watched.requested_bytes,
        seconds=watched.seconds,
    )


def _spaced(largest: int, share: float, mean_size: float) -> NDArray[np.int64]:
    least = min(largest, max(1.0, _LEAST * mean_size / share))
    return np.unique(np.geomspace(least, largest, _POINTS).round().astype(np.int64))


def _grouped(results: Sequence[SimulationResult], name: str) -> NDArray[np.float64]:
    return np.array([getattr(result, name) for result in results], np.float64).T


def _by_group(
    spool: Spool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return requests, bytes and keys by group."""
    groups = (spool.hashes % np.uint64(_native.GROUPS)).astype(np.int64)
    requests, of_bytes = np.zeros(_native.GROUPS), np.zeros(_native.GROUPS)
    for chunk in spool.chunks():
        asked = groups[chunk.ids]
        requests += np.bincount(asked, minlength=_native.GROUPS)
        if chunk.sizes is not None:
            of_bytes += np.bincount(asked, chunk.sizes, minlength=_native.GROUPS)
    keys = np.bincount(groups, minlength=_native.GROUPS).astype(np.float64)
    return requests, of_bytes, keys
