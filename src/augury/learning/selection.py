"""Which model a cache should use: all that may be are tried on the end of its newest requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augury.simulation import simulate

if TYPE_CHECKING:
    from augury.accesslog import Spool
    from augury.models import Artefact
    from augury.policies import Policy

MARGIN = 0.001
"""Of miss ratio: what another model has to win by, for changes cost, too."""


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
    warm: float = 0.5,
    between: Callable[[], object] = lambda: None,
) -> Selection:
    """Let models serve the newest requests of a cache, in simulation.

    Parameters
    ----------
    spool
        The requests; if they have sizes, these are the weights of the entries.
    policy, capacity
        The cache's.
    contenders
        Models by name; None is the policy without a model.
    incumbent
        Which of them is in use. Another one has to miss less by `MARGIN`.
    warm
        The first share of the requests, which a contender may have learned from; it only warms the
        caches.
    between
        Called after each simulation.
    """
    ratios: dict[str, float] = {}
    for name, model in contenders.items():
        result = simulate(spool, policy, capacity, by_bytes=spool.sized, warm=warm, model=model)
        ratios[name] = result.miss_ratio
        between()
    best = min(ratios, key=lambda name: (ratios[name], name != incumbent))
    won = ratios[incumbent] - ratios[best] > MARGIN
    return Selection(ratios, best if won else incumbent)
