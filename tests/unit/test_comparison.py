"""What models are worth in simulation, and when one takes another's place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import augury
from augury import features
from augury.accesslog import Spool, requests_of
from augury.errors import ConfigurationError, MissingExtraError
from augury.features import Rows
from augury.learning import Drift, Trial, challenge, compare, prepare, probability, retrain
from augury.models import Artefact, Registry
from augury.simulation import SimulationResult
from tests.unit.learnable import popular_and_scans
from tests.unit.test_artefact import linear

KEYS = popular_and_scans(20_000)


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return augury.learn(KEYS)


def constant(score: float) -> Artefact:
    """A model that says the same of every row."""
    flat = np.zeros_like(linear().arrays["weights"])
    return linear(weights=flat, bias=np.array([score], np.float32))


def test_the_learned_policy_misses_less_than_those_that_cannot_know(artefact: Artefact) -> None:
    def misses(policy: str, model: Artefact | None = None) -> int:
        return augury.simulate(KEYS, policy, 100, warm=0.5, model=model).misses

    assert misses("learned", artefact) < misses("lru")
    assert misses("belady") <= misses("learned", artefact)
    assert misses("learned") == misses("s3fifo")  # without a model


def test_compares_models_with_policies() -> None:
    told: list[float] = []
    with Spool(requests_of(KEYS)) as spool:
        lesson = prepare(spool, name="scans")
        found = compare(spool, lesson, ["tree", "logistic"], ["50", "100"], progress=told.append)
    assert [each.artefact.card.model for each in found.candidates] == ["tree", "logistic"]
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    results = [*found.fixed, *(result for each in found.candidates for result in each.results)]
    assert {result.requests for result in results} == {10_000}  # what no model learned from
    assert found.gap(found.of_policy("fifo")) == 1
    assert found.gap(found.of_policy("belady")) == 0
    assert not {"learned", "auto", "belady"} & {found.best_fixed}
    assert found.best in found.candidates
    figures = found.as_dict()
    assert figures["policies"]["best_fixed"]["gap"] >= 0
    assert [len(model["miss_ratios"]) for model in figures["models"]] == [2, 2]


def test_a_gap_needs_something_to_gain() -> None:
    with Spool(requests_of(KEYS)) as spool:
        found = compare(spool, prepare(spool), ["tree"], ["100%"])
    assert found.gap(found.candidates[0].results) is None


def result(misses: int) -> SimulationResult:
    return SimulationResult("learned", 10, 1_000, misses, 1_000, misses, 0.0)


def test_a_challenger_wins_by_a_margin() -> None:
    assert Trial((result(500),), (result(490),)).won
    assert not Trial((result(500),), (result(500),)).won
    assert not Trial((result(500),), (result(500 - 1),), margin=0.01).won  # not worth the change
    assert not Trial((result(400),), (result(500),)).won
    assert Trial((result(500), result(300)), (result(510), result(200))).gain == pytest.approx(
        0.045
    )


def test_a_model_that_knows_beats_one_that_does_not(artefact: Artefact) -> None:
    with Spool(requests_of(KEYS)) as spool:
        assert challenge(constant(5), artefact, spool, sizes=["100"]).won
        assert not challenge(artefact, constant(5), spool, sizes=["100"]).won


def test_retraining_publishes_what_wins_only(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    with Spool(requests_of(KEYS)) as spool:
        version, trial = retrain(registry, spool, "tree")
        assert trial is None  # there was nothing to beat
        assert version == registry.current()
        again, trial = retrain(registry, spool, "tree")
        assert again is None
        assert trial is not None
        assert trial.gain == 0
        assert registry.current() == version


@pytest.fixture
def watched(artefact: Artefact) -> Drift:
    try:
        return Drift(artefact)
    except MissingExtraError as missing:
        pytest.skip(str(missing))


def rows(keys: NDArray[np.uint64], start: int = 0) -> Rows:
    with Spool(requests_of(keys)) as spool:
        return features.rows(spool, start=start)


def test_no_drift_where_nothing_changes(watched: Drift) -> None:
    keys = popular_and_scans(20_000, seed=2)
    assert not watched.observe(rows(keys, start=5_000), 20_000)  # once the features are warm
    assert watched.observed > 3_000
    assert 0 < watched.error < 0.2
    assert watched.alarms == []


def test_drift_where_the_requests_change(watched: Drift) -> None:
    # What was scanned once is now scanned round and round.
    loop = np.tile(np.arange(1 << 30, (1 << 30) + 60, dtype=np.uint64), 200)
    keys = np.concatenate([popular_and_scans(12_000, seed=2), loop])
    assert watched.observe(rows(keys, start=5_000), len(keys))
    assert watched.alarms


def test_errors_that_shrink_are_no_drift(artefact: Artefact, watched: Drift) -> None:
    taken = rows(popular_and_scans(8_000, seed=3))
    said = probability(artefact.score(taken.X), artefact.card.calibration) >= 0.5
    right = np.arange(len(said)) >= len(said) // 2

    def happened(again: NDArray[np.bool_]) -> Rows:
        label = np.where(again, 0, taken.X[:, -1] + 2).astype(np.float32)
        return Rows(taken.X, label, np.zeros_like(taken.censored), taken.index)

    assert not watched.observe(happened(said == right), 1 << 20)
    assert Drift(artefact).observe(happened(said != right), 1 << 20)


def test_refuses_a_delta_that_is_no_probability(artefact: Artefact) -> None:
    with pytest.raises(ConfigurationError, match="delta must be between 0 and 1, not 2"):
        Drift(artefact, delta=2)
