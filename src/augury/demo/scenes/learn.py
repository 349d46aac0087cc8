"""A model of the service's first look-ups decides what stays: the rest, beside fixed policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from augury import policies
from augury.accesslog import Spool, requests_of
from augury.cache import Cache
from augury.demo.flights import Key, Pages
from augury.demo.stage import Figure, Outcome, Stage, Table
from augury.features import FEATURES
from augury.learning import Explanation, KeyExplanation, explain, learn
from augury.models import Artefact
from augury.simulation import SimulationResult, simulate_many

TITLE = "Learn: a model of the first half serves the second"

_UNTIL = 0.5
_SHOWN = 6  # features
_DRAW = 0.001  # of miss ratio: less is chance
_BESIDE = ("learned", "auto", "s3fifo", "lru")
_MEANINGS = {feature.name: feature.meaning for feature in FEATURES}


@dataclass(frozen=True, slots=True)
class _Decision:
    """An entry that the cache gave up, and what came of it."""

    told: KeyExplanation
    after: int | None
    """Look-ups until it was asked for again; None if it was not."""
    followed: int
    """Look-ups after the decision."""


@dataclass(frozen=True, slots=True)
class Misses:
    """Miss ratios of every policy in the second half."""

    sizes: tuple[int, ...]
    ratios: dict[tuple[str, int], float]
    """By policy and size."""

    def ratio(self, policy: str, size: int) -> float:
        """Return the miss ratio of a policy at a size."""
        return self.ratios[policy, size]

    def best_other(self, size: int) -> str:
        """Return the online policy without a model that missed least: chosen with hindsight."""
        others = sorted(set(policies.names(offline=False)) - {"learned"})
        return min(others, key=lambda name: self.ratio(name, size))


def play(stage: Stage) -> Outcome:
    """Train on the first half of the look-ups, and replay the second with every policy."""
    pages, sizes, tell = stage.pages, tuple(stage.sizes), stage.progress
    texts = (":".join(map(str, key)) for key in chain.from_iterable(pages.weeks))
    with Spool(requests_of(texts)) as spool:
        model = learn(spool, "gbm", until=_UNTIL, progress=lambda share: tell(0.6 * share))
        results = simulate_many(
            spool,
            policies.names(),
            sizes,
            warm=_UNTIL,
            model=model,
            progress=lambda share: tell(0.6 + 0.2 * share),
        )
    missed = Misses(sizes, {(each.policy, each.capacity): each.miss_ratio for each in results})
    explained = explain(model)
    decision = _decide(pages, model, min(sizes))
    tell(1.0)
    return Outcome(
        statements=_statements(pages, model, missed, decision),
        tables=(
            _miss_table(missed),
            _feature_table(explained),
            *([_decision_table(decision)] if decision else []),
        ),
        data=_data(model, results, missed, explained, decision),
        draw=lambda: _draw(missed, explained),
    )


def _decide(pages: Pages, model: Artefact, size: int) -> _Decision | None:
    """Serve the look-ups with a live cache, and explain whom it gives up first in the last week."""
    gone: list[Key] = []
    cache: Cache[Key, bool] = Cache(
        size,
        policy="learned",
        model=model,
        learn=False,
        on_evict=lambda key, _value, _cause: gone.append(key),
    )
    *before, last = pages.weeks
    for key in chain.from_iterable(before):
        cache.get_or_load(key, _load)
    gone.clear()
    for at, key in enumerate(last, 1):
        cache.get_or_load(key, _load)
        if gone:
            rest = last[at:]
            after = rest.index(gone[0]) + 1 if gone[0] in rest else None
            return _Decision(cache.explain(gone[0]), after, len(rest))
    return None


def _load(key: Key) -> bool:
    """Stand in for the database: who stays does not depend on what it answers."""
    del key
    return True


def _statements(
    pages: Pages, model: Artefact, missed: Misses, decision: _Decision | None
) -> tuple[str, ...]:
    learned_from = model.card.period[1]
    return (
        f"Gradient-boosted trees (LightGBM) learned from the first {learned_from:,} of the same"
        f" {pages.lookups:,} look-ups when keys are asked for again. All figures are of the"
        f" {pages.lookups - learned_from:,} after those, which the model has not seen, in a"
        f" simulation with the live cache's own policies; every policy was warmed by the first"
        f" look-ups. Belady knows the future: nobody can miss less.",
        *(verdict(missed, size) for size in missed.sizes),
        *([_story(decision)] if decision else []),
    )


def verdict(missed: Misses, size: int) -> str:
    """Say plainly whether the model missed less than the best of the other policies."""
    other = missed.best_other(size)
    model, best = missed.ratio("learned", size), missed.ratio(other, size)
    if abs(model - best) < _DRAW:
        how = "a draw between the model and"
    elif model < best:
        how = "the model misses least, before"
    else:
        how = "the model does not win against"
    return (
        f"{size:,} entries: {how} {other}, the best of the others: {model:.2%} and {best:.2%} of"
        f" the look-ups missed. auto without a model has {missed.ratio('auto', size):.2%}."
    )


def _story(decision: _Decision) -> str:
    came = (
        f"it was asked for again after {decision.after:,}"
        if decision.after is not None
        else f"it was not asked for in the {decision.followed:,} look-ups that were left"
    )
    ruled = (decision.told.ruling or "").startswith("model")
    how = (
        " The queues propose whom to evict, and those leave that the model expects last."
        if ruled
        else ""
    )
    return (
        f"One decision, a week before the end: {_text(decision.told.key)} left the live cache. Why:"
        f" {decision.told.reason}.{how} What came: {came}."
    )


def _text(key: Key) -> str:
    return " ".join(map(str, key))


def _miss_table(missed: Misses) -> Table:
    rows = [
        *(
            (name, *(f"{missed.ratio(name, size):.4f}" for size in missed.sizes))
            for name in _BESIDE
        ),
        (
            "best without a model, with hindsight",
            *(
                f"{missed.best_other(size)} {missed.ratio(missed.best_other(size), size):.4f}"
                for size in missed.sizes
            ),
        ),
        ("belady", *(f"{missed.ratio('belady', size):.4f}" for size in missed.sizes)),
    ]
    return Table(
        "Miss ratio in the second half",
        ("policy", *(f"{size:,} entries" for size in missed.sizes)),
        tuple(rows),
        best=(0,) if all(_wins(missed, size) for size in missed.sizes) else (),
    )


def _wins(missed: Misses, size: int) -> bool:
    return missed.ratio("learned", size) <= missed.ratio(missed.best_other(size), size) - _DRAW


def _feature_table(explained: Explanation) -> Table:
    return Table(
        "What the model looks at, and how much that moves the predicted time (an octave: doubled)",
        ("feature", "octaves"),
        tuple(
            (f"{each.feature}: {_MEANINGS[each.feature]}", f"{each.importance:.2f}")
            for each in explained.influences[:_SHOWN]
        ),
    )


def _decision_table(decision: _Decision) -> Table:
    return Table(
        "What decided, above 0: later",
        ("feature", "value", "octaves"),
        tuple(
            (
                each.feature,
                "unknown" if each.value is None else f"{each.value:.2f}",
                "" if each.contribution is None else f"{each.contribution:+.2f}",
            )
            for each in decision.told.influences[:_SHOWN]
        ),
    )


def _data(
    model: Artefact,
    results: Sequence[SimulationResult],
    missed: Misses,
    explained: Explanation,
    decision: _Decision | None,
) -> dict[str, Any]:
    return {
        "learned_from": model.card.period[1],
        "counted": model.card.requests - model.card.period[1],
        "scores": model.card.scores,
        "runs": [each.as_dict() for each in results],
        "wins": {str(size): _wins(missed, size) for size in missed.sizes},
        "features": explained.as_dict()["features"],
        "decision": decision
        and {
            **decision.told.as_dict(),
            "asked_again_after": decision.after,
            "followed": decision.followed,
        },
    }


def _draw(missed: Misses, explained: Explanation) -> tuple[Figure, ...]:
    # Here and not above: drawing is optional, and loading matplotlib takes a while.
    from augury.demo.drawing import bars

    names = (*_BESIDE, "belady")
    top = explained.influences[:_SHOWN]
    return (
        Figure(
            "Share of the second half's look-ups that missed.",
            bars(names, _heights(missed, names), "miss ratio, %"),
        ),
        Figure(
            "What moves the predicted time to the next look-up most.",
            bars([e.feature for e in top], {"": [e.importance for e in top]}, "octaves"),
        ),
    )


def _heights(missed: Misses, names: Sequence[str]) -> dict[str, list[float]]:
    return {
        f"{size:,} entries": [100 * missed.ratio(name, size) for name in names]
        for size in missed.sizes
    }
