"""Which model answers a query: all that may are tried on the newest of what was executed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from augury.answers.answer import Tolerance
from augury.answers.calibration import Calibration, Conformal, Scores, calibrate
from augury.answers.examples import Examples
from augury.answers.fits import Estimator, fit_names, load_fit
from augury.answers.model import Model
from augury.answers.region import Vocabulary
from augury.answers.target import Target
from augury.answers.watch import Watch
from augury.errors import LearningError, MissingExtraError

_log = logging.getLogger("augury.answers")

LEAST = 250
"""Executed queries that there have to be: of fewer, intervals can hardly be made."""
_OLDEST = 0.6  # of the examples, what is fitted to when models are compared
_NEWEST = 0.2  # what they are compared on; what is between calibrates
_OUTGROWN = 2.0  # times as many examples as there were at the last comparison call for another
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
    """The best, fitted to all in the end; None if the database is to answer."""
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


@dataclass(frozen=True, eq=False)
class Periods:
    """Executed queries of a family by time: all its queries are learned from the same ones."""

    oldest: Examples
    """60% of them, which models that are compared are fitted to."""
    middle: Examples
    """20%, which calibrate these."""
    newest: Examples
    """20%, which they are compared on."""
    older: Examples
    """The oldest and those of the middle."""
    whole: Examples
    """All."""

    @classmethod
    def of(cls, examples: Examples) -> Periods:
        """Divide examples, which are in the order of time."""
        count = len(examples)
        first, last = int(_OLDEST * count), count - int(_NEWEST * count)
        return cls(
            examples.chosen(slice(0, first)),
            examples.chosen(slice(first, last)),
            examples.chosen(slice(last, count)),
            examples.chosen(slice(0, last)),
            examples,
        )


@dataclass(frozen=True, slots=True)
class Task:
    """What models of a query are asked to do.

    Parameters
    ----------
    query
        Its name.
    target
        What is to be estimated.
    tolerance, confidence
        That answers will be asked for with.
    vocabulary
        By which the examples number categories.
    seed
        Of all random choices. By default 0.
    """

    query: str
    target: Target
    tolerance: Tolerance | None
    confidence: float
    vocabulary: Vocabulary
    seed: int = 0

    def select(
        self,
        periods: Periods,
        fits: Sequence[str] | None = None,
        between: Callable[[], object] = lambda: None,
    ) -> Selection:
        """Fit, calibrate and compare models by time, and return the best one.

        That model wins which answers most of the newest examples within the tolerance, among those
        whose intervals hold as often as agreed, but for what chance explains. It is fitted again,
        to all examples; its intervals are made of what models of it said of examples that came
        after all that these were fitted to.

        Parameters
        ----------
        periods
            What was executed.
        fits
            Names of kinds of models; by default all that can estimate this and are installed.
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
            fits = [name for name in fit_names() if self.target.kind in _kinds(name)]
        fits = [name for name in fits if self.target.kind in load_fit(name).KINDS]
        count = self._count(periods.whole)
        if count < LEAST:
            reason = f"{count} executed queries; {LEAST} are needed"
            return Selection(self.query, count, (), None, reason)
        found: dict[str, tuple[Estimator, Scores]] = {}
        trials = []
        for name in fits:
            trials.append(self._tried(name, found, periods))
            between()
        trials.sort(key=lambda each: -each.share)
        best = next((each for each in trials if not each.reason and each.share > 0), None)
        if best is None:
            reason = "no model answers within the tolerance"
            return Selection(self.query, count, tuple(trials), None, reason)
        estimator, scores = found[best.fit]
        estimator = self._fitted(best.fit, periods.older, estimator)
        scores = scores.then(self._scores(estimator, periods.newest))
        between()
        model = self._model(
            best.fit, estimator, scores, periods.whole, Watch(self.confidence), count
        )
        reason = f"{best.fit} answers {best.share:.1%} of the newest queries"
        return Selection(self.query, count, tuple(trials), model, reason)

    def go_on(self, model: Model, examples: Examples) -> Selection | None:
        """Fit a model in use to more examples, after it has been held against the new ones.

        Parameters
        ----------
        model
            By the same numbers of categories.
        examples
            All that was executed.

        Returns
        -------
        Selection or None
            None if models have to be compared anew: there are twice as many examples as there were
            then, or its intervals hold too seldom.
        """
        count = self._count(examples)
        if count >= _OUTGROWN * model.compared:
            return None
        fresh = examples.since(model.time)
        trial, scores = self._held_against(
            model.fit, model.estimator, model.calibration, fresh, 0.0
        )
        if trial.reason:
            return None
        again = self._model(
            model.fit,
            model.estimator,
            model.scores.then(scores),
            examples,
            model.watch,
            model.compared,
        )
        reason = f"{model.fit} goes on with {len(scores):,} more"
        return Selection(self.query, count, (trial,), again, reason)

    def _count(self, examples: Examples) -> int:
        return int(self.target.asked(examples).sum())

    def _fitted(self, name: str, examples: Examples, before: Estimator | None = None) -> Estimator:
        if not np.isfinite(self.target.of(examples)).any():
            raise LearningError("all that was executed is NULL")
        return load_fit(name).fit(examples, self.target, self.seed, before)

    def _scores(self, estimator: Estimator, examples: Examples) -> Scores:
        """Return what an estimator says of examples that it was not fitted to."""
        asked = examples.chosen(self.target.asked(examples))
        estimates, spreads = estimator.estimate(asked.boxes)
        return Scores(estimates, spreads, self.target.of(asked))

    def _calibrated(self, scores: Scores) -> Conformal:
        return calibrate(self.target, scores, self.tolerance, self.confidence)

    def _model(
        self,
        fit: str,
        before: Estimator,
        scores: Scores,
        examples: Examples,
        watch: Watch,
        compared: int,
    ) -> Model:
        """Return what is fitted to all examples, going on from what was fitted to fewer."""
        return Model(
            fit,
            self.target,
            self._fitted(fit, examples, before),
            self._calibrated(scores),
            self.vocabulary,
            watch,
            float(examples.times.max()),
            self._count(examples),
            scores,
            compared,
            float(examples.times.min()),
        )

    def _tried(
        self, name: str, found: dict[str, tuple[Estimator, Scores]], periods: Periods
    ) -> Trial:
        """Return how a model does, or why it cannot be had; put it to what was found."""
        started = perf_counter()
        try:
            estimator = self._fitted(name, periods.oldest)
            scores = self._scores(estimator, periods.middle)
            calibration = self._calibrated(scores)
            seconds = perf_counter() - started
            trial, _ = self._held_against(name, estimator, calibration, periods.newest, seconds)
        except MissingExtraError:
            raise
        except Exception as error:  # whatever it is, others can be tried
            _log.debug("model %r could not be fitted", name, exc_info=True)
            told = f"{type(error).__name__}: {error}".partition("\n")[0]
            return Trial(name, 0.0, np.nan, np.nan, perf_counter() - started, told)
        found[name] = estimator, scores
        return trial

    def _held_against(
        self,
        name: str,
        estimator: Estimator,
        calibration: Calibration,
        examples: Examples,
        seconds: float,
    ) -> tuple[Trial, Scores]:
        """Return how a model does on examples that it has not seen, and what it says of them."""
        scores = self._scores(estimator, examples)
        estimates, truths = scores.estimates, scores.truths
        halves = calibration.half_widths(estimates, scores.spreads, self.confidence)
        null = np.isnan(estimates) & (scores.spreads == 0.0)  # for sure
        given = np.isfinite(halves)
        if self.tolerance is not None:
            given &= self.tolerance.allow(estimates, halves)
        answered = int((given | null).sum())
        if not answered:
            return Trial(name, 0.0, np.nan, np.nan, seconds), scores
        off = np.abs(estimates - truths)[given]
        held = int((off <= halves[given] + 1e-9 * np.abs(truths[given])).sum())
        coverage = (held + int(np.isnan(truths[null]).sum())) / answered
        chance = (self.confidence * (1 - self.confidence) / answered) ** 0.5
        holds = coverage >= self.confidence - _DEVIATIONS * chance
        sizes = np.abs(truths[given])
        sized = sizes > 0
        error = float(np.median(off[sized] / sizes[sized])) if sized.any() else np.nan
        reason = "" if holds else "its intervals hold too seldom"
        return Trial(name, answered / len(truths), coverage, error, seconds, reason), scores


def _kinds(name: str) -> tuple[str, ...]:
    """Return what a kind of model can estimate; nothing if what fits it is not installed."""
    try:
        return load_fit(name).KINDS
    except ImportError:
        return ()
