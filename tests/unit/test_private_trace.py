"""What is made up from noisy counts: what may show, what does not, and that models learn of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import augury
from augury.accesslog import InMemoryTrace
from augury.accesslog.chunk import NOBODY
from augury.errors import AuguryError, ConfigurationError, LearningError
from augury.learning import private_trace

pytest.importorskip("opendp")
HOUR = 3600.0


def trace(keys: Any, sessions: Any = None, step: float = 1.0) -> InMemoryTrace:
    keys = np.asarray(keys, np.uint64)
    return InMemoryTrace(
        keys,
        times=1e9 + step * np.arange(len(keys), dtype=np.float64),
        sessions=None if sessions is None else np.asarray(sessions, np.uint64),
    )


def counted(made: InMemoryTrace) -> dict[int, int]:
    (keys,) = [np.concatenate([chunk.keys for chunk in made.chunks()])]
    found, counts = np.unique(keys, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def test_what_many_ask_for_shows_about_as_often() -> None:
    keys, users = np.tile([1, 2, 2, 2], 2_500), np.arange(10_000)
    found = counted(private_trace(trace(keys, users), epsilon=1.0, contribution=1, period=1e6))
    assert abs(found[1] - 2_500) < 100
    assert abs(found[2] - 7_500) < 100
    assert abs(sum(found.values()) - 10_000) < 400


def test_what_one_asks_for_does_not_show_however_often() -> None:
    keys = [*[7] * 50_000, *[1] * 5_000]
    users = [*[3] * 50_000, *range(10, 5_010)]
    for _ in range(20):
        made = private_trace(
            trace(keys, users), epsilon=1.0, delta=1e-9, contribution=10, period=1e6
        )
        assert 7 not in counted(made)
        assert sum(counted(made).values()) < 7_000  # of the one, ten requests count


def test_rare_keys_become_keys_that_come_once() -> None:
    keys = np.concatenate([np.full(5_000, 1), 100 + np.arange(5_000)])
    found = counted(private_trace(trace(keys), epsilon=1.0, contribution=1, period=1e6))
    assert not set(found) & set(range(100, 5_100))
    assert 4_000 < sum(count == 1 for count in found.values()) < 6_000


def test_requests_of_nobody_are_of_a_session_each() -> None:
    made = private_trace(
        trace([1] * 5_000, [NOBODY] * 5_000), epsilon=1.0, contribution=1, period=1e6
    )
    assert counted(made)[1] > 4_500


def test_times_stay_in_their_period() -> None:
    keys = np.repeat([1, 2, 3], 7_200)
    made = private_trace(trace(keys), epsilon=5.0, contribution=1, period=HOUR)
    when = np.concatenate([chunk.times for chunk in made.chunks() if chunk.times is not None])
    assert (np.diff(when) >= 0).all()
    assert 1e9 - HOUR <= when[0] < when[-1] <= 1e9 + len(keys) + HOUR


def test_a_model_learns_from_it() -> None:
    random = np.random.default_rng(1)
    keys = (400 * random.random(40_000) ** 3).astype(np.uint64)
    made = private_trace(trace(keys), epsilon=4.0, contribution=1, period=HOUR)
    model = augury.learn(made, "tree", rows=5_000)
    assert model.card.requests == len(made)


@pytest.mark.parametrize(
    "options",
    [
        {"epsilon": 0},
        {"epsilon": float("nan")},
        {"epsilon": 1.0, "delta": 0.0},
        {"epsilon": 1.0, "delta": 1.0},
        {"epsilon": 1.0, "contribution": 0},
        {"epsilon": 1.0, "period": 0},
        {"epsilon": 1.0, "seed": -1},
    ],
    ids=str,
)
def test_parameters_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        private_trace(trace([1] * 10), **options)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (InMemoryTrace(np.array([1, 1], np.uint64)), "has no times"),
        (trace(np.arange(1_000)), "often enough"),
        (trace([]), "no requests"),
    ],
)
def test_traces_of_which_nothing_can_be_told(given: InMemoryTrace, why: str) -> None:
    with pytest.raises(AuguryError, match=why) as raised:
        private_trace(given, epsilon=1.0)
    assert isinstance(raised.value, LearningError)
