"""Labels know nothing of what comes after the period, and are right about what comes in it."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury import features
from augury.accesslog import Spool, requests_of
from augury.errors import LearningError
from augury.features import Rows
from augury.learning import labels
from tests.unit.learnable import popular_and_scans


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
        first = labels.training(one, 0, 2_000, 50.0)
        second = labels.training(two, 0, 2_000, 50.0)
        for column in ("rows", "time", "again", "weight"):
            assert np.array_equal(getattr(first, column), getattr(second, column)), column


def test_times_are_those_of_the_trace() -> None:
    keys = popular_and_scans(3_000)
    with Spool(requests_of(keys)) as spool:
        rows = features.rows(spool)
        following = np.concatenate([c.next for c in spool.chunks(next_access=True)])
    judged = labels.judged(rows, 0, 3_000, 3_000, 100.0)
    assert 0 < judged.again.mean() < 1
    known = np.isfinite(judged.time)
    assert not (judged.again & ~known).any()
    assert np.array_equal(judged.again, np.exp2(judged.time).round() <= 100)
    # A row is taken between two requests of its key, so no time is longer than theirs.
    gaps = following - np.arange(3_000)
    assert np.exp2(judged.time[known]).max() <= gaps[following < 3_000].max()


def rows_of(index: list[int], times: list[float], stop: int) -> Rows:
    """Rows taken before the requests `index`, their keys asked for after `times` - 1 requests."""
    label = np.log2(np.minimum(times, [stop - at + 1 for at in index])).astype(np.float32)
    censored = np.array([at + time > stop for at, time in zip(index, times, strict=True)])
    x = np.zeros((len(index), len(features.FEATURES)), np.float32)
    return Rows(x, label, censored, np.array(index, np.uint64))


def test_weights_undo_what_the_end_hides() -> None:
    """Of rows at every moment with times of 2 or 400, as many of each are seen again."""
    index = sorted(2 * list(range(1_000)))
    times = [2.0, 400.0] * 1_000
    trained = labels.training(rows_of(index, times, 1_000), 0, 1_000, 10.0)
    long = trained.time > 5
    assert long.mean() < 0.4  # the end hides more of the long ones ...
    assert trained.weight[long].sum() / trained.weight.sum() == pytest.approx(0.5, abs=0.01)
    assert trained.again.tolist() == (~long).tolist()


def test_beyond_the_horizon_times_are_not_told_apart() -> None:
    index = list(range(1_000))
    trained = labels.training(rows_of(index, [900.0] * 1_000, 1_000), 0, 1_000, 10.0)
    assert len(trained.time) == 501  # followed for half the period, or more
    assert np.allclose(trained.time, np.log2(500) + 1)
    assert not trained.again.any()


def test_refuses_too_few_rows_and_what_is_no_number() -> None:
    few = rows_of([1, 2], [1.0, 2.0], 10)
    with pytest.raises(LearningError, match="2 rows to learn from, and a model needs 100"):
        labels.training(few, 0, 10, 3.0)
    rows = rows_of(list(range(500)), [2.0] * 500, 1_000)
    rows.X[7, 1] = np.nan
    with pytest.raises(LearningError, match="feature gap_1 is not a number"):
        labels.training(rows, 0, 1_000, 3.0)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=80), st.data())
def test_residence_is_the_inverse_of_the_average_footprint(
    keys: list[int], data: st.DataObject
) -> None:
    stop = data.draw(st.integers(1, len(keys)))
    seen = keys[:stop]
    footprint = [
        np.mean([len(set(seen[at : at + w])) for at in range(stop - w + 1)])
        for w in range(1, stop + 1)
    ]
    distinct = len(set(seen))
    capacity = data.draw(st.integers(1, 10))
    with Spool(requests_of(keys)) as spool:
        found = labels.residence(spool, stop, capacity)
    if capacity >= distinct:
        assert found == stop
    else:
        expected = np.interp(capacity, footprint, np.arange(1, stop + 1))
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_residence_is_what_lru_does() -> None:
    keys = (1_000 * np.random.default_rng(1).random(40_000) ** 3).astype(int).tolist()
    kept: OrderedDict[int, int] = OrderedDict()
    stays = []
    for at, key in enumerate(keys):
        if key not in kept and len(kept) == 200:
            stays.append(at - kept.popitem(last=False)[1])
        kept[key] = at
        kept.move_to_end(key)
    with Spool(requests_of(keys)) as spool:
        assert labels.residence(spool, len(keys), 200) == pytest.approx(np.mean(stays), rel=0.1)
