"""From a trace to a model: what is learned, how honestly, and what is refused."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import augury
from augury.accesslog import Spool, requests_of
from augury.errors import ConfigurationError, LearningError, MissingExtraError
from augury.learning import evaluate, explain, fit_names, prepare, probability, train
from augury.learning.evaluation import calibrate
from augury.learning.fits import load_fit
from augury.learning.labels import Judged
from augury.learning.lesson import Lesson
from augury.models import Artefact, from_bytes
from tests.unit.learnable import popular_and_scans

KEYS = popular_and_scans()


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    with Spool(requests_of(KEYS)) as spool:
        return prepare(spool)


@functools.cache
def trained(lesson: Lesson, name: str) -> Artefact:
    try:
        load_fit(name)
    except MissingExtraError as missing:
        pytest.skip(str(missing))
    return train(lesson, name)[0]


@pytest.mark.parametrize("name", fit_names())
def test_every_model_learns_what_recency_cannot_tell(lesson: Lesson, name: str) -> None:
    artefact = trained(lesson, name)
    for part in ("validation", "test"):
        scores = artefact.card.scores[part]
        assert scores["roc_auc"] > 0.75, scores
        assert scores["brier"] < scores["positive"] * (1 - scores["positive"])


@pytest.mark.parametrize("name", fit_names())
def test_every_model_can_be_read_again(lesson: Lesson, name: str) -> None:
    artefact = trained(lesson, name)
    assert from_bytes(artefact.to_bytes()).card == artefact.card


def test_a_model_comes_back_from_its_file(tmp_path: Path) -> None:
    artefact = augury.learn(KEYS, until=0.75)
    artefact.save(tmp_path / "m")
    read = augury.load_model(tmp_path / "m")
    assert read.card == artefact.card
    card = read.card
    assert (card.model, card.requests, card.period) == ("gbm", 12_000, (0, 9_000))
    assert set(card.versions) == {"python", "numpy", "augury", "lightgbm"}


def test_what_comes_after_the_period_does_not_change_the_model(lesson: Lesson) -> None:
    other = KEYS.copy()
    other[6_000:] = other[:6_000] + np.uint64(12_345)
    one, two = (augury.learn(keys) for keys in (KEYS, other))
    assert {k: v.tolist() for k, v in one.arrays.items()} == {
        k: v.tolist() for k, v in two.arrays.items()
    }
    assert one.card.calibration == two.card.calibration
    assert one.card.scores["validation"] == two.card.scores["validation"]
    assert one.card.scores["test"] != two.card.scores["test"]


def test_learns_from_the_whole_trace_without_a_test() -> None:
    told: list[float] = []
    artefact = augury.learn(KEYS[:4_000], "tree", until=1.0, progress=told.append)
    assert set(artefact.card.scores) == {"validation"}
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_samples_no_more_rows_than_asked_for() -> None:
    artefact = augury.learn(KEYS, "tree", rows=1_000)
    assert 100 <= artefact.card.rows <= 1_200


def test_explains_what_it_goes_by(lesson: Lesson) -> None:
    for name in ("tree", "logistic"):
        explained = explain(trained(lesson, name))
        importances = [each.importance for each in explained.influences]
        assert importances == sorted(importances, reverse=True)
        assert importances[0] > 0.1
        assert all(len(each.dependence) >= 1 for each in explained.influences)
        assert explained.as_dict()["features"][0]["feature"] == explained.influences[0].feature


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ([5] * 1_000, "all requests are for one key"),
        (range(150), "75 requests to learn from, and a model needs 100"),
    ],
)
def test_refuses_a_trace_with_nothing_to_learn(keys: object, says: str) -> None:
    with pytest.raises(LearningError, match=says):
        augury.learn(keys)  # type: ignore[arg-type]


def test_a_trace_without_repetition_teaches_times_and_no_class() -> None:
    keys = range(3_000)
    artefact = augury.learn(keys, "gbm")
    assert (artefact.score(artefact.explanation["background"]) > 2).all()
    assert artefact.card.scores["test"]["positive"] == 0
    assert "roc_auc" not in artefact.card.scores["test"]
    with pytest.raises(LearningError, match="no key is asked for again before"):
        augury.learn(keys, "logistic")


def test_two_keys_are_enough() -> None:
    artefact = augury.learn([1, 2] * 1_000, "tree")
    assert np.isfinite(artefact.score(artefact.explanation["background"])).all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"until": 0.0}, "until must be more than 0"),
        ({"until": 1.5}, "until must be more than 0"),
        ({"until": float("nan")}, "until must be"),
        ({"rows": 5}, "rows must be at least 100"),
        ({"seed": -1}, "seed must be"),
        ({"model": "oracle"}, "unknown model 'oracle'"),
    ],
)
def test_refuses_parameters_that_make_no_sense(options: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        augury.learn(KEYS, **options)  # type: ignore[arg-type]


def test_metrics_are_right() -> None:
    again = np.array([True, True, False, False, False])
    time = np.log2([4, 8, np.inf, np.inf, 1_000]).astype(np.float32)
    scores = np.array([2, 6, 5, 9, 10], np.float32)
    found = evaluate(scores, Judged(np.empty((5, 0), np.float32), again, time), (5.5, -1.0))
    assert found is not None
    assert (found.rows, found.positive, found.accuracy) == (5, 0.4, 0.6)
    assert (found.precision, found.recall, found.f1) == (0.5, 0.5, 0.5)
    assert found.roc_auc == pytest.approx(5 / 6)
    assert found.error == pytest.approx(10 - np.log2(1_000), rel=1e-4)
    chance = 1 / (1 + np.exp(scores.astype(float) - 5.5))
    assert found.brier == pytest.approx(((chance - again) ** 2).mean())
    assert sum(count for _, _, count in found.reliability) == 5


def test_calibration_finds_the_probabilities() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(10, 3, 20_000).astype(np.float32)
    again = random.random(20_000) < probability(scores, (8.0, -0.7))
    assert calibrate(scores, again) == pytest.approx((8.0, -0.7), rel=0.1)
    intercept, slope = calibrate(scores, np.zeros(20_000, bool))
    assert slope == 0
    assert probability(scores, (intercept, slope)).max() < 0.001


def test_importing_augury_imports_no_library_that_learns() -> None:
    code = (
        "import augury, sys; "
        "print({'sklearn', 'lightgbm', 'river', 'torch', 'scipy', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
