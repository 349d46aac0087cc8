"""Whether a deployed model still predicts what happens, and when another one takes its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augury.errors import ConfigurationError, MissingExtraError
from augury.learning import labels
from augury.learning.comparison import mean_miss_ratio
from augury.learning.evaluation import probability
from augury.learning.training import prepare, train
from augury.simulation import SimulationResult, simulate_many

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.accesslog import Spool
    from augury.features import Rows
    from augury.models import Artefact, Registry, Version

_BINS = 10  # of predicted probabilities
_MARGIN = 0.001  # of miss ratio: what a new model has to win by, for changes cost, too


class Drift:
    """Watches the errors of a model's predicted probabilities, and notices when they have grown.

    ADWIN (Bifet, Gavalda, SDM 2007, by river) keeps a window of errors and drops its older part
    when the newer part has another mean, by a statistical test; no scale or rate has to be chosen.
    That errors become smaller is no drift.

    Parameters
    ----------
    artefact
        The deployed model.
    delta
        Probability of an alarm where nothing has changed, from 0 to 1, both excluded.

    Raises
    ------
    MissingExtraError
        If river is not installed.
    ConfigurationError
        If `delta` is not between 0 and 1.
    """

    def __init__(self, artefact: Artefact, *, delta: float = 0.002) -> None:
        if not 0.0 < delta < 1.0:
            raise ConfigurationError(f"delta must be between 0 and 1, not {delta:g}")
        try:
            from river.drift import ADWIN
        except ImportError as error:
            raise MissingExtraError("river", "learn") from error
        self.artefact = artefact
        """The deployed model."""
        self._window = ADWIN(delta=delta)
        self.observed = 0
        """Predictions compared with what happened."""
        self.alarms: list[int] = []
        """After how many predictions errors were found to have grown."""
        self.calibration: tuple[tuple[float, float, int], ...] = ()
        """Of the newest log, in ten bins by what was predicted: its mean, the share of keys that
        came again, and how many keys; bins without any are left out."""

    @property
    def error(self) -> float:
        """Mean squared error of the predicted probabilities of late; 0.0 before any."""
        return float(self._window.estimation)

    def observe(self, rows: Rows, stop: int) -> bool:
        """Compare predictions with what happened; return whether the model should be retrained.

        Parameters
        ----------
        rows
            Of the newest log, from `augury.features.rows`, in the order of their requests. Those
            count that were followed for long enough to know whether the key was asked for again
            before LRU would have evicted it.
        stop
            The number of requests in that log.
        """
        card = self.artefact.card
        judged = labels.judged(rows, 0, stop, stop)
        predicted = probability(self.artefact.score(judged.rows), card.calibration)
        self.calibration = _calibration(predicted, judged.again)
        grown = False
        for error in ((predicted - judged.again) ** 2).tolist():
            before = self.error
            self._window.update(error)
            self.observed += 1
            if self._window.drift_detected and self.error > before:
                self.alarms.append(self.observed)
                grown = True
        return grown


def _calibration(
    predicted: NDArray[np.float64], again: NDArray[np.bool_]
) -> tuple[tuple[float, float, int], ...]:
    bins = np.minimum((predicted * _BINS).astype(np.int64), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    sums = (np.bincount(bins, each, minlength=_BINS) for each in (predicted, again))
    means = (each / np.maximum(counts, 1) for each in sums)
    every = zip(*(each.tolist() for each in (*means, counts)), strict=True)
    return tuple((mean, share, count) for mean, share, count in every if count)


@dataclass(frozen=True, slots=True)
class Trial:
    """Two models on the same requests, none of which they learned from."""

    champion: tuple[SimulationResult, ...]
    """What the model in use did, one result a size."""
    challenger: tuple[SimulationResult, ...]
    """What the new one did."""
    margin: float = _MARGIN
    """What the new one has to win by, in mean miss ratio."""

    @property
    def gain(self) -> float:
        """By how much the challenger's mean miss ratio is lower; negative if it is higher."""
        return mean_miss_ratio(self.champion) - mean_miss_ratio(self.challenger)

    @property
    def won(self) -> bool:
        """Whether the challenger takes the champion's place."""
        return self.gain > self.margin


def challenge(
    champion: Artefact,
    challenger: Artefact,
    spool: Spool,
    *,
    warm: float = 0.5,
    sizes: Sequence[str] = ("1%", "5%", "10%", "20%"),
) -> Trial:
    """Let two models serve the newest requests in simulation.

    Parameters
    ----------
    champion, challenger
        The model in use, and the new one.
    spool
        The newest log.
    warm
        The first share of it, which the challenger may have learned from; it only warms the caches.
    sizes
        Of the caches: entries, or percent of the distinct keys.

    Returns
    -------
    Trial
        What both did, one result a size.
    """

    def serve(model: Artefact) -> tuple[SimulationResult, ...]:
        return tuple(simulate_many(spool, ["learned"], sizes, warm=warm, model=model))

    return Trial(serve(champion), serve(challenger))


def retrain(
    registry: Registry,
    spool: Spool,
    model: str = "gbm",
    *,
    until: float = 0.5,
    seed: int = 1,
    name: str = "the newest log",
    progress: Callable[[float], object] | None = None,
) -> tuple[Version | None, Trial | None]:
    """Train on the first part of the newest log, and publish the model if it wins on the rest.

    Parameters
    ----------
    registry
        Where the model in use is, if there is one, and the new one goes.
    spool
        The newest log.
    model, until, seed, progress
        As for `augury.learn`.
    name
        Of the log, for the model's card.

    Returns
    -------
    Version or None
        The new model's version; None if the old one stays.
    Trial or None
        How they did; None if there was no model to beat.
    """
    lesson = prepare(spool, until=until, seed=seed, name=name)
    challenger, _ = train(lesson, model, progress)
    if registry.current() is None:
        return registry.publish(challenger), None
    trial = challenge(registry.load(), challenger, spool, warm=until)
    return (registry.publish(challenger) if trial.won else None), trial
