"""From a trace to a model in a file: rows, labels, fit, validation, artefact."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from augury import features
from augury.accesslog import InMemoryTrace, Spool, Trace
from augury.accesslog.spool import spooled
from augury.errors import ConfigurationError, LearningError
from augury.learning import labels
from augury.learning.evaluation import Evaluation, calibrate, evaluate
from augury.learning.fits import Fit, load_fit
from augury.learning.lesson import QUARTERS, Lesson
from augury.learning.native_threads import one_native_thread
from augury.models import Artefact, ModelCard
from augury.policies import check_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.learning.fitting import Fitted
    from augury.learning.pooled import Pooled

_ROWS = 200_000
_MOST_DRAWS = 3  # rows of a request, at different ages, where there are few requests
_BACKGROUND = 256  # rows kept for explanations
_SEEDS = 2**31  # that all libraries take
_CHECKED = 2_000  # rows on which native scores are compared with the library's


def learn(
    trace: Spool | Trace | InMemoryTrace | Iterable[int | str],
    model: str = "gbm",
    *,
    until: float = 0.5,
    rows: int = _ROWS,
    seed: int = 1,
    progress: Callable[[float], object] | None = None,
) -> Artefact:
    """Learn from the first part of a trace when keys are asked for again.

    What comes after that part is not looked at but to test: neither the features, nor their
    scaling, nor any choice depends on it.

    Parameters
    ----------
    trace
        From `augury.read_trace`, or the keys of the requests in order.
    model
        ``"gbm"`` (LightGBM), ``"forest"``, ``"tree"``, ``"svm"``, ``"logistic"`` (scikit-learn),
        ``"mlp"`` (PyTorch) or ``"online"`` (river).
    until
        The share of the requests to learn from, more than 0, at most 1.
    rows
        About the most rows to learn from, sampled at random, up to three of a request.
    seed
        Of all random choices.
    progress
        Called with the share done, from 0.0 to 1.0.

    Returns
    -------
    Artefact
        The model; its card has scores of a forward-chaining validation within the part learned
        from, and of the rest.

    Raises
    ------
    LearningError
        If the trace has too little in it to learn from.
    ConfigurationError
        If a parameter makes no sense.
    MissingExtraError
        If the library that fits the model is not installed.
    """
    load_fit(model)  # before long work
    tell = progress or (lambda _: None)
    with spooled(trace, lambda share: tell(share * 0.3)) as spool:
        lesson = prepare(spool, until=until, rows=rows, seed=seed)
    tell(0.6)
    artefact, _ = train(lesson, model, lambda share: tell(0.6 + 0.4 * share))
    return artefact


def prepare(
    spool: Spool,
    *,
    until: float = 0.5,
    rows: int = _ROWS,
    seed: int = 1,
    name: str = "requests in memory",
) -> Lesson:
    """Read from a trace what `train` needs.

    Parameters
    ----------
    spool
        The trace.
    until, rows, seed
        As for `learn`.
    name
        What the model's card calls the trace.

    Returns
    -------
    Lesson
        For any number of models.
    """
    check_asked(until, rows, seed)
    split = Split.of(spool.requests, spool.distinct, until, rows)
    stop, sample = split.stop, split.sample
    past = features.rows(spool, stop=stop, sample=sample, draws=split.draws, seed=seed)
    future = features.rows(spool, start=stop, sample=sample, seed=seed)
    return Lesson(name, spool.requests, stop, past, future, seed)


def check_asked(until: float, rows: int, seed: int) -> None:
    """Raise a `ConfigurationError` if these parameters of `learn` make no sense."""
    if not 0.0 < until <= 1.0:
        raise ConfigurationError(f"until must be more than 0 and at most 1, not {until:g}")
    if rows < labels.LEAST_ROWS:
        raise ConfigurationError(f"rows must be at least {labels.LEAST_ROWS}, not {rows}")
    check_seed(seed)


@dataclass(frozen=True, slots=True)
class Split:
    """Where a trace is cut in two, and how many rows are taken from the parts."""

    stop: int
    """The first request that nothing is learned from."""
    draws: int
    """Rows of a sampled request that is learned from; of one to test with, there is 1."""
    sample: float
    """Share of the requests."""

    @staticmethod
    def of(requests: int, distinct: int, until: float, rows: int) -> Split:
        """Cut a trace; parameters as for `learn`.

        Raises
        ------
        LearningError
            If there is too little to learn from.
        """
        if distinct < 2:
            raise LearningError("all requests are for one key, so that there is nothing to choose")
        stop = int(requests * until)
        if stop < labels.LEAST_ROWS:
            raise LearningError(
                f"there are {stop:,} requests to learn from, and a model needs "
                f"{labels.LEAST_ROWS:,}"
            )
        draws = min(max(rows // stop, 1), _MOST_DRAWS)
        return Split(stop, draws, min(1.0, rows / draws / stop))


def train(
    lesson: Lesson | Pooled,
    model: str,
    progress: Callable[[float], object] | None = None,
    *,
    fit: Fit | None = None,
) -> tuple[Artefact, Evaluation | None]:
    """Fit one model to one log, or to several that were pooled.

    Parameters
    ----------
    lesson
        From `prepare`.
    model
        Its name, as for `learn`.
    progress
        Called with the share done, from 0.0 to 1.0.
    fit
        What fits the model, if not the one of `augury.learning.fits` of that name.

    Returns
    -------
    tuple of Artefact and Evaluation
        The evaluation is of the requests after those learned from, and None if no row there was
        followed for long enough.
    """
    fit = fit or load_fit(model)
    tell = progress or (lambda _: None)
    validation, calibration = _validate(lesson, fit, tell)
    training = lesson.training()
    fitted = _fitted(fit, training, lesson.seed)
    random = np.random.default_rng(lesson.seed)
    background = training.rows[
        random.choice(len(training.rows), min(_BACKGROUND, len(training.rows)), replace=False)
    ]
    explanation = {"background": background}
    if fitted.cover is not None:
        explanation["cover"] = fitted.cover
    card = ModelCard(
        model=model,
        data=lesson.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        requests=lesson.requests,
        period=(0, lesson.stop),
        rows=len(training.rows),
        censored=lesson.censored,
        horizon=lesson.horizon,
        calibration=calibration,
        scores={"validation": validation.scores()} if validation else {},
        parameters=dict(fitted.parameters),
        seed=lesson.seed,
        versions=_versions(fit.PACKAGE),
    )
    artefact = Artefact(fitted.kind, dict(fitted.arrays), card, explanation)
    _check_equal(artefact, fitted, training.rows[:_CHECKED])
    test = lesson.test()
    tested = evaluate(artefact.score(test.rows), test, calibration)
    if tested is not None:
        artefact.card.scores["test"] = tested.scores()
    tell(1.0)
    return artefact, tested


def _validate(
    lesson: Lesson | Pooled, fit: Fit, tell: Callable[[float], object]
) -> tuple[Evaluation | None, tuple[float, float]]:
    """Forward-chaining: learn from the first 1, 2, 3 quarters, each time predict the next one.

    A fold in which there is nothing to learn, or nothing to predict, is left out. The predictions,
    made as all later ones are, without the rows themselves, also calibrate the probabilities.
    """
    scores: list[NDArray[np.float32]] = []
    truth: list[labels.Judged] = []
    for quarter in range(1, QUARTERS):
        judged = lesson.judged(quarter)
        if not len(judged.again):
            continue
        try:
            fitted = _fitted(fit, lesson.training(quarter), lesson.seed)
        except LearningError:
            continue
        scores.append(np.asarray(fitted.predict(judged.rows), np.float32))
        truth.append(judged)
        tell(0.8 * quarter / QUARTERS)
    if not scores:
        return None, calibrate(np.empty(0, np.float32), np.empty(0, np.bool_))
    together = labels.joined(truth)
    predicted = np.concatenate(scores)
    calibration = calibrate(predicted, together.again)
    return evaluate(predicted, together, calibration), calibration


def _fitted(fit: Fit, training: labels.Training, seed: int) -> Fitted:
    with one_native_thread():  # rows are few
        return fit.fit(training, seed % _SEEDS)


def _check_equal(artefact: Artefact, fitted: Fitted, rows: NDArray[np.float32]) -> None:
    """Refuse a model that the cache would score otherwise than the library that fitted it."""
    native, library = artefact.score(rows), np.asarray(fitted.predict(rows), np.float64)
    if not np.allclose(native, library, rtol=1e-3, atol=1e-3):
        raise LearningError(
            f"{artefact.card.model}: scores differ from its library's by up to "
            f"{float(np.abs(native - library).max()):g}; its weights may be too large for 32 bits"
        )


def _versions(package: str) -> dict[str, str]:
    names = {"augury", "numpy", {"sklearn": "scikit-learn"}.get(package, package)}
    found = {"python": platform.python_version()}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
