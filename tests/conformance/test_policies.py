"""What every policy of the catalogue has to do, discovered and not listed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from augury._native import Simulation, describe_policies, hash_integers
from tests.unit.next_access import following

POLICIES = {description[0]: description for description in describe_policies()}
OFFLINE = {name for name, _, _, offline, *_ in POLICIES.values() if offline}

every_policy = pytest.mark.parametrize("policy", POLICIES)


def replay(
    policy: str,
    capacity: int,
    ids: NDArray[np.uint32],
    *,
    sizes: NDArray[np.uint64] | None = None,
    weighed: bool = False,
    seed: int = 1,
    parameters: dict[str, float] | None = None,
) -> Simulation:
    simulation = Simulation(
        policy, capacity, weighed=weighed, seed=seed, parameters=parameters or {}
    )
    hashes = hash_integers(np.arange(int(ids.max()) + 1, dtype=np.uint64))
    simulation.feed(ids, hashes, sizes, following(ids.tolist()) if policy in OFFLINE else None)
    simulation.validate()
    return simulation


def skewed(requests: int, keys: int, seed: int = 0) -> NDArray[np.uint32]:
    ranks = keys * np.random.default_rng(seed).random(requests) ** 3
    return ranks.astype(np.uint32)


@every_policy
def test_describes_itself(policy: str) -> None:
    name, title, paper, offline, adaptive, _, parameters = POLICIES[policy]
    assert name == name.lower()
    assert title
    assert paper
    assert not (offline and adaptive)
    assert len({p[0] for p in parameters}) == len(parameters)
    for _, standard, low, high, meaning in parameters:
        assert low <= standard <= high
        assert meaning


@every_policy
@pytest.mark.parametrize("capacity", [1, 2, 3, 10, 100, 5000])
def test_holds_no_more_than_its_capacity(policy: str, capacity: int) -> None:
    ids = skewed(20_000, 1000)
    distinct = len(np.unique(ids))
    simulation = replay(policy, capacity, ids)
    assert simulation.requests == 20_000
    assert simulation.entries == min(capacity, distinct)
    assert distinct <= simulation.misses <= 20_000


@every_policy
def test_misses_each_key_once_when_all_fit(policy: str) -> None:
    ids = skewed(20_000, 1000)
    distinct = len(np.unique(ids))
    assert replay(policy, distinct, ids).misses == distinct


@every_policy
def test_one_entry_serves_repeated_requests(policy: str) -> None:
    ids = np.repeat(np.arange(50, dtype=np.uint32), 4)
    assert replay(policy, 1, ids).misses == 50


@every_policy
def test_weights_are_respected(policy: str) -> None:
    ids = skewed(20_000, 1000)
    sizes = (1 + (ids * np.uint32(2654435761)) % np.uint32(500)).astype(np.uint64)
    for capacity in (1, 100, 499, 5_000, 50_000):
        simulation = replay(policy, capacity, ids, sizes=sizes, weighed=True)
        assert simulation.entries <= capacity
        assert simulation.requested_bytes == sizes.sum()
        assert simulation.missed_bytes >= sizes[np.unique(ids, return_index=True)[1]].sum()
        too_heavy = sizes > capacity
        assert simulation.misses >= too_heavy.sum()


@every_policy
def test_counts_the_same_with_the_same_seed(policy: str) -> None:
    ids = skewed(30_000, 3000)
    counts = {replay(policy, 200, ids, seed=7).misses for _ in range(3)}
    assert len(counts) == 1


@every_policy
def test_keeps_to_bounded_memory(policy: str) -> None:
    """A scan of many keys leaves no more behind than the capacity allows."""
    requests, capacity = 200_000, 1_000
    simulation = replay(policy, capacity, np.arange(requests, dtype=np.uint32))
    of_the_simulator = 8 * requests  # which slot has which key
    # A model is told of more keys, and of no fewer where the cache is small.
    history = 65_536 * 64 if policy == "learned" else 0
    assert simulation.bytes - of_the_simulator < 400 * capacity + history


@every_policy
def test_every_parameter_works_at_its_bounds(policy: str) -> None:
    ids = skewed(5_000, 500)
    for name, _, low, high, _ in POLICIES[policy][-1]:
        for value in (low, high):
            for capacity in (1, 2, 30):
                simulation = replay(policy, capacity, ids, parameters={name: value})
                assert simulation.entries == capacity


@every_policy
def test_beats_the_worst_on_skewed_requests(policy: str) -> None:
    """Popular keys are hits: no policy is much worse than FIFO under plain skew."""
    ids = skewed(50_000, 5_000)
    assert replay(policy, 500, ids).misses <= 1.05 * replay("fifo", 500, ids).misses


@every_policy
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_small_trace(policy: str, data: st.DataObject) -> None:
    requests = st.tuples(st.integers(0, 12), st.integers(0, 9))
    pairs = data.draw(st.lists(requests, min_size=1, max_size=120))
    capacity = data.draw(st.integers(1, 25))
    ids = np.array([key for key, _ in pairs], np.uint32)
    sizes = np.array([size for _, size in pairs], np.uint64)
    simulation = replay(policy, capacity, ids, sizes=sizes, weighed=True)
    assert simulation.misses >= len(set(ids[sizes > capacity].tolist()))
    assert simulation.entries <= min(capacity, 13)
