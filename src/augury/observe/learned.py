"""What the model of a cache has learned, and how well it predicts."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from augury.events import Step
from augury.models import contributions, is_explicable
from augury.observe.views import ModelView

if TYPE_CHECKING:
    from augury.cache import Cache
    from augury.learning.drift import Drift
    from augury.models import Artefact

_TOLD = 20  # events
_ROWS = 200  # that importance is measured on: a network takes a while for each
_DECIDED = (Step.DEPLOYED, Step.KEPT, Step.WITHDRAWN, Step.FOLLOWED)


class Learned:
    """Keeps what takes long to find out of a model."""

    def __init__(self) -> None:
        self._explained: Artefact | None = None
        self._importance: dict[str, float] = {}

    def look(self, cache: Cache[Any, Any]) -> None:
        """Find out what there is to find out of the model in use, if it is a new one."""
        model = cache.model
        if model is not self._explained:
            self._importance = {} if model is None else _importance(model)
            self._explained = model

    def tell(self, cache: Cache[Any, Any]) -> ModelView | None:
        """Return what is known; None if the cache neither learns nor has a model."""
        model, learner = cache.model, cache.learner
        if model is None and learner is None:
            return None
        events = () if learner is None else learner.events[::-1]
        drift = None if learner is None else learner.drift
        if drift is not None and drift.artefact is not model:
            drift = None
        decided = next((each.step for each in events if each.step in (*_DECIDED, Step.DRIFTED)), "")
        own = model is not None and model is self._explained
        return ModelView(
            kind=None if model is None else model.card.model,
            version=None
            if model is None
            else next((each.version for each in events if each.version is not None), None),
            trained_at=None if model is None else _seconds(model.card.created),
            importance=self._importance if own else {},
            calibration=[] if drift is None else list(drift.calibration),
            drift=None if model is None or drift is None else _growth(model, drift),
            # The learner may doubt a model whose errors have not grown, too.
            drifted=decided == Step.DRIFTED and drift is not None and bool(drift.alarms),
            events=[(each.at, str(each)) for each in events[:_TOLD]],
        )


def _importance(model: Artefact) -> dict[str, float]:
    rows = model.explanation.get("background")
    if rows is None or not len(rows) or not is_explicable(model):
        return {}
    added = np.abs(contributions(model, rows[:_ROWS]).values).mean(axis=0)
    shares = (added / max(float(added.sum()), 1e-12)).tolist()
    named = zip(model.features, shares, strict=True)
    return dict(sorted(named, key=lambda each: -each[1]))


def _growth(model: Artefact, drift: Drift) -> float | None:
    trained = model.card.scores.get("test", model.card.scores.get("validation", {})).get("brier")
    return drift.error / trained if trained and drift.observed else None


def _seconds(created: str) -> float | None:
    try:
        return datetime.fromisoformat(created).timestamp()
    except ValueError:
        return None
