"""Fetching ahead in simulation: what it counts, what it saves, and what it must never cost."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from augury import policies
from augury.accesslog import Trace, read_trace, requests_of
from augury.errors import ConfigurationError, TraceError
from augury.prefetch import (
    PrefetchOptions,
    PrefetchReport,
    PrefetchResult,
    predictors,
    simulate_prefetch,
)

PAGES = [f"/page/{number}" for number in np.random.default_rng(1).permutation(40).tolist()]


def one(trace: Sequence[int | str], capacity: int = 20, **given: object) -> PrefetchResult:
    (found,) = simulate_prefetch(trace, ["lru"], [capacity], **given)  # type: ignore[arg-type]
    return found


def written(folder: Path, lines: list[str]) -> Trace:
    path = folder / "requests.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_trace(path)


def test_a_loop_that_does_not_fit_is_fetched_ahead() -> None:
    found = one(PAGES * 200)
    assert found.without.misses == 8_000
    assert found.result.misses < 500
    assert found.report.precision > 0.95
    assert found.saved > 0.9
    assert found.extra_load < 0.05
    assert found.report.recall == found.report.used / (found.report.used + found.result.misses)


def test_counts_agree_with_each_other() -> None:
    report = (found := one(PAGES * 50)).report
    assert report.requests == found.without.requests == 2_000
    assert report.misses == found.result.misses
    assert report.used + report.unused <= report.fetched
    assert sum(report.waited) == report.used
    assert sum(each.fetched for each in report.by_predictor) == report.fetched
    assert sum(each.used for each in report.by_predictor) == report.used
    assert [each.name for each in report.by_predictor] == [each.name for each in predictors()]


def test_what_cannot_be_predicted_is_left_alone() -> None:
    keys = np.random.default_rng(1).integers(0, 5_000, 20_000).tolist()
    found = one(keys, 250)
    assert found.report.fetched < 200
    assert found.result.misses <= 1.005 * found.without.misses


@pytest.mark.parametrize(
    "policy", [each for each in policies.names(offline=False) if each != "learned"]
)
def test_hardly_costs_any_policy_a_hit(policy: str) -> None:
    random = np.random.default_rng(1)
    zipf = (2_000 * random.random(15_000) ** 4).astype(int).tolist()
    scans = [key for start in range(0, 3_000, 300) for key in range(start, start + 200)]
    (found,) = simulate_prefetch(zipf + scans + zipf, [policy], [100])
    assert found.result.misses <= 1.005 * found.without.misses


def test_runs_go_on_where_no_one_has_been() -> None:
    starts = np.random.default_rng(1).permutation(300) * 100
    keys = [int(start) + step for start in starts for step in range(0, 60, 3)]
    found = one(keys, 50)
    assert found.without.misses == len(keys)
    assert found.saved > 0.6
    assert found.report.by_predictor[2].used > 0.9 * found.report.used


def test_numbers_in_order_of_first_appearance_are_no_runs() -> None:
    found = one(list(range(5_000)), 50)
    assert found.report.fetched == 0


def test_sessions_are_told_apart() -> None:
    random = np.random.default_rng(1)
    at = [0] * 8
    keys, sessions = [], []
    for session in random.integers(0, 8, 30_000).tolist():
        keys.append(f"{session % 2}:{PAGES[at[session]]}")
        sessions.append(session)
        at[session] = (at[session] + 1) % len(PAGES)
    (alone,) = simulate_prefetch(keys, ["lru"], [30])
    (known,) = simulate_prefetch(requests_of(keys, sessions=sessions), ["lru"], [30])
    assert known.saved > 0.5
    assert known.saved > 1.5 * alone.saved


def test_what_comes_too_late_is_not_fetched_for_long() -> None:
    prompt, slow = one(PAGES * 200), one(PAGES * 200, delay=8)
    assert slow.report.fetched < prompt.report.fetched
    assert slow.result.misses <= slow.without.misses


def test_looks_further_ahead_where_fetching_takes_longer() -> None:
    found = one(PAGES * 200, delay=2)
    assert found.saved > 0.5
    assert found.report.precision > 0.5


def test_equal_intervals_are_foreseen(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    rows = [(at, f"noise/{key}") for at, key in enumerate(random.integers(0, 4_000, 50_000))]
    rows += [(at * 1_000 + 3 * key, f"report/{key}") for at in range(1, 50) for key in range(30)]
    lines = [f"{at + 1},{key}" for at, key in sorted(rows)]
    trace = written(tmp_path, ["time,key", *lines])
    options = PrefetchOptions(predictors=["periodic"])
    (found,) = simulate_prefetch(trace, ["lru"], [200], options=options)
    assert found.report.precision > 0.5
    assert found.report.used > 600


def test_entries_of_many_weights(tmp_path: Path) -> None:
    sizes = np.random.default_rng(1).integers(1, 500, len(PAGES)).tolist()
    lines = [f"{key},{size}" for key, size in zip(PAGES, sizes, strict=True)]
    trace = written(tmp_path, ["key,size", *lines * 100])
    (found,) = simulate_prefetch(trace, ["lru"], ["50%"], by_bytes=True)
    assert found.saved > 0.4
    assert found.report.fetched_bytes > found.report.fetched


def test_warming_is_not_counted() -> None:
    report = one(PAGES * 100, warm=0.5).report
    assert report.requests == 2_000
    assert report.used <= report.fetched + 4


def test_gives_the_same_again() -> None:
    first, second = (one(PAGES * 30).as_dict() for _ in range(2))
    first.pop("seconds"), second.pop("seconds")
    assert first == second


def test_an_empty_trace_and_a_trace_of_one_key() -> None:
    with pytest.raises(TraceError, match="at least one request"):
        one([])
    assert one(["a"]).saved == 0.0
    assert one(["a"] * 100, 1).report.fetched == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"predictors": ["oracle"]}, "there is no predictor 'oracle'"),
        ({"predictors": "markov"}, "several names"),
        ({"predictors": []}, "names none"),
        ({"share": 0}, "share must be a number of capacities above 0"),
        ({"share": 0.6}, "share must be at most 0.5"),
        ({"share": float("nan")}, "share must be a number"),
        ({"precision": 1}, "precision must be below 1"),
        ({"precision": -0.1}, "precision must be a number"),
        ({"most": 0}, "most must be an integer of 1 or more"),
        ({"most": 9}, "most must be at most 8"),
        ({"keys": 0}, "keys must be an integer of 1 or more"),
        ({"keys": 1 << 40}, "keys must be at most"),
    ],
)
def test_options_that_make_no_sense(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        PrefetchOptions(**given)  # type: ignore[arg-type]


def test_parameters_that_make_no_sense() -> None:
    with pytest.raises(ConfigurationError, match="delay must be from 0"):
        one(["a"], delay=-1)
    with pytest.raises(ConfigurationError, match="knows the future"):
        simulate_prefetch(["a"], ["belady"])


def test_a_report_without_anything() -> None:
    report = PrefetchReport(0, 0, 0, 0, 0)
    assert (report.precision, report.recall, report.f1) == (0.0, 0.0, 0.0)
    assert report.waited_at(0.5) is None
