"""Which model answers a query: all that may are tried on the newest of what was executed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from augury.answers.answer import Tolerance
from augury.answers.calibration import Conformal, calibrate
from augury.answers.examples import Examples
from augury.answers.fits import Estimator, fit_names, load_fit
from augury.answers.model import Model
from augury.answers.region import Vocabulary
from augury.answers.target import LABEL, VALUE, Target
from augury.answers.watch import Watch
from augury.errors import LearningError, MissingExtraError

_log = logging.getLogger("augury.answers")

LEAST = 250
"""Executed queries that there have to be: of fewer, intervals can hardly be made."""
_OLDEST = 0.6  # of the examples, what is fitted to when models are compared
_NEWEST = 0.2  # what they are compared on; what is between calibrates
_DEVIATIONS = 2.0  # of chance, that coverage may be below what was agreed


@dataclass(frozen=True, slots=True)
class Trial:
    """How one model did on queries that were executed after all that it was made of."""

    fit: str
    """Name of the kind of model."""
    share: float
    """Of the queries, those that it would have answered within the tolerance."""
    coverage: float
    """Of these, those whose interval held; NaN if there are none."""
    error: float
    """Of these, the median distance from the truth, as a share of it; NaN if there are none."""
    seconds: float
    """To fit and to calibrate."""
    reason: str = ""
    """Why it could not be tried, or is not to be trusted; empty if it may be used."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What was tried for one query, and what came of it."""

    query: str
    examples: int
    """Executed queries that were learned from."""
    trials: tuple[Trial, ...]
    """From the one that answers the largest share."""
    model: Model | None
    """The best, fitted again to all but the newest, which calibrate it; None if the database is to
    answer."""
    reason: str
    """Why it is this one, or none, in a line."""

    def __str__(self) -> str:
        lines = [f"{self.query}: {self.reason}"]
        lines += [
            f"  {each.fit:8} answers {each.share:6.1%}  covers {each.coverage:6.1%}  "
            f"median error {each.error:6.2%}  {each.seconds:6.2f} s  {each.reason}".rstrip()
            for each in self.trials
        ]
        return "\n".join(lines)


def select(
    query: str,
    examples: Examples,
    target: Target,
    vocabulary: Vocabulary,
    *,
    tolerance: Tolerance | None,
    confidence: float,
    fits: Sequence[str] | None = None,
    seed: int = 0,
    before: Model | None = None,
    between: Callable[[], object] = lambda: None,
) -> Selection:
    """Fit, calibrate and compare models by time, and return the best one.

    The oldest 60% of the examples are fitted to, the next 20% calibrate, and the newest 20%
    compare: that model wins which answers most of these within the tolerance, among those whose
    intervals hold as often as agreed, but for what chance explains. The winner is fitted again, to
    all but the newest, and these calibrate it: what will be asked is most like them.

    Parameters
    ----------
    query
        Its name.
    examples
        What was executed, from the oldest.
    target
        What is to be estimated.
    vocabulary
        By which the examples number categories.
    tolerance, confidence
        That answers will be asked for with.
    fits
        Names of kinds of models; by default all that can estimate this and are installed.
    seed
        Of all random choices. By default 0.
    before
        The model in use, by the same numbers of categories. By default none. One of the same kind
        may go on from it.
    between
        Called after each model; what it raises ends the selection.

    Raises
    ------
    ConfigurationError
        If a kind of model is unknown.
    MissingExtraError
        If one that was named, or crepes, is not installed.
    """
    if fits is None:
        fits = [name for name in fit_names() if target.kind in _kinds(name)]
    fits = [name for name in fits if target.kind in load_fit(name).KINDS]
    examples = examples.chosen(_asked_for(examples, target))
    count = len(examples)
    if count < LEAST:
        return Selection(query, count, (), None, f"{count} executed queries; {LEAST} are needed")
    oldest = slice(0, int(_OLDEST * count))
    middle = slice(oldest.stop, count - int(_NEWEST * count))
    newest = slice(middle.stop, count)
    task = _Task(target, tolerance, confidence, seed, before)
    trials = []
    estimators: dict[str, Estimator] = {}
    for name in fits:
        parts = map(examples.chosen, (oldest, middle, newest))
        trials.append(task.tried(name, estimators, *parts))
        between()
    trials.sort(key=lambda each: -each.share)
    best = next((each for each in trials if not each.reason and each.share > 0), None)
    if best is None:
        return Selection(query, count, tuple(trials), None, "no model answers within the tolerance")
    estimator = task.fitted(best.fit, examples.chosen(slice(0, newest.start)), estimators[best.fit])
    model = Model(
        best.fit,
        target,
        estimator,
        task.calibrated(estimator, examples.chosen(newest)),
        vocabulary,
        Watch(confidence),
        float(examples.times.max()),
        count,
    )
    reason = f"{best.fit} answers {best.share:.1%} of the newest queries"
    return Selection(query, count, tuple(trials), model, reason)


