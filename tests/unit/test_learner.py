"""A cache that trains itself: what wins is used, what fails is told, and the cache goes on.

The learner's steps are taken here one by one; test_learner_life.py has the thread.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import Cache
from augury.errors import ArtefactError, ConfigurationError, MissingExtraError
from augury.events import Learned, Step
from augury.learning import Learner, background, learner
from augury.learning.training import train
from augury.models import Registry
from tests.unit.learnable import asked_four_times, popular_and_scans
from tests.unit.test_artefact import linear

WINDOW = 12_000


@pytest.fixture(autouse=True)
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background.background, "add", lambda task: None)


def cold(capacity: int = 250, **options: Any) -> Cache[int, int]:
    return Cache(capacity, **{"policy": "learned", "learn": False, **options})


def serve(cache: Cache[int, int], keys: NDArray[np.uint64], learns: Learner | None = None) -> int:
    missed = 0
    for at, key in enumerate(keys.tolist()):
        if cache.get(key) is None:
            cache[key] = 1
            missed += 1
        if learns is not None and at % 1_000 == 0:
            learns.step()
    if learns is not None:
        learns.step()
    return missed


def steps(learns: Learner) -> list[Step]:
    return [event.step for event in learns.events]


def learner_of(cache: Cache[int, int], **options: Any) -> Learner:
    return Learner(cache, **{"model": "gbm", "share": 1.0, "window": WINDOW, **options})


def test_a_cold_cache_trains_itself_and_misses_less() -> None:
    keys = asked_four_times(40_000)
    cache, plain = cold(250), cold(250)
    learns = learner_of(cache)
    with_it, without = serve(cache, keys, learns), serve(plain, keys)
    first = learns.events[0]
    assert first.step is Step.DEPLOYED, learns.events
    assert first.requests == WINDOW
    assert first.miss_ratios["new"] < first.miss_ratios["none"]
    assert first.cpu_seconds > 0
    assert cache.model is not None
    assert with_it < without
    cache.validate()


def test_what_cannot_be_predicted_is_left_to_the_policy() -> None:
    keys = np.random.default_rng(1).integers(0, 1_000, 30_000).astype(np.uint64)
    cache = cold()
    learns = learner_of(cache)
    serve(cache, keys, learns)
    assert Step.DEPLOYED not in steps(learns)
    assert learns.events[0].step is Step.KEPT
    assert cache.model is None


def test_a_model_that_does_harm_is_withdrawn_or_replaced() -> None:
    keys = popular_and_scans(30_000)
    cache = cold(policy="learned(guard=0)")
    backwards = linear(weights=np.array([-1.0] + [0.0] * (len(linear().features) - 1), np.float32))
    cache.use_model(backwards)  # evicts what was asked for last
    learns = learner_of(cache)
    serve(cache, keys, learns)
    assert steps(learns)[0] is Step.DRIFTED
    assert steps(learns)[1] in (Step.WITHDRAWN, Step.DEPLOYED)
    assert cache.model is not backwards


def test_goes_back_to_no_model_when_that_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cold(policy="learned(guard=0)")
    harmful = linear(weights=np.array([-1.0] + [0.0] * (len(linear().features) - 1), np.float32))
    cache.use_model(harmful)
    learns = learner_of(cache)
    keys = np.random.default_rng(1).integers(0, 300, WINDOW + 2_000).astype(np.uint64)
    keys[::2] = np.arange(len(keys[::2]), dtype=np.uint64) + np.uint64(1 << 30)
    monkeypatch.setattr(learner, "train", lambda *_: (harmful, None))
    serve(cache, keys, learns)
    assert steps(learns)[-1] is Step.WITHDRAWN
    assert cache.model is None
    assert "without" in learns.events[-1].reason


@pytest.mark.parametrize(
    "error", [ValueError("two\nlines"), MemoryError(), ArtefactError("bad"), KeyError("x")]
)
def test_a_training_that_fails_is_told_and_the_cache_goes_on(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(learner, "train", fail)
    cache = cold()
    learns = learner_of(cache)
    serve(cache, asked_four_times(2 * WINDOW), learns)
    failed = learns.events[0]
    assert failed.step is Step.FAILED
    assert type(error).__name__ in failed.reason
    assert "\n" not in failed.reason
    assert cache[int(asked_four_times(2 * WINDOW)[-1])] == 1


@pytest.mark.parametrize("keys", [np.zeros, np.arange])
def test_requests_with_nothing_in_them_are_told(keys: Any) -> None:
    cache = cold()
    learns = learner_of(cache)
    serve(cache, keys(WINDOW + 1_000).astype(np.uint64), learns)
    assert steps(learns)[0] in (Step.FAILED, Step.KEPT)
    assert cache.model is None


def test_a_model_given_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cold()
    learns = learner_of(cache)
    given = linear()

    def slow(*arguments: Any) -> Any:
        cache.use_model(given)
        return train(*arguments)

    monkeypatch.setattr(learner, "train", slow)
    serve(cache, asked_four_times(WINDOW + 1_000), learns)
    assert steps(learns) == [Step.KEPT]
    assert "meanwhile" in learns.events[0].reason
    assert cache.model is given


def test_weights_are_learned_from_too() -> None:
    cache: Cache[int, int] = Cache(
        3_000, policy="learned", learn=False, weigher=lambda key, _: 1 + key % 40
    )
    learns = learner_of(cache)
    serve(cache, asked_four_times(WINDOW + 1_000), learns)
    assert steps(learns)[0] in (Step.DEPLOYED, Step.KEPT), learns.events
    cache.validate()


def test_models_survive_restarts_in_a_registry(tmp_path: Any) -> None:
    registry = Registry(tmp_path)
    cache = cold()
    learns = learner_of(cache, registry=registry)
    serve(cache, asked_four_times(WINDOW + 1_000), learns)
    assert learns.events[0].version == 1
    again: Cache[int, int] = Cache(150, policy="learned", model=registry)
    assert again.model.card.model == "gbm"
    assert again.learner is not None
    assert [each.step for each in again.learner.events] == [Step.FOLLOWED]


def test_follows_a_registry_back_and_forth(tmp_path: Any) -> None:
    registry = Registry(tmp_path)
    cache: Cache[int, int] = Cache(150, policy="learned", model=registry, learn=False)
    learns = cache.learner
    assert learns is not None
    for bias in (1, 2):
        registry.publish(linear(bias=np.array([bias], np.float32)))
        learns.step()
        learns.step()
        assert cache.model.arrays["bias"] == bias
    registry.rollback()
    learns.step()
    assert cache.model.arrays["bias"] == 1
    assert [event.version for event in learns.events] == [1, 2, 1]


def test_a_damaged_version_is_told_once_and_the_former_stays(tmp_path: Any) -> None:
    registry = Registry(tmp_path)
    registry.publish(linear())
    cache: Cache[int, int] = Cache(150, policy="learned", model=registry, learn=False)
    learns, model = cache.learner, cache.model
    assert learns is not None
    registry.publish(linear()).path.write_bytes(b"rubbish")
    for _ in range(3):
        learns.step()
    assert steps(learns) == [Step.FOLLOWED, Step.FAILED]
    assert cache.model is model
    registry.rollback()
    learns.step()
    registry.publish(linear())
    learns.step()
    assert steps(learns)[-1] is Step.FOLLOWED


def test_a_model_that_cannot_be_published_is_used_all_the_same(tmp_path: Any) -> None:
    registry = Registry(tmp_path / "models")
    cache = cold()
    learns = learner_of(cache, registry=registry)
    (tmp_path / "models").rename(tmp_path / "gone")
    serve(cache, asked_four_times(WINDOW + 1_000), learns)
    assert Step.FAILED in steps(learns)
    assert steps(learns)[-1] is Step.DEPLOYED
    assert cache.model is not None


def test_without_the_extra_the_cache_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    def missing(name: str) -> None:
        raise MissingExtraError("lightgbm", "learn")

    monkeypatch.setattr(learner, "load_fit", missing)
    cache: Cache[int, int] = Cache(150, policy="learned")
    assert cache.learner is not None
    (event,) = cache.learner.events
    assert event.step is Step.UNAVAILABLE
    assert "pip install 'augury[learn]'" in event.reason
    serve(cache, asked_four_times(3_000), cache.learner)
    with pytest.raises(MissingExtraError):
        Learner(cold())
    Registry(tmp_path).publish(linear())
    assert Cache(150, policy="learned", model=Registry(tmp_path)).model is not None


def test_events_are_handed_over_and_what_that_raises_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[Learned] = []

    def tell(event: Learned) -> None:
        told.append(event)
        raise RuntimeError("of the user's")

    cache = cold()
    learns = learner_of(cache, on_event=tell)
    serve(cache, asked_four_times(WINDOW + 1_000), learns)
    assert tuple(told) == learns.events != ()
    assert "on_event failed" in caplog.text
    assert str(told[0]).startswith("deployed: the new model misses")
    assert str(told[0]) in repr(learns)


def test_a_closed_learner_leaves_the_cache_as_it_is() -> None:
    cache = cold()
    learns = learner_of(cache)
    serve(cache, asked_four_times(WINDOW + 1_000), learns)
    model = cache.model
    learns.close()
    assert learns.step() is None
    assert learns.closed
    assert cache.model is model
    assert cache._recorded_requests()[0] == 0
    learner_of(cache)  # another one may follow


def test_closed_in_the_middle_it_deploys_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cold()
    learns = learner_of(cache)

    def closing(*arguments: Any) -> Any:
        learns.close()
        return train(*arguments)

    monkeypatch.setattr(learner, "train", closing)
    with pytest.raises(background.Stopped):
        serve(cache, asked_four_times(WINDOW + 1_000), learns)
    assert cache.model is None


def test_reset_statistics_do_not_stop_it() -> None:
    cache = cold()
    learns = learner_of(cache)
    keys = np.random.default_rng(1).integers(0, 1_000, WINDOW + 1_000).astype(np.uint64)
    for _ in range(4):
        serve(cache, keys, learns)
        cache.reset_stats()
    assert len(learns.events) >= 3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"share": 0}, "share must be above 0"),
        ({"share": 2}, "share must be above 0"),
        ({"window": 3}, "window must be from 400"),
        ({"window": "long"}, "window must be from 400"),
        ({"model": "oracle"}, "unknown model 'oracle'"),
        ({"registry": "models"}, "registry must be an augury.models.Registry, not 'models'"),
        ({"on_event": 3}, "on_event must be callable"),
    ],
)
def test_refuses_what_makes_no_sense(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        learner_of(cold(), **options)


def test_only_one_learner_a_cache_and_only_where_it_is_of_use() -> None:
    cache: Cache[int, int] = Cache(10, policy="learned")
    with pytest.raises(ConfigurationError, match="learns already"):
        Learner(cache)
    with pytest.raises(ConfigurationError, match="no use for a model"):
        Learner(Cache[int, int](10, policy="lru"))
    with pytest.raises(ConfigurationError, match="no use for a model"):
        Cache(10, policy="lru", model=linear())
    assert Cache(10, policy="lru").learner is None
    assert cold().learner is None
