"""What a cache has learned is told as its learner and its model know it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

import pytest

from augury import Cache
from augury.events import Learned, Step
from augury.learning import Drift, Learner, background
from augury.observe import Observer
from tests.unit.learnable import asked_four_times

WINDOW = 12_000


@pytest.fixture
def observer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Observer]:
    monkeypatch.setattr(background.background, "add", lambda each: None)
    with Observer(interval=3600) as observer:
        yield observer


def served(cache: Cache[int, int], learns: Learner, requests: int) -> None:
    for at, key in enumerate(asked_four_times(requests).tolist()):
        if cache.get(key) is None:
            cache[key] = key
        if at % 500 == 0:
            learns.step()


def test_before_anything_was_learned_there_is_no_model(observer: Observer) -> None:
    cache: Cache[Any, Any] = Cache(250, policy="learned", learn=False)
    observer.add("users", cache)
    assert observer.snapshot().caches[0].model is None
    Learner(cache, share=1.0, window=WINDOW)
    view = observer.snapshot().caches[0].model
    assert view is not None
    assert (view.kind, view.importance, view.events) == (None, {}, [])


def test_importance_calibration_drift_and_events_are_told(observer: Observer) -> None:
    cache: Cache[int, int] = Cache(250, policy="learned", learn=False)
    learns = Learner(cache, share=1.0, window=WINDOW)
    observer.add("users", cache)
    served(cache, learns, 40_000)
    observer.sample()
    view = observer.snapshot().caches[0].model
    assert view is not None
    assert cache.model is not None, learns.events
    assert view.kind == "gbm"
    assert view.trained_at == pytest.approx(learns.events[0].at, abs=3600)
    assert sum(view.importance.values()) == pytest.approx(1.0)
    assert list(view.importance.values()) == sorted(view.importance.values(), reverse=True)
    assert view.calibration
    assert [mean for mean, _, _ in view.calibration] == sorted(
        mean for mean, _, _ in view.calibration
    )
    assert view.drift is not None
    assert 0.3 < view.drift < 3.0
    assert [text for _, text in view.events] == [str(each) for each in learns.events[::-1]]


def test_drift_is_told_of_the_model_in_use_only(observer: Observer) -> None:
    cache: Cache[int, int] = Cache(250, policy="learned", learn=False)
    learns = Learner(cache, share=1.0, window=WINDOW)
    observer.add("users", cache)
    served(cache, learns, 40_000)

    def drifted() -> bool:
        view = observer.snapshot().caches[0].model
        assert view is not None
        return view.drifted

    model, drift = cache.model, learns.drift
    assert model is not None
    assert drift is not None
    drift.alarms.clear()
    learns._tell(Learned(Step.DRIFTED, "the policy would miss less without it", requests=1))
    assert not drifted()
    drift.alarms.append(drift.observed)
    assert drifted()
    another = copy(model)  # decides before its event is told of
    cache.use_model(another)
    learns.drift = Drift(another)
    assert not drifted()
    cache.use_model(model)
    learns.drift = drift
    learns._tell(Learned(Step.KEPT, "the new model misses more", requests=1))
    assert not drifted()
