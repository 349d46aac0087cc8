"""What MLlib fits scores natively as MLlib predicts; curves and pairs of keys from a log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augury import load_model, read_trace
from augury.accesslog import Spool, requests_of
from augury.distributed import associations, curve, learn
from augury.distributed.fits import fit_names, load_fit
from augury.distributed.session import session
from augury.errors import ConfigurationError, LearningError
from augury.learning import Lesson, labels, prepare
from augury.learning.labels import Training
from augury.models import Artefact
from augury.sizing import curve as local_curve
from tests.unit.learnable import popular_and_scans


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    with Spool(requests_of(popular_and_scans(9000))) as spool:
        return prepare(spool, rows=2000)


@pytest.fixture(scope="module")
def training(lesson: Lesson) -> Training:
    return labels.training(lesson.past, 0, lesson.stop)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.csv"
    keys = popular_and_scans(6000).tolist()
    sizes = (f"item:{key},{key % 900 + 1}" for key in keys)
    path.write_text("\n".join(["key,size", *sizes]))
    return path


@pytest.fixture
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each round costs a job of Spark, and converts to the same kinds of arrays."""
    for name in fit_names():
        parameters = load_fit(name)._PARAMETERS  # type: ignore[attr-defined]
        for rounds, few in (("maxIter", 4), ("numTrees", 3)):
            if rounds in parameters:
                monkeypatch.setitem(parameters, rounds, few)


@pytest.fixture
def quiet(spark: Any) -> Iterator[Any]:
    with session(existing=spark) as within:
        yield within


@pytest.mark.parametrize("name", fit_names())
def test_scores_equal_the_predictions_of_mllib(
    quiet: Any, lesson: Lesson, training: Training, name: str, few_rounds: None
) -> None:
    fitted = load_fit(name).fit(training, 1)
    score = Artefact(fitted.kind, fitted.arrays, card=None).score  # type: ignore[arg-type]
    held_out = lesson.future.X
    assert np.ptp(score(held_out)) > 0.5
    np.testing.assert_allclose(score(held_out), fitted.predict(held_out), rtol=1e-5, atol=2e-5)
    if fitted.kind == "forest":
        assert fitted.cover is not None
        assert (fitted.cover > 0).all()
        at = _at_thresholds(fitted.arrays, held_out)
        np.testing.assert_allclose(score(at), fitted.predict(at), rtol=1e-5, atol=2e-5)


def _at_thresholds(arrays: Any, rows: Any) -> Any:
    """Rows with a feature at a threshold, or the next number above or below it."""
    inner = np.flatnonzero(arrays["feature"] >= 0)[:200]
    made = np.repeat(rows[: len(inner)], 3, axis=0)
    threshold = arrays["threshold"][inner]
    for at, side in enumerate((threshold, np.nextafter(threshold, np.float32(np.inf)))):
        made[at::3][np.arange(len(inner)), arrays["feature"][inner]] = side
    below = np.nextafter(threshold, np.float32(-np.inf))
    made[2::3][np.arange(len(inner)), arrays["feature"][inner]] = below
    return made


@pytest.mark.parametrize("name", ["gbm", "mlp"])
def test_the_same_seed_gives_the_same_model(
    quiet: Any, training: Training, name: str, few_rounds: None
) -> None:
    first, second = (load_fit(name).fit(training, 2).arrays for _ in range(2))
    assert first.keys() == second.keys()
    for array in first:
        np.testing.assert_array_equal(first[array], second[array])


def test_refuses_rows_of_one_class(quiet: Any, training: Training) -> None:
    from dataclasses import replace

    for name in ("logistic", "mlp"):
        with pytest.raises(LearningError, match="asked for again"):
            load_fit(name).fit(replace(training, again=np.ones_like(training.again)), 1)


def test_learns_an_artefact(spark: Any, log: Path, tmp_path: Path) -> None:
    told: list[float] = []
    made = learn(str(log), model="tree", rows=2000, session=spark, progress=told.append)
    made.save(tmp_path / "model")
    read = load_model(tmp_path / "model")
    card = read.card
    assert (card.model, card.data) == ("tree", "log.csv")
    assert (card.requests, card.period) == (6000, (0, 3000))
    assert "pyspark" in card.versions
    assert card.scores["test"]["roc_auc"] > 0.8
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_refuses_logs_with_nothing_to_learn(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("key,size\n" + "7,1\n" * 500)
    with pytest.raises(LearningError, match="one key"):
        learn(str(tmp_path / "one.csv"), session=spark)
    (tmp_path / "short.csv").write_text("key,size\n7,1\n8,1\n")
    with pytest.raises(LearningError, match="1 requests to learn from"):
        learn(str(tmp_path / "short.csv"), session=spark)


@pytest.mark.parametrize("by_bytes", [False, True])
def test_the_curve_is_the_local_one(spark: Any, log: Path, by_bytes: bool) -> None:
    there = curve(str(log), sample=0.2, by_bytes=by_bytes, session=spark)
    here = local_curve(read_trace(log), method="shards", sample=0.2, by_bytes=by_bytes)
    for name in ("capacities", "miss_ratios", "errors", "byte_miss_ratios", "byte_errors"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name))
    for name in ("requests", "distinct", "rate", "requested_bytes", "seconds", "method"):
        assert getattr(there, name) == getattr(here, name)


def test_curves_need_sizes_to_be_by_bytes(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "keys.csv").write_text("key,user\n7,1\n8,1\n")
    with pytest.raises(ConfigurationError, match="no sizes"):
        curve(str(tmp_path / "keys.csv"), by_bytes=True, session=spark)
    with pytest.raises(ConfigurationError, match="sample must be"):
        curve(str(tmp_path / "keys.csv"), sample=0.0, session=spark)


def test_finds_keys_that_are_asked_for_together(spark: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    lines = ["user,key"]
    for at in range(400):  # sessions that interleave; a page and its style come together
        pages = random.integers(1000, 2000, 2)
        lines += [f"u{at % 2},page", f"u{1 - at % 2},{pages[0]}", f"u{at % 2},styl\u00e9"]
        lines += [f"u{1 - at % 2},{pages[1]}"]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    pairs = associations(str(path), window=2, support=0.05, session=spark)
    assert {(pair.key, pair.partner) for pair in pairs} == {
        ("page", "styl\u00e9"),
        ("styl\u00e9", "page"),
    }
    for pair in pairs:
        assert 0.9 < pair.confidence <= 1.0
        assert 0.3 < pair.support < 0.7
        assert pair.lift > 1.5
    with pytest.raises(ConfigurationError, match="window"):
        associations(str(path), window=1)
