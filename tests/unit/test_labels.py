"""Labels know nothing of what comes after the period, and are right about what comes in it."""

from __future__ import annotations

import numpy as np
import pytest

from augury import features
from augury.accesslog import Spool, requests_of
from augury.errors import LearningError
from augury.features import Rows
from augury.learning import labels
from tests.unit.learnable import popular_and_scans

STAY = [feature.name for feature in features.FEATURES].index("stay")


def taken(keys: object, stop: int | None = None) -> Rows:
    with Spool(requests_of(keys)) as spool:  # type: ignore[arg-type]
        return features.rows(spool, stop=stop)


def test_what_comes_after_the_period_changes_nothing() -> None:
    keys = popular_and_scans(4_000)
    other = keys.copy()
    other[2_000:] = 7
    for one, two in (
        (taken(keys), taken(other)),  # read to the end, labelled as of the period's
        (taken(keys, 2_000), taken(keys)),
    ):
        first = labels.training(one, 0, 2_000)
        second = labels.training(two, 0, 2_000)
        for column in ("rows", "time", "again", "weight"):
            assert np.array_equal(getattr(first, column), getattr(second, column)), column


def test_times_are_those_of_the_trace() -> None:
    keys = popular_and_scans(3_000)
    with Spool(requests_of(keys)) as spool:
        rows = features.rows(spool)
        following = np.concatenate([c.next for c in spool.chunks(next_access=True)])
    judged = labels.judged(rows, 0, 3_000, 3_000)
    assert 0 < judged.again.mean() < 1
    known = np.isfinite(judged.time)
    assert not (judged.again & ~known).any()
    assert np.array_equal(judged.again, judged.time <= 0)
    # A row is taken between two requests of its key, so no time is longer than theirs.
    gaps = following - np.arange(3_000)
    assert (
        np.exp2((judged.time + judged.rows[:, STAY])[known]).max()
        <= 0.5 + gaps[following < 3_000].max()
    )


def rows_of(index: list[int], times: list[float], stop: int) -> Rows:
    """Rows taken before the requests `index`, their keys asked for after `times` - 1 requests."""
    label = np.log2(np.minimum(times, [stop - at + 1 for at in index])).astype(np.float32)
    censored = np.array([at + time > stop for at, time in zip(index, times, strict=True)])
    x = np.zeros((len(index), len(features.FEATURES)), np.float32)
    x[:, STAY] = np.log2(16)
    return Rows(x, label, censored, np.array(index, np.uint64))


def test_weights_undo_what_the_end_hides() -> None:
    """Of rows at every moment with times of 2 or 400, as many of each are seen again."""
    index = sorted(2 * list(range(1_000)))
    times = [2.0, 400.0] * 1_000
    trained = labels.training(rows_of(index, times, 1_000), 0, 1_000)
    long = trained.time > 0
    assert long.mean() < 0.4  # the end hides more of the long ones ...
    assert trained.weight[long].sum() / trained.weight.sum() == pytest.approx(0.5, abs=0.01)
    assert trained.again.tolist() == (~long).tolist()


def test_beyond_the_horizon_times_are_not_told_apart() -> None:
    index = list(range(1_000))
    trained = labels.training(rows_of(index, [900.0] * 1_000, 1_000), 0, 1_000)
    assert len(trained.time) == 501  # followed for half the period, or more
    assert np.allclose(trained.time, np.log2(500 / 16) + 1)
    assert not trained.again.any()


def test_refuses_too_few_rows_and_what_is_no_number() -> None:
    few = rows_of([1, 2], [1.0, 2.0], 10)
    with pytest.raises(LearningError, match="2 rows to learn from, and a model needs 100"):
        labels.training(few, 0, 10)
    rows = rows_of(list(range(500)), [2.0] * 500, 1_000)
    rows.X[7, 1] = np.nan
    with pytest.raises(LearningError, match="feature gap_1 is not a number"):
        labels.training(rows, 0, 1_000)
