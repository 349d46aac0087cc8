"""The analytic curve is what a long stationary trace gives, and bad probabilities are refused."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from augury.errors import AuguryError, ConfigurationError, TraceError
from augury.simulation import simulate
from augury.sizing import Popularity, analytic, read_popularity


def zipf(keys: int, exponent: float) -> list[float]:
    weights: list[float] = (np.arange(1, keys + 1) ** -exponent).tolist()
    return weights


@pytest.mark.parametrize("policy", ["lru", "fifo"])
@pytest.mark.parametrize("exponent", [0.0, 0.8, 1.2])
def test_a_long_trace_agrees(policy: str, exponent: float) -> None:
    known = Popularity.of(zipf(1_000, exponent))
    keys = np.random.default_rng(3).choice(1_000, 300_000, p=known.probabilities)
    found = analytic(known, policy, capacities=[10, 100, 500])
    for capacity in (10, 100, 500):
        replayed = simulate(keys, policy=policy, capacity=capacity, warm=0.3)
        assert found.at(capacity) == pytest.approx(replayed.miss_ratio, abs=0.01)


def test_lru_of_two_keys_is_nearly_what_king_found() -> None:
    """W. King, "Analysis of demand paging algorithms", 1971: exact, by permutations."""
    p = [0.4, 0.3, 0.2, 0.1]
    exact = sum((a + b) * (a * b / (1 - a) + a * b / (1 - b)) for a, b in combinations(p, 2))
    assert 1 - analytic(p, "lru").at(2) == pytest.approx(exact, abs=0.01)


def test_the_ideal_static_cache_is_a_sum_and_beats_all() -> None:
    p = [0.1, 0.4, 0.3, 0.2]
    static, lru, fifo = (analytic(p, policy) for policy in ("lfu", "lru", "fifo"))
    assert static.miss_ratios == pytest.approx([0.6, 0.3, 0.1, 0.0])
    assert (static.miss_ratios <= lru.miss_ratios + 1e-12).all()
    assert (lru.miss_ratios <= fifo.miss_ratios + 1e-12).all()
    assert lru.at(4) == 0.0


def test_uniform_is_a_line() -> None:
    for policy in ("lru", "fifo", "lfu"):
        found = analytic([1.0] * 50, policy)
        assert found.miss_ratios == pytest.approx(1 - found.capacities / 50, abs=1e-9)


def test_many_keys_are_grouped_without_harm() -> None:
    weights = np.random.default_rng(1).random(200_000)
    found = analytic(weights, "lru", capacities=[20_000])
    p = weights / weights.sum()
    low, high = 0.0, 1e9
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if -np.expm1(-p * middle).sum() < 20_000 else (low, middle)
    assert found.at(20_000) == pytest.approx(1 + float(p @ np.expm1(-p * low)), abs=1e-4)


def test_normalising_is_told() -> None:
    assert not Popularity.of([0.3, 0.7]).normalised
    found = Popularity.of([3, 2, 1.5, 1])
    assert (found.normalised, found.total) == (True, 7.5)
    assert found.probabilities.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("probabilities", "why"),
    [
        ([], "at least one"),
        ([0.5, -0.1], "probability 2 is -0.1"),
        ([float("nan")], "probability 1 is nan"),
        ([float("inf")], "probability 1 is inf"),
        ([0.0, 0.0], "must be above 0"),
    ],
)
def test_bad_probabilities(probabilities: list[float], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        analytic(probabilities)


def test_other_policies_have_no_formula() -> None:
    with pytest.raises(ConfigurationError, match="not of 's3fifo'"):
        analytic([0.5, 0.5], "s3fifo")


def test_one_key() -> None:
    for policy in ("lru", "fifo", "lfu"):
        assert analytic([5.0, 0.0], policy).miss_ratios.tolist() == [0.0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5\n0.25\n0.25\n", [0.5, 0.25, 0.25]),
        ("key,probability\na,0.2\nb,0.8\n", [0.8, 0.2]),
        ("\ufeffp,key\n0.2,7\n0.8,8\n\n", [0.8, 0.2]),
        ("a,3\nb,1\n", [0.75, 0.25]),
    ],
)
def test_reads_files(tmp_path: Path, text: str, expected: list[float]) -> None:
    (path := tmp_path / "p.csv").write_text(text, encoding="utf-8")
    assert read_popularity(path).probabilities.tolist() == expected


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "has no probability"),
        (b"key,probability\n", "has no probability"),
        (b"0.5\nlots\n", "line 2 has no number"),
        (b"key,probability\na\n", "line 2 has no number"),
        (b"0.5\n-1\n", "probability 2 is -1"),
        (b"\xff\xfe0\x00", "cannot read it as CSV"),
    ],
)
def test_refuses_files(tmp_path: Path, content: bytes, why: str) -> None:
    (path := tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(AuguryError, match=why) as refused:
        read_popularity(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        read_popularity(tmp_path / "none.csv")
