"""Curves of LRU, from how deep in its stack, or how late, keys are asked for again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from augury import _native
from augury.accesslog import InMemoryTrace, Trace
from augury.errors import ConfigurationError
from augury.simulation import capacity_of
from augury.sizing.curve import Curve
from augury.sizing.estimate import Estimate, depth_errors, estimate, estimate_alone
from augury.sizing.reading import Watched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def from_depths(
    trace: Trace | InMemoryTrace,
    method: str,
    rate: float,
    most_keys: int,
    seed: int,
    by_bytes: bool,
    capacities: Sequence[str | float] | None,
    progress: Callable[[float], object],
) -> Curve:
    """Measure by stack distances: exact at rate 1.0, else SHARDS. Parameters are as of `curve`."""
    counted = _native.StackDistances(rate, most_keys, seed, weighed=by_bytes)
    watched = feed(counted, trace, by_bytes, progress)
    sized = watched.requested_bytes is not None
    found = depth_curve(counted, method, by_bytes, sized, capacities)
    return replace(found, seconds=watched.seconds)


def from_times(
    trace: Trace | InMemoryTrace,
    method: str,
    rate: float,
    most_keys: int,
    seed: int,
    by_bytes: bool,
    capacities: Sequence[str | float] | None,
    progress: Callable[[float], object],
) -> Curve:
    """Measure by AET. Parameters are as of `curve`."""
    counted = _native.ReuseTimes(rate, most_keys, seed)
    watched = feed(counted, trace, by_bytes, progress)
    samples = _Samples.of(counted, watched.requested_bytes is not None)
    # Of what came x requests ago, the share that has not been asked for since is there still, up
    # to an age of T, by which an entry leaves: the size is the integral of the share up to T.
    held = samples.byte_misses if by_bytes and samples.byte_misses is not None else samples.misses
    mean_size = samples.whole_bytes / samples.whole if by_bytes else 1.0
    times = np.concatenate(([0.0], _native.Reuse.bounds().astype(np.float64)))
    sizes = _integral(_survival(held.ratios, counted.ages()) * mean_size, times)
    moved = _integral(np.pad(held.residuals, ((0, 0), (1, 0))) * mean_size, times)
    used = _until_flat(samples.misses.ratios)
    slope = np.gradient(samples.misses.ratios) / np.maximum(np.gradient(sizes), 1e-9)
    errors = samples.misses.errors_of(samples.misses.residuals - moved * slope)
    byte_errors = None if samples.byte_misses is None else samples.byte_misses.errors
    found = _assemble(
        samples, method, by_bytes, sizes[used], errors[used], byte_errors, used, capacities
    )
    return replace(found, seconds=watched.seconds)


def _survival(longer: Floats, ages: Floats) -> Floats:
    """Return the share of requests whose key is not asked for again within each time, from 0 on.

    Not all that are not asked for again in the trace never would be: it ended when they were of
    some age. So each share is the product of those that outlived each time of those that were seen
    to (E. Kaplan, P. Meier, "Nonparametric estimation from incomplete observations", 1958).

    Parameters
    ----------
    longer
        Share of the requests that come later than a time after the one before, or are the first.
    ages
        How many keys were waited for how long in the end.
    """
    asked = -np.diff(longer, prepend=1.0)
    ended = ages * (longer[-1] / ages.sum())
    seen = 1.0 - np.cumsum(asked + ended) + asked + ended / 2
    rests = np.clip(1.0 - asked / np.maximum(seen, asked + 1e-12), 0.0, 1.0)
    return np.concatenate(([1.0], np.cumprod(rests)))


def _integral(shares: Floats, times: Floats) -> Floats:
    """Sum up shares over whole times, along the last axis; between two they are on a line."""
    steps = np.diff(times)
    parts: Floats = steps * shares[..., :-1] + np.diff(shares) * (steps - 1) / 2
    return np.cumsum(parts, axis=-1)


def feed(
    counted: _native.StackDistances | _native.ReuseTimes,
    trace: Trace | InMemoryTrace,
    by_bytes: bool,
    progress: Callable[[float], object] | None = None,
) -> Watched:
    """Feed a trace, and return what else there is to know of it."""
    watched = Watched(trace, by_bytes)
    for chunk in watched.chunks(progress=progress):
        counted.feed(chunk.keys, chunk.sizes)
    return watched


def depth_curve(
    counted: _native.StackDistances,
    method: str,
    by_bytes: bool,
    sized: bool,
    capacities: Sequence[str | float] | None,
    recorded: float = 1.0,
) -> Curve:
    """Return the curve of what has been counted so far, of a share of the keys if `recorded`."""
    samples = _Samples.of(counted, sized, recorded)
    bounds = _native.Reuse.bounds().astype(np.float64)
    used = _until_flat(samples.misses.ratios)
    # Depths are as much too large as there are too many keys in the sample.
    sizes = bounds[used] * samples.stretch
    mean_size = max(1.0, sizes[-1] / samples.distinct) if by_bytes else 1.0
    entries = sizes / mean_size

    def total(ratios: Estimate) -> Floats:
        shift = depth_errors(ratios.ratios[used], entries, samples.distinct, samples.rate)
        return np.sqrt(ratios.errors[used] ** 2 + shift**2)

    errors = total(samples.misses)
    byte_errors = None
    if samples.byte_misses is not None:
        byte_errors = np.zeros(len(bounds))
        byte_errors[used] = total(samples.byte_misses)
    return _assemble(samples, method, by_bytes, sizes, errors, byte_errors, used, capacities)


@dataclass(frozen=True, slots=True)
class _Samples:
    """What a native sample has counted, by the points of `_native.Reuse.bounds()`."""

    misses: Estimate
    byte_misses: Estimate | None
    whole: int
    whole_bytes: float
    distinct: float
    stretch: float
    """Keys of the trace per key that the sample stands for."""
    rate: float
    memory: int

    @staticmethod
    def of(
        counted: _native.StackDistances | _native.ReuseTimes, sized: bool, recorded: float = 1.0
    ) -> _Samples:
        if not counted.keys:
            raise ConfigurationError("no key of the trace is in the sample; take a larger share")
        rate = counted.rate * recorded
        repeats = counted.repeats().reshape(_native.GROUPS, -1).cumsum(axis=1)
        missed = counted.sampled()[:, np.newaxis] - repeats
        keys = missed[:, -1]
        distinct = float(keys.sum()) if counted.rate >= 1.0 else counted.distinct

        def told(misses: Floats, sampled: Floats, whole: float) -> Estimate:
            if recorded < 1.0:
                return estimate_alone(misses, sampled, rate)
            return estimate(misses, sampled, keys, whole, distinct, rate)

        byte_misses = None
        if sized:
            of_bytes = counted.repeated_bytes().reshape(_native.GROUPS, -1).cumsum(axis=1)
            asked = counted.sampled_bytes()
            whole_bytes = max(counted.requested_bytes, 1.0)
            byte_misses = told(asked[:, np.newaxis] - of_bytes, asked, whole_bytes)
        return _Samples(
            misses=told(missed, counted.sampled(), counted.requests),
            byte_misses=byte_misses,
            whole=round(counted.requests / recorded),
            whole_bytes=counted.requested_bytes / recorded,
            distinct=distinct / recorded,
            stretch=distinct / float(keys.sum()) / recorded,
            rate=rate,
            memory=counted.bytes,
        )


def _until_flat(ratios: Floats) -> slice:
    """Leave out the points before anything hits, but one, and after which nothing more does."""
    falls = np.flatnonzero(np.diff(ratios, prepend=1.0) < 0)
    if not len(falls):
        return slice(0, 1)
    return slice(max(int(falls[0]) - 1, 0), int(falls[-1]) + 1)


def _assemble(
    samples: _Samples,
    method: str,
    by_bytes: bool,
    sizes: Floats,
    errors: Floats,
    byte_errors: Floats | None,
    used: slice,
    capacities: Sequence[str | float] | None,
) -> Curve:
    """Put a curve together, at whole capacities."""
    largest = max(1, round(float(sizes[-1])))
    if not by_bytes:
        largest = min(largest, max(1, round(samples.distinct)))
    if capacities is None:
        bounds = _native.Reuse.bounds().astype(np.int64)
        inside = bounds[(bounds >= min(sizes[0], largest)) & (bounds < largest)]
        points = np.append(inside, largest)
    else:
        whole = largest if by_bytes else max(1, round(samples.distinct))
        points = points_of(capacities, whole, by_bytes)
    at = points.astype(np.float64)

    def between(values: Floats, none: float) -> Floats:
        values_there = np.interp(
            at, np.concatenate(([0.0], sizes)), np.concatenate(([none], values))
        )
        return np.where(at < largest, values_there, values[-1])

    bytes_too = samples.byte_misses is not None and byte_errors is not None
    return Curve(
        capacities=points,
        miss_ratios=between(samples.misses.ratios[used], 1.0),
        errors=between(errors, 0.0),
        byte_miss_ratios=(
            between(samples.byte_misses.ratios[used], 1.0) if samples.byte_misses else None
        ),
        byte_errors=between(byte_errors[used], 0.0)
        if bytes_too and byte_errors is not None
        else None,
        policy="lru",
        method=method,
        by_bytes=by_bytes,
        requests=samples.whole,
        distinct=round(samples.distinct),
        rate=samples.rate,
        requested_bytes=samples.whole_bytes if samples.byte_misses is not None else None,
        memory=samples.memory,
    )


def points_of(capacities: Sequence[str | float], whole: int, by_bytes: bool) -> NDArray[np.int64]:
    """Read capacities as users write them, and sort them.

    Raises
    ------
    ConfigurationError
        If there is none, or one makes no sense.
    """
    if not len(capacities):
        raise ConfigurationError("name at least one capacity, or leave them out")
    read = {capacity_of(size, whole, by_bytes=by_bytes) for size in capacities}
    return np.array(sorted(read), np.int64)