def _kinds(name: str) -> tuple[str, ...]:
    """Return what a kind of model can estimate; nothing if what fits it is not installed."""
    try:
        return load_fit(name).KINDS
    except ImportError:
        return ()


@dataclass(frozen=True, slots=True)
class _Task:
    """What all models are asked to do."""

    target: Target
    tolerance: Tolerance | None
    confidence: float
    seed: int
    before: Model | None

    def fitted(self, name: str, examples: Examples, before: Estimator | None = None) -> Estimator:
        if not np.isfinite(self.target.of(examples)).any():
            raise LearningError("all that was executed is NULL")
        return load_fit(name).fit(examples, self.target, self.seed, before)

    def calibrated(self, estimator: Estimator, examples: Examples) -> Conformal:
        estimates, spreads = estimator.estimate(examples.boxes)
        truths = self.target.of(examples)
        return calibrate(self.target, estimates, spreads, truths, self.tolerance, self.confidence)

    def tried(
        self,
        name: str,
        estimators: dict[str, Estimator],
        oldest: Examples,
        middle: Examples,
        newest: Examples,
    ) -> Trial:
        """Return how a model does, or why it cannot be had; put it to the other estimators."""
        started = perf_counter()
        try:
            estimator = estimators[name] = self.fitted(name, oldest)
            calibration = self.calibrated(estimator, middle)
            seconds = perf_counter() - started
            estimates, spreads = estimator.estimate(newest.boxes)
            halves = calibration.half_widths(estimates, spreads, self.confidence)
        except MissingExtraError:
            raise
        except Exception as error:  # whatever it is, others can be tried
            _log.debug("model %r could not be fitted", name, exc_info=True)
            told = f"{type(error).__name__}: {error}".partition("\n")[0]
            return Trial(name, 0.0, np.nan, np.nan, perf_counter() - started, told)
        return self._judged(name, estimates, halves, self.target.of(newest), seconds)

    def _judged(
        self,
        name: str,
        estimates: NDArray[np.float64],
        halves: NDArray[np.float64],
        truths: NDArray[np.float64],
        seconds: float,
    ) -> Trial:
        given = np.isfinite(halves)
        if self.tolerance is not None:
            given &= self.tolerance.allow(estimates, halves)
        answered = int(given.sum())
        if not answered:
            return Trial(name, 0.0, np.nan, np.nan, seconds)
        off = np.abs(estimates - truths)[given]
        coverage = float((off <= halves[given] + 1e-9 * np.abs(truths[given])).mean())
        chance = (self.confidence * (1 - self.confidence) / answered) ** 0.5
        holds = coverage >= self.confidence - _DEVIATIONS * chance
        sizes = np.abs(truths[given])
        sized = sizes > 0
        return Trial(
            name,
            answered / len(truths),
            coverage,
            float(np.median(off[sized] / sizes[sized])) if sized.any() else np.nan,
            seconds,
            "" if holds else "its intervals hold too seldom",
        )


def _asked_for(examples: Examples, target: Target) -> NDArray[np.bool_]:
    """Return which examples say what the target was, if only that it was NULL."""
    if target.kind in (VALUE, LABEL):
        return np.full(len(examples), target.measure in examples.measures)
    known = examples.knowing(target.measure)
    return known if target.per is None else known & examples.knowing(target.per)
