"""Models of what Redis evicts, against a real server that is sent the same requests."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import _native
from tests.servers.redis import redis_server
from tests.servers.valkey import valkey

KEYS = 3000
REQUESTS = 8_000
MARGIN = 0.03
"""Of hit ratio, between prediction and server."""


def simulate(
    policy: str,
    capacity: int,
    ids: Sequence[int],
    *,
    operations: Sequence[int] | None = None,
    sizes: Sequence[int] | None = None,
    times: Sequence[int] | None = None,
    ttls: Sequence[int] | None = None,
    **options: int,
) -> Any:
    count = len(ids)
    simulation = _native.RedisSimulation(policy, capacity, **options)
    simulation.feed(
        np.array(operations or [0] * count, np.uint8),
        np.array(ids, np.uint32),
        np.array(sizes or [1] * count, np.uint64),
        np.array(times or range(1, count + 1), np.uint64) * np.uint64(1),
        np.array(ttls or [0] * count, np.uint64),
    )
    return simulation


def test_everything_fits() -> None:
    found = simulate("allkeys-lru", 10, [0, 1, 2, 0, 1, 2])
    assert (found.reads, found.hits, found.evictions, len(found)) == (6, 3, 0, 3)


def test_one_entry_may_be_too_much_until_the_next_command() -> None:
    found = simulate("allkeys-random", 3, [0, 1, 2, 3])
    assert (len(found), found.used, found.evictions) == (4, 4, 0)
    assert simulate("allkeys-random", 3, [0, 1, 2, 3, 3]).evictions == 1


def test_lru_with_a_large_sample_is_exact() -> None:
    seconds = [1000 * at for at in range(1, 8)]
    found = simulate("allkeys-lru", 3, [0, 1, 2, 0, 3, 4, 0], times=seconds, samples=10)
    assert found.hits == 2  # 1, then 2 left
    assert found.evictions == 2


def test_lru_does_not_tell_requests_of_one_second_apart() -> None:
    ids = np.random.default_rng(1).integers(0, 1000, 20_000).tolist()
    slow = simulate("allkeys-lru", 500, ids, times=[1000 * at for at in range(1, 20_001)])
    fast = simulate("allkeys-lru", 500, ids, times=[1000] * 20_000)
    assert slow.evictions > 0
    assert fast.evictions > 0


def test_lfu_keeps_what_is_asked_for_often() -> None:
    rng = np.random.default_rng(1)
    ids = [int(rng.integers(0, 10)) if at % 2 else 10 + at for at in range(20_000)]
    assert simulate("allkeys-lfu", 50, ids).hits > 9900


def test_counters_decay() -> None:
    minute = 60_000
    once_hot = [0] * 1000
    later = list(range(1, 200))
    times = [1] * 1000 + [minute * 60 * (1 + at) for at in range(199)]
    operations = [0] * 1199
    found = simulate("allkeys-lfu", 50, once_hot + later, times=times, operations=operations)
    again = simulate(
        "allkeys-lfu", 50, [*once_hot, *later, 0], times=[*times, times[-1]], decay_time=0
    )
    assert again.hits == 1000
    assert found.hits == 999
    assert (
        simulate("allkeys-lfu", 50, [*once_hot, *later, 0], times=[*times, times[-1]]).hits == 999
    )


def test_volatile_policies_leave_keys_without_ttl() -> None:
    found = simulate("volatile-lru", 3, [0, 1, 2, 3, 4, 5, 6], ttls=[0, 0, 0, 0, 9, 9, 9])
    assert found.refused == 3  # there is nothing that may be evicted
    ttls = [0, 9_000_000, 8_000_000, 7_000_000, 0, 0, 0, 0]
    found = simulate("volatile-ttl", 3, [0, 1, 2, 3, 0, 1, 2, 3], ttls=ttls, samples=10)
    assert found.hits == 3  # 3 was to expire first


def test_noeviction_refuses_writes_and_still_reads() -> None:
    found = simulate("noeviction", 2, [0, 1, 2, 3, 0, 3])
    assert (found.hits, found.refused) == (1, 2)


def test_entries_expire_and_are_deleted() -> None:
    found = simulate(
        "noeviction",
        100,
        [0, 0, 0, 1, 1, 1],
        operations=[1, 0, 0, 1, 2, 0],
        times=[1000, 1500, 2000, 2001, 2002, 2003],
        ttls=[1000, 1000, 0, 0, 0, 0],
        sizes=[1, 1, 0, 1, 0, 0],
    )
    assert (found.hits, found.expirations, len(found)) == (1, 1, 0)


def test_a_time_to_live_can_be_changed() -> None:
    found = simulate(
        "noeviction",
        100,
        [0, 0, 0, 0],
        operations=[1, 3, 0, 0],
        times=[0, 10, 2000, 7000],
        ttls=[1000, 5000, 0, 0],
        sizes=[1, 0, 0, 0],
    )
    assert (found.hits, found.expirations) == (1, 1)


def test_what_makes_no_sense_is_refused() -> None:
    for policy in ("lru", "allkeys-ttl", "", "volatile-"):
        with pytest.raises(ValueError, match="unknown maxmemory-policy"):
            _native.RedisSimulation(policy, 1)
    with pytest.raises(ValueError, match="must not be negative"):
        _native.RedisSimulation("noeviction", 1, samples=0)
    with pytest.raises(ValueError, match="same length"):
        _native.RedisSimulation("noeviction", 1).feed(
            np.zeros(1, np.uint8), *[np.zeros(0, kind) for kind in (np.uint32, *[np.uint64] * 3)]
        )


def requests() -> NDArray[np.int64]:
    rng = np.random.default_rng(7)
    weights = 1 / np.arange(1, KEYS + 1) ** 0.8
    ids = rng.choice(KEYS, REQUESTS, p=weights / weights.sum())
    for start in range(0, REQUESTS, 2500):
        ids[start : start + 500] = np.arange(start, start + 500) % KEYS
    return ids


@pytest.mark.parametrize("start", [valkey, redis_server])
@pytest.mark.parametrize(
    "policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-ttl", "noeviction"]
)
def test_it_predicts_the_hit_ratio_of_a_real_server(policy: str, start: Any) -> None:
    redis = pytest.importorskip("redis")
    ids = requests()
    values = [b"x" * int(size) for size in np.random.default_rng(1).integers(100, 1200, KEYS)]
    lives = [3600 + key if policy.startswith("volatile") else None for key in range(KEYS)]
    with start() as server, redis.Redis(port=server.port) as client:
        empty = client.info("memory")["used_memory"]
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", maxmemory := empty + 600_000)
        hits, times = 0, []
        for key in ids.tolist():
            times.append(int(time.time() * 1000))
            if client.get(str(key)) is not None:
                hits += 1
                continue
            try:
                client.set(str(key), values[key], ex=lives[key])
            except redis.ResponseError:
                assert policy == "noeviction"
        info = client.info("memory")
        client.config_set("maxmemory", 0)  # what is sent takes memory, too, and would evict
        filling = client.pipeline()
        for key in range(KEYS):
            filling.memory_usage(str(key))
        usage = np.array([each or 0 for each in filling.execute()], float)
    # The same as `augury advise` does: what is for no entries, and what each takes in truth.
    fixed = info["used_memory_startup"] + info["mem_clients_normal"]
    scale = (info["used_memory"] - fixed) / usage.sum()
    lengths = np.array([len(value) for value in values])
    held = usage > 0
    besides = np.median(usage[held] - lengths[held])
    sizes = (np.where(held, usage, lengths + besides) * scale).astype(int)
    found = simulate(
        policy,
        maxmemory - fixed,
        ids.tolist(),
        sizes=sizes[ids].tolist(),
        times=times,
        ttls=[1000 * (lives[key] or 0) for key in ids.tolist()],
    )
    assert abs(found.hits - hits) / REQUESTS < MARGIN
