"""Fetching ahead does what a plain replay of it does."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury import _native
from tests.unit.prefetch_reference import replay

MARKOV = 1  # the first of the catalogue


def native(
    trace: Sequence[int], capacity: int, *, share: float, precision: float
) -> _native.PrefetchSimulation:
    keys, ids = np.unique(np.array(trace, dtype=np.uint64), return_inverse=True)
    simulation = _native.PrefetchSimulation(
        "lru",
        capacity,
        weighed=False,
        seed=1,
        parameters={},
        model=None,
        keys=1 << 16,
        predictors=MARKOV,
        depth=1,
        most=4,
        share=share,
        precision=precision,
        delay=0,
    )
    hashes = _native.hash_integers(keys)
    simulation.feed(ids.astype(np.uint32), hashes, None, keys, None, None, False)
    simulation.validate()
    return simulation


@st.composite
def traces(draw: st.DrawFn) -> list[int]:
    """Ways that are gone again and again, with something else here and there."""
    ways = draw(
        st.lists(st.lists(st.integers(0, 60), min_size=2, max_size=40), min_size=1, max_size=4)
    )
    random = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    noise = draw(st.sampled_from([0.0, 0.02, 0.3]))
    trace: list[int] = []
    length = draw(st.sampled_from([100, 800, 4000]))
    while len(trace) < length:
        for key in ways[random.integers(len(ways))]:
            trace.append(int(random.integers(500)) if random.random() < noise else key)
    return trace


@settings(deadline=None, max_examples=60)
@given(
    traces(),
    st.sampled_from([1, 2, 3, 10, 30, 200]),
    st.sampled_from([0.05, 0.1, 0.5]),
    st.sampled_from([0.3, 0.5, 0.9]),
)
def test_counts_what_a_plain_replay_counts(
    trace: list[int], capacity: int, share: float, precision: float
) -> None:
    misses, probation = replay(trace, capacity, share=share, precision=precision)
    simulation = native(trace, capacity, share=share, precision=precision)
    counts = simulation.counts()
    assert (counts["misses"], counts["fetched"], counts["used"], counts["unused"]) == (
        misses,
        probation.fetched,
        probation.used,
        probation.unused,
    )
    assert simulation.threshold == pytest.approx(probation.threshold)
    assert simulation.room == max(int(probation.room), 1)


def test_the_plain_replay_fetches() -> None:
    trace = np.random.default_rng(1).permutation(100).tolist() * 30
    misses, probation = replay(trace, 30, share=0.3, precision=0.5)
    assert probation.used > 1000
    assert misses < 1500
