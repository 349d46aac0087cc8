"""A threshold is returned only where the rate of false hits can be shown to be kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from augury.errors import ConfigurationError, InputError
from augury.inference.semantic import calibrate
from augury.inference.semantic.confidence import (
    anytime_bounds,
    clustered_bound,
    effective_trials,
    upper_bound,
)


def embed_numbers(texts: list[str]) -> NDArray[np.float64]:
    """Embed "topic/wording/noise": wordings of a topic are as near it as the noise says."""
    vectors = []
    for text in texts:
        topic, wording, noise = text.split("/")
        centre = np.random.default_rng(int(topic)).normal(size=64)
        around = np.random.default_rng([int(topic), int(wording)]).normal(size=64)
        vectors.append(centre + float(noise) * around)
    return np.array(vectors)


def groups(count: int, wordings: int = 4, noise: float = 0.3) -> list[list[str]]:
    return [[f"{topic}/{wording}/{noise}" for wording in range(wordings)] for topic in range(count)]


def test_what_can_be_told_apart_is() -> None:
    found = calibrate(embed_numbers, groups(60), false_hit_rate=0.05)
    assert found.threshold is not None
    assert found.false_hits == 0
    assert found.hits == 90
    assert found.hit_rate == 1.0
    assert found.measured_rate == 0.0
    assert 1 - 0.05 ** (1 / 90) <= found.bound <= 0.05
    assert str(found).startswith("threshold 0.")


def test_too_few_questions_state_nothing() -> None:
    found = calibrate(embed_numbers, groups(60), false_hit_rate=0.01)
    assert found.threshold is None
    assert "takes 299 independent hits" in str(found)


def test_what_cannot_be_told_apart_is_not_answered() -> None:
    def alike(texts: list[str]) -> Any:
        return np.random.default_rng(0).normal(size=(len(texts), 4))

    found = calibrate(alike, groups(200), false_hit_rate=0.05)
    assert found.threshold is None
    assert "no threshold can be shown" in str(found)


def test_the_stated_rate_is_kept_on_new_questions() -> None:
    """Of many calibrations on overlapping topics, few state a rate that new questions exceed."""
    rate, exceeded, returned = 0.1, 0, 0
    for seed in range(20):
        random = np.random.default_rng(seed)

        def overlapping(texts: list[str], random: np.random.Generator = random) -> Any:
            centres = np.random.default_rng(9).normal(size=(1_000, 6))
            topics = [int(text.split("/")[0]) for text in texts]
            return centres[topics] + 0.15 * random.normal(size=(len(texts), 6))

        found = calibrate(overlapping, groups(150), false_hit_rate=rate, seed=seed)
        if found.threshold is None:
            continue
        returned += 1
        topics = range(300, 450)
        stored = unit(overlapping([f"{topic}/0/0" for topic in topics]))
        asked = unit(overlapping([f"{topic}/1/0" for topic in topics]))
        near = asked @ stored.T
        own = np.eye(150, dtype=bool)
        others = np.where(own, -2, near)
        false = np.sum(others.max(axis=1) >= found.threshold)
        false += np.sum((near.argmax(axis=1) != range(150)) & (near.max(axis=1) >= found.threshold))
        hits = np.sum(near.max(axis=1) >= found.threshold)
        hits += np.sum(others.max(axis=1) >= found.threshold)
        exceeded += false / hits > rate
    assert returned >= 10
    assert exceeded <= 3


def at_angles(texts: list[str]) -> Any:
    """Embed "name/cosine" so that it has this similarity to a text of the cosine 1."""
    cosines = np.array([float(text.split("/")[1]) for text in texts])
    return np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)


def test_the_rate_is_kept_where_requests_of_a_question_are_all_right_or_all_wrong() -> None:
    exceeded = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        pairs = []
        for question in range(120):
            for near, wrong in ((0.9, 0.035), (0.5, 0.5)):
                right = bool(random.random() >= wrong)
                pairs += [(f"{question}/1", f"{question}-{at}/{near}", right) for at in range(5)]
        found = calibrate(at_angles, pairs=pairs, false_hit_rate=0.03, seed=seed)
        exceeded += found.threshold is not None
    assert exceeded <= 5


def test_pairs_count_once_and_not_if_both_texts_are_the_same() -> None:
    pairs = [(f"{topic}/1", f"{topic}-other/0.9", True) for topic in range(20)]
    itself = [(f"{topic}/1", f"{topic}/1", True) for topic in range(20)]
    found = calibrate(at_angles, pairs=pairs * 30 + itself * 30, false_hit_rate=0.05)
    assert found.hits == 10
    assert found.threshold is None


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_pairs() -> None:
    right = [(f"{topic}/0/0.1", f"{topic}/1/0.1", True) for topic in range(200)]
    wrong = [(f"{topic}/0/0.1", f"{topic + 1}/1/0.1", False) for topic in range(200)]
    found = calibrate(embed_numbers, pairs=right + wrong, false_hit_rate=0.05)
    assert found.threshold is not None
    assert found.hits - found.false_hits == 100
    assert found.hit_rate == 1.0


def test_a_mapping_of_groups_and_single_texts() -> None:
    lists = groups(120)
    by_name = {str(number): texts for number, texts in enumerate(lists)}
    alone = {f"alone {topic}": [f"{topic}/0/0.3"] for topic in range(200, 220)}
    assert calibrate(embed_numbers, by_name | alone, false_hit_rate=0.05).threshold is not None


def test_the_guard_takes_part() -> None:
    """Two topics of each pair look the same; only the guard tells them apart."""

    def halved(texts: list[str]) -> Any:
        return embed_numbers([f"{int(text.split('/')[0]) // 2}/0/0" for text in texts])

    def same(question: str, matched: str) -> bool:
        return question.split("/", maxsplit=1)[0] == matched.split("/", maxsplit=1)[0]

    assert calibrate(halved, groups(300), false_hit_rate=0.05).threshold is None
    guarded = calibrate(halved, groups(300), false_hit_rate=0.2, same=same)
    assert guarded.threshold is not None
    assert guarded.false_hits == 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"groups": groups(9), "pairs": []},
        {"groups": groups(9), "false_hit_rate": 0.0},
        {"groups": groups(9), "false_hit_rate": 1.0},
        {"groups": groups(9), "confidence": 1.0},
        {"groups": groups(9), "confidence": "high"},
        {"groups": groups(9), "seed": -1},
        {"groups": 5},
        {"pairs": 5},
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        calibrate(embed_numbers, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"groups": []},
        {"groups": [["0/0/0"]] * 9},
        {"groups": ["0/0/0", "0/1/0"]},
        {"groups": [["0/0/0", 5]] * 9},
        {"pairs": [("0/0/0", "0/1/0", True)]},
        {"pairs": [("0/0/0", "0/1/0")] * 9},
        {"pairs": [("", "0/1/0", True)] * 9},
    ],
)
def test_bad_questions_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        calibrate(embed_numbers, **options)


def test_clopper_pearson_as_published() -> None:
    # One-sided: P(X <= count) is what is left of the confidence. Values of the beta distribution.
    for count, trials, bound in ((0, 10, 0.258866), (1, 10, 0.394163), (5, 100, 0.102259)):
        assert upper_bound(count, trials, 0.95) == pytest.approx(bound, abs=1e-5)
    assert upper_bound(10, 10, 0.95) == 1.0
    assert upper_bound(1_000, 100_000, 0.95) == pytest.approx(0.01053, abs=1e-4)


def test_clusters_widen_a_bound_but_never_narrow_it() -> None:
    trials = np.full(50, 4)
    together = np.zeros(50, np.int64)
    together[:5] = 4
    spread = np.zeros(50, np.int64)
    spread[:20] = 1
    plain = upper_bound(20, 200, 0.95)
    assert clustered_bound(spread, trials, 0.95) == pytest.approx(plain)
    assert clustered_bound(together, trials, 0.95) > plain + 0.02
    nothing = np.zeros(50, np.int64)
    assert clustered_bound(nothing, trials, 0.95) == upper_bound(0, 200, 0.95)
    assert effective_trials(trials, 1.0) == 50
    assert clustered_bound(nothing, trials, 0.95, alike=1.0) == upper_bound(0, 50, 0.95)
    assert clustered_bound(nothing, nothing, 0.95) == 1.0


def test_anytime_bounds_hold_at_all_times_at_once() -> None:
    random = np.random.default_rng(4)
    for share in (0.01, 0.1, 0.5):
        missed = 0
        for _ in range(200):
            counts = np.cumsum(random.random(300) < share)
            looks = (anytime_bounds(int(counts[at]), at + 1, 0.95) for at in range(0, 300, 7))
            missed += not all(low <= share <= high for low, high in looks)
        assert missed <= 20
    assert anytime_bounds(10, 10, 0.95)[1] == 1.0
