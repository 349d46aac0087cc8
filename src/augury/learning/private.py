"""A trace made of noisy counters, to learn from without telling of any one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from augury import noise
from augury.accesslog import InMemoryTrace
from augury.accesslog.chunk import NOBODY
from augury.errors import ConfigurationError, LearningError
from augury.parameters import check_integer, check_number, shown
from augury.policies import check_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.accesslog import Trace

_OF_TOTALS = 0.1
"""Share of epsilon for how many requests a period has; the rest is for the keys."""


def private_trace(
    trace: Trace | InMemoryTrace,
    *,
    epsilon: float,
    delta: float = 1e-6,
    contribution: int = 100,
    period: float = 3600.0,
    seed: int = 1,
) -> InMemoryTrace:
    """Return requests made up from noisy counts of how often a key was asked for in a period.

    The whole of what is returned is (`epsilon`, `delta`)-differentially private for sessions, and
    so is each model learned from it and all that is done with that: a session that is left out
    changes the probability of what is seen by a factor of at most ``exp(epsilon)``, but for a
    probability of `delta`. Keys that few have asked for do not show; in their place are keys that
    come once. The order within a period, sizes and sessions are lost. Each call is paid for: losses
    of several add up.

    Parameters
    ----------
    trace
        With times, and with sessions: whose requests are to be hidden (`augury.session`). A request
        of nobody is a session of its own.
    epsilon, delta
        The privacy loss; `epsilon` above 0, `delta` above 0 and below 1.
    contribution
        How many requests of a session count; its later ones are left out.
    period
        Seconds that are counted together. They begin at multiples of it.
    seed
        Of the order within a period. The noise is OpenDP's, of secure randomness, and has none.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.
    LearningError
        If the trace has no times, or no key was asked for so often that it may show.
    MissingExtraError
        If OpenDP is not installed.

    References
    ----------
    C. Dwork, A. Roth, *The Algorithmic Foundations of Differential Privacy*, 2014, sections 3.3
    and 3.5; A. Korolova et al., *Releasing Search Queries and Clicks Privately*, WWW 2009, for the
    threshold.
    """
    check_number("epsilon", epsilon, unit="privacy loss")
    check_number("delta", delta, unit="probability")
    if delta >= 1:
        raise ConfigurationError(f"delta must be below 1, not {shown(delta)}")
    check_integer("contribution", contribution)
    check_number("period", period, unit="seconds")
    check_seed(seed)
    periods, keys = _bounded(trace, contribution, period)
    names, groups = np.unique(np.stack([periods, keys]), axis=1, return_inverse=True)
    exact = np.bincount(groups.reshape(-1), minlength=names.shape[1])
    share = epsilon * (1 - _OF_TOTALS)
    scale, _ = noise.laplace(contribution, share)
    _, above = noise.thresholded(contribution, share, delta, scale)
    found = above(dict(enumerate(exact.tolist())))
    if not found:
        raise LearningError(
            "no key was asked for often enough to show; take a larger epsilon or period, a smaller "
            "contribution, or a longer log"
        )
    chosen = np.array(sorted(found))
    counts = np.array([found[at] for at in chosen.tolist()], np.int64)
    # Only periods with keys that show are looked at: which these are may be told.
    when, first = np.unique(names[0][chosen], return_index=True)
    _, noisy = noise.laplace(contribution, epsilon * _OF_TOTALS)
    totals = noisy([int(np.count_nonzero(periods == each)) for each in when])
    rare = np.maximum(0, np.array(totals) - np.add.reduceat(counts, first))
    return _requests(
        np.concatenate([np.repeat(names[0][chosen], counts), np.repeat(when, rare)]),
        np.concatenate([np.repeat(names[1][chosen], counts), _once(int(rare.sum()), seed)]),
        period,
        seed,
    )


def _bounded(
    trace: Trace | InMemoryTrace, contribution: int, period: float
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the periods and the keys of the first requests of each session."""
    periods, keys, sessions = [], [], []
    for chunk in trace.chunks():
        if chunk.times is None:
            raise LearningError("the trace has no times, by which requests could be counted")
        periods.append((chunk.times // period).astype(np.int64).view(np.uint64))
        keys.append(chunk.keys)
        nobody = np.full(len(chunk), NOBODY, np.uint64)
        sessions.append(nobody if chunk.sessions is None else chunk.sessions)
    if not keys:
        raise LearningError("the trace has no requests")
    who = np.concatenate(sessions)
    order = np.argsort(who, kind="stable")
    first = np.searchsorted(who[order], who[order])
    kept = np.empty(len(who), np.bool_)
    kept[order] = (np.arange(len(who)) - first < contribution) | (who[order] == NOBODY)
    return np.concatenate(periods)[kept], np.concatenate(keys)[kept]


def _once(many: int, seed: int) -> NDArray[np.uint64]:
    """Return keys that nobody has asked for, each once."""
    return np.random.default_rng(seed).integers(0, 2**64, many, np.uint64)


def _requests(
    periods: NDArray[np.uint64], keys: NDArray[np.uint64], period: float, seed: int
) -> InMemoryTrace:
    """Return requests at random times within their periods."""
    times = np.random.default_rng(seed).random(len(keys))
    times = (periods.view(np.int64) + times) * period
    order = np.argsort(times, kind="stable")
    return InMemoryTrace(keys[order], times=times[order])
