"""The neural predictor learns what it is for, and says what is wrong with what it is given."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from augury.errors import ConfigurationError, LearningError, MissingExtraError
from augury.prefetch.neural import NOTHING, fit_neural

LOOPS = np.array([[0, 1, 2, 3, 4], [2, 1, 5, 6, 7]], np.uint32)  # after 1 it depends


def two_sessions(requests: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    sessions = np.random.default_rng(1).integers(0, 2, requests).astype(np.uint32)
    ids = np.zeros(requests, np.uint32)
    for session in range(2):
        places = np.flatnonzero(sessions == session)
        ids[places] = LOOPS[session][np.arange(len(places)) % 5]
    return ids, sessions


def test_learns_what_depends_on_the_session() -> None:
    pytest.importorskip("torch")
    ids, sessions = two_sessions(2_000)
    predictor = fit_neural(ids[:1_500], sessions[:1_500], hidden=16, epochs=60)
    found = predictor.predict(ids, sessions, most=2)
    assert found.ids.shape == found.probabilities.shape == (2_000, 2)
    right = total = 0
    for session in range(2):
        places = np.flatnonzero(sessions == session)
        places = places[places >= 1_500]
        right += int((found.ids[places[:-1], 0] == ids[places[1:]]).sum())
        total += len(places) - 1
    assert right > 0.95 * total
    assert found.probabilities[-100:, 0].mean() > 0.5


def test_knows_nothing_of_what_comes_later() -> None:
    pytest.importorskip("torch")
    ids, sessions = two_sessions(1_000)
    predictor = fit_neural(ids, sessions, hidden=8, epochs=1)
    whole, part = predictor.predict(ids, sessions), predictor.predict(ids[:300], sessions[:300])
    np.testing.assert_allclose(whole.probabilities[:300], part.probabilities, rtol=1e-4)


def test_same_seed_same_model() -> None:
    pytest.importorskip("torch")
    ids, _ = two_sessions(500)
    one, other = (fit_neural(ids, hidden=8, epochs=1, seed=7).predict(ids) for _ in range(2))
    np.testing.assert_array_equal(one.ids, other.ids)


def test_proposes_known_keys_only_and_never_the_same() -> None:
    pytest.importorskip("torch")
    predictor = fit_neural(np.array([0, 1, 2] * 50, np.uint32), keys=2, hidden=4, epochs=1)
    found = predictor.predict(np.array([0, 1, 99], np.uint32), most=4)
    assert found.ids[0].tolist() == [1, NOTHING, NOTHING, NOTHING]
    assert set(found.ids[2].tolist()) <= {0, 1, NOTHING}
    assert len(predictor.predict(np.zeros(0, np.uint32)).ids) == 0


@pytest.mark.parametrize(
    ("ids", "options", "said"),
    [
        (np.zeros((2, 2), np.uint32), {}, "one-dimensional"),
        (np.array([0.5, 1.0]), {}, "integers"),
        ([0, 1, 0], {}, "array"),
        (np.array([-1, 2]), {}, "negative"),
        (np.array([0, 1]), {"sessions": np.array([0])}, "same length"),
        (np.array([0, 1]), {"keys": 0}, "keys"),
        (np.array([0, 1]), {"hidden": 0}, "hidden"),
        (np.array([0, 1]), {"epochs": -1}, "epochs"),
        (np.array([0, 1]), {"seed": -1}, "seed"),
    ],
)
def test_bad_input(ids: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        fit_neural(ids, options.pop("sessions", None), **options)


@pytest.mark.parametrize("ids", [[], [3], [3, 3, 3]])
def test_nothing_to_learn(ids: list[int]) -> None:
    with pytest.raises(LearningError, match="follow each other"):
        fit_neural(np.array(ids, np.uint32))


def test_as_many_proposals_as_there_may_be() -> None:
    pytest.importorskip("torch")
    predictor = fit_neural(np.array([0, 1] * 20, np.uint32), hidden=4, epochs=1)
    with pytest.raises(ConfigurationError, match="most"):
        predictor.predict(np.array([0], np.uint32), most=9)


def test_says_which_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "torch":
            raise ImportError(name)
        return original(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"augury\[torch\]"):
        fit_neural(np.array([0, 1, 0], np.uint32))
