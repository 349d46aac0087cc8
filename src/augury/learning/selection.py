"""Which model a cache should use: all that may be are tried on the end of its newest requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from augury import _native

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.accesslog import Spool
    from augury.models import Artefact
    from augury.policies import Policy

_MARGIN = 0.001  # of miss ratio: what another model has to win by, for changes cost, too
_BLOCKS = 20
_DEVIATIONS = 2.0  # of chance


@dataclass(frozen=True, slots=True)
class Selection:
    """What each contender did in simulation, none of whose counted requests any learned from."""

    miss_ratios: Mapping[str, float]
    """By contender."""
    best: str
    """Whom to use: the incumbent, unless another has won."""


def select(
    spool: Spool,
    policy: Policy,
    capacity: int,
    contenders: Mapping[str, Artefact | None],
    incumbent: str,
    *,
    held: int = 0,
    warm: float = 0.5,
    between: Callable[[], object] = lambda: None,
) -> Selection:
    """Let models serve the newest requests of a cache, in simulation.

    Another one than the incumbent wins only if it misses less by 0.1 points, and by more than
    chance explains: requests come in bursts, so the difference is taken block by block of the
    counted requests, and has to be above 2 standard errors of its mean.

    Parameters
    ----------
    spool
        The requests; if they have sizes, these are the weights of the entries.
    policy, capacity
        The cache's.
    contenders
        Models by name; None is the policy without a model.
    incumbent
        Which of them is in use.
    held
        How many requests at the beginning are for what the live cache held. They fill the caches:
        an empty one takes so many requests to find what is popular that a policy which is slower
        at it would seem worse than it is.
    warm
        The first share of the other requests, which a contender may have learned from; it only
        warms the caches.
    between
        Called after each simulation.
    """
    first = held + int((spool.requests - held) * warm)
    edges = np.linspace(first, spool.requests, _BLOCKS + 1).astype(int)
    requests = np.diff(edges)
    misses = {}
    for name, model in contenders.items():
        misses[name] = _misses(spool, policy, capacity, model, edges)
        between()
    best = incumbent
    for name, its in misses.items():
        gain = (misses[best] - its) / np.maximum(requests, 1)
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        if gain.mean() > max(_MARGIN, _DEVIATIONS * error):
            best = name
    counted = int(requests.sum())
    return Selection({name: int(its.sum()) / counted for name, its in misses.items()}, best)


def _misses(
    spool: Spool,
    policy: Policy,
    capacity: int,
    model: Artefact | None,
    edges: NDArray[np.int_],
) -> NDArray[np.int64]:
    """Return the misses between each two edges."""
    simulation = _native.Simulation(
        policy.name,
        capacity,
        weighed=spool.sized,
        parameters=dict(policy.parameters),
        model=None if model is None else model.native,
    )
    at, reached = 0, []
    for chunk in spool.chunks():
        end = at + len(chunk.ids)
        cuts = [at, *(int(edge) for edge in edges if at < edge < end), end]
        for start, stop in pairwise(cuts):
            if start in edges:
                reached.append(simulation.misses)
            part = slice(start - at, stop - at)
            sizes = None if chunk.sizes is None else chunk.sizes[part]
            times = None if chunk.times is None else chunk.times[part]
            simulation.feed(chunk.ids[part], spool.hashes, sizes, None, spool.numbers, times)
        at = end
    reached.append(simulation.misses)
    return np.diff(np.array(reached)).astype(np.int64)
