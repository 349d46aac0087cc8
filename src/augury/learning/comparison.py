"""What models are worth: misses of the cache that uses them, beside fixed policies and Belady."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from augury import policies
from augury.learning.fits import load_fit
from augury.learning.lesson import Lesson
from augury.learning.training import train
from augury.simulation import SimulationResult, simulate_many

if TYPE_CHECKING:
    from augury.accesslog import Spool
    from augury.learning.evaluation import Evaluation
    from augury.models import Artefact


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One model of a comparison."""

    artefact: Artefact
    """The model."""
    test: Evaluation | None
    """Its predictions of the requests after those learned from."""
    results: tuple[SimulationResult, ...]
    """What the policy ``"learned"`` did with it there, one a size."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Models, fixed policies and Belady on the requests that no model learned from.

    Every cache was warmed by the requests that the models learned from.
    """

    sizes: tuple[str, ...]
    """As given."""
    candidates: tuple[Candidate, ...]
    """The models, in the order given."""
    fixed: tuple[SimulationResult, ...]
    """The fixed policies, each at every size."""

    @property
    def best(self) -> Candidate:
        """The model to keep: the best in forward-chaining validation by its ROC-AUC.

        The simulation above is the test, so it must not choose.
        """
        return max(
            self.candidates,
            key=lambda each: each.artefact.card.scores.get("validation", {}).get("roc_auc", 0.0),
        )

    def of_policy(self, policy: str) -> tuple[SimulationResult, ...]:
        """Return the results of a fixed policy, one a size."""
        return tuple(result for result in self.fixed if result.policy == policy)

    @property
    def best_fixed(self) -> str:
        """The fixed policy with the lowest mean miss ratio over the sizes, with hindsight."""
        names = {result.policy for result in self.fixed} - {"belady"}
        return min(sorted(names), key=lambda name: mean_miss_ratio(self.of_policy(name)))

    def gap(self, results: Sequence[SimulationResult]) -> float | None:
        """Return the mean of (misses - Belady's) / (FIFO's - Belady's) over the sizes.

        Sizes at which FIFO and Belady differ by less than 0.02 are left out: there is nothing to
        gain. None if that leaves none.

        Parameters
        ----------
        results
            A policy's, one a size, in the order of the sizes.
        """
        gaps = [
            (one.miss_ratio - belady.miss_ratio) / (fifo.miss_ratio - belady.miss_ratio)
            for one, fifo, belady in zip(
                results, self.of_policy("fifo"), self.of_policy("belady"), strict=True
            )
            if fifo.miss_ratio - belady.miss_ratio >= 0.02
        ]
        return sum(gaps) / len(gaps) if gaps else None

    def as_dict(self) -> dict[str, Any]:
        """Return what `augury learn --json` prints."""
        best_fixed = self.best_fixed
        rows = {"lru": "lru", "best_fixed": best_fixed, "belady": "belady"}
        return {
            "sizes": list(self.sizes),
            "best": self.best.artefact.card.model,
            "models": [
                {
                    "model": each.artefact.card.model,
                    "validation": each.artefact.card.scores.get("validation"),
                    "test": each.test.as_dict() if each.test else None,
                    "miss_ratios": [result.miss_ratio for result in each.results],
                    "gap": self.gap(each.results),
                }
                for each in self.candidates
            ],
            "policies": {
                row: {
                    "policy": name,
                    "miss_ratios": [result.miss_ratio for result in self.of_policy(name)],
                    "gap": self.gap(self.of_policy(name)),
                }
                for row, name in rows.items()
            },
        }


def compare(
    spool: Spool,
    lesson: Lesson,
    models: Sequence[str],
    sizes: Sequence[str] = ("1%", "5%", "10%", "20%"),
    *,
    progress: Callable[[float], object] | None = None,
) -> Comparison:
    """Train models, and replay the rest of the trace with each of them, and with every policy.

    Parameters
    ----------
    spool
        The trace that the lesson is of.
    lesson
        From `prepare`, of less than the whole trace.
    models
        Names; see `augury.learn`.
    sizes
        Of the caches: entries, or percent of the distinct keys.
    progress
        Called with the share done, from 0.0 to 1.0.

    Returns
    -------
    Comparison
        Of the requests after those that were learned from.
    """
    for model in models:
        load_fit(model)  # all that is missing is told before long work
    tell = progress or (lambda _: None)
    # The share of the requests that `simulate_many` turns into exactly as many again.
    warm = min(1 - 1e-9, (lesson.stop + 0.5) / lesson.requests)
    steps = 2 * len(models) + 2
    candidates = []
    for at, model in enumerate(models):
        artefact, test = train(lesson, model)
        tell((2 * at + 1) / steps)
        results = simulate_many(spool, ["learned"], sizes, warm=warm, model=artefact)
        tell((2 * at + 2) / steps)
        candidates.append(Candidate(artefact, test, tuple(results)))
    fixed = policies.names(adaptive=False)
    results = simulate_many(
        spool, fixed, sizes, warm=warm, progress=lambda part: tell(1 + (part - 1) * 2 / steps)
    )
    return Comparison(tuple(map(str, sizes)), tuple(candidates), tuple(results))


def mean_miss_ratio(results: Sequence[SimulationResult]) -> float:
    """Return the mean of the miss ratios."""
    return sum(result.miss_ratio for result in results) / len(results)
