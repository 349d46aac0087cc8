"""Advice for an external cache, and what it is worth when it is followed."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np
import pytest

import augury
from augury.advice import Access, Advisor, Key
from augury.errors import ConfigurationError

CAPACITY = 200


def zipf(requests: int, keys: int = 4000, seed: int = 1) -> list[int]:
    """Keys by popularity, with a scan now and then."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, keys + 1) ** 0.9
    drawn = rng.choice(keys, requests, p=weights / weights.sum()).tolist()
    for start in range(0, requests, 5000):
        drawn[start : start + 800] = range(keys + start, keys + start + 800)
    return [int(each) for each in drawn][:requests]


class External:
    """A store that decides nothing by itself: what does not fit is refused."""

    def __init__(self, advisor: Advisor, capacity: int) -> None:
        self.held: OrderedDict[Key, int] = OrderedDict()
        self.advisor = advisor
        self.capacity = capacity
        self.misses = 0

    def read(self, key: Key) -> None:
        hit = key in self.held
        self.misses += not hit
        self.advisor.record([Access(key, hit=hit)])
        if not hit and self.advisor.admit(key).admit:
            self.held[key] = 1
        while waiting := self.advisor.stats().to_evict:
            for each in self.advisor.evict(waiting):
                self.held.pop(each.key, None)
        assert len(self.held) <= self.capacity


@pytest.mark.parametrize("policy", ["lru", "s3fifo", "wtinylfu", "sieve", "gdsf", "random"])
def test_a_store_that_follows_the_advice_reaches_the_miss_ratio_of_the_policy(policy: str) -> None:
    trace = zipf(20_000)
    advisor = Advisor(CAPACITY, policy=policy)
    store = External(advisor, CAPACITY)
    for key in trace:
        store.read(key)
    assert store.misses == augury.simulate(trace, policy=policy, capacity=CAPACITY).misses
    stats = advisor.stats()
    assert (stats.accesses, stats.hits) == (20_000, 20_000 - store.misses)
    assert (stats.told, stats.told_hits) == (20_000, stats.hits)


@pytest.mark.parametrize("policy", ["s3fifo", "sieve"])
def test_ranking_a_sample_of_keys_beats_lru(policy: str) -> None:
    trace = zipf(20_000)
    advisor = Advisor(CAPACITY, policy=policy)
    rng = np.random.default_rng(2)
    held: list[Key] = []
    misses = 0
    for key in trace:
        hit = key in held
        misses += not hit
        advisor.record([Access(key)])
        if hit:
            continue
        if len(held) == CAPACITY:
            sample = [held[at] for at in rng.integers(0, CAPACITY, 8)]
            victim = advisor.rank(sample)[0].key
            held.remove(victim)
        held.append(key)
    assert misses < 0.97 * augury.simulate(trace, policy="lru", capacity=CAPACITY).misses


def test_it_can_be_led_by_bytes() -> None:
    advisor = Advisor(100, policy="lru", by_bytes=True)
    advisor.record([Access("a", 60), Access("b", 40), Access("c", 30)])
    assert [each.key for each in advisor.evict(advisor.stats().to_evict)] == ["a"]
    assert not advisor.admit("d", 101).admit
    advisor.record([Access("b", 90)])  # it has grown
    assert [each.key for each in advisor.evict(advisor.stats().to_evict)] == ["c"]
    assert advisor.stats().weight == 90


def test_what_a_policy_refuses_is_not_to_be_stored() -> None:
    advisor = Advisor(10, policy="wtinylfu")
    advisor.record([Access(f"hot{i % 10}") for i in range(1000)])
    advisor.record([Access(f"cold{i}") for i in range(100)])
    kept = [i for i in range(100) if advisor.admit(f"cold{i}").admit]
    assert len(kept) <= 10
    refused = advisor.admit("cold0")
    assert not refused.admit
    assert "wtinylfu evicted it" in refused.reason


def test_evicting_more_than_there_is_to_evict_empties_the_shadow() -> None:
    advisor = Advisor(3, policy="lru")
    advisor.record([Access(key) for key in "abcd"])
    told = advisor.evict(10)
    assert [each.key for each in told] == ["a", "b", "c", "d"]
    assert told[1].reason == "lru would evict it next"
    assert advisor.evict(10) == []
    assert advisor.stats().entries == 0


def test_ranking_puts_first_what_the_shadow_does_not_hold() -> None:
    advisor = Advisor(3, policy="lru")
    advisor.record([Access(key) for key in "abcd"])
    assert [each.key for each in advisor.rank(["d", "b", "a", "zz", "d", "c"])] == [
        "zz", "a", "b", "c", "d",
    ]  # fmt: skip
    advisor.record([Access("b")])
    ranked = advisor.rank("bcd")
    assert [each.key for each in ranked] == ["c", "d", "b"]
    assert ranked[0].reason == "2 of 3 in the order of lru"
    assert ranked[-1].reason == "asked for a moment ago"


def test_what_left_by_itself_is_not_advised_on() -> None:
    advisor = Advisor(2, policy="lru")
    advisor.record([Access("a"), Access("b"), Access("c")])
    advisor.forget(["a", "b", "never seen"])
    assert advisor.stats().to_evict == 0
    assert advisor.stats().entries == 1


@pytest.mark.parametrize("name", [str, lambda i: f"k{i}".encode(), int])
def test_what_comes_next_is_learned_within_sessions(name: Callable[[int], Key]) -> None:
    advisor = Advisor(100, policy="lru", within=16)
    rng = np.random.default_rng(1)
    at = rng.integers(0, 50, 20).tolist()
    for _ in range(20_000):
        session = int(rng.integers(0, 20))
        at[session] = (at[session] * 7 + 3) % 50
        advisor.record([Access(name(at[session]), session=f"s{session}")])
    found = advisor.next(name(9), 1)
    assert [each.key for each in found] == [name((9 * 7 + 3) % 50)]
    assert found[0].reason in {each.name for each in augury.prefetch.predictors()}


def test_memory_is_bounded() -> None:
    advisor = Advisor(100, policy="s3fifo", keys=1000)
    for start in range(0, 200_000, 1000):
        advisor.record(Access(f"k{i}") for i in range(start, start + 1000))
    stats = advisor.stats()
    assert (stats.entries, stats.keys_known) == (100, 1000)
    assert stats.to_evict == 65_536


def test_forgotten_keys_are_released() -> None:
    advisor = Advisor(1, policy="lru", keys=1)
    key = b"a key that nobody else has"
    before = sys.getrefcount(key)
    advisor.record([Access(key)])
    assert sys.getrefcount(key) > before
    advisor.record([Access("b")])
    advisor.evict(2)
    assert sys.getrefcount(key) == before


def test_threads_share_it() -> None:
    advisor = Advisor(50, policy="s3fifo")
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for key in zipf(2000, 300, seed):
                advisor.record([Access(key, session=seed)])
                advisor.admit(key)
                advisor.next(key)
                advisor.evict(1)
                advisor.rank([key, 1, 2])
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert advisor.stats().accesses == 8000


BAD: list[tuple[Callable[[Advisor], object], str]] = [
    (lambda a: a.record([Access(("a",))]), "a key must be text, bytes or an integer"),  # type: ignore[arg-type]
    (lambda a: a.record([Access("a", size=-1)]), "size must be an integer of 0 or more, not -1"),
    (lambda a: a.record([Access("a", time=float("nan"))]), "time must be seconds since 1970"),
    (lambda a: a.next("a", 9), "n must be at most 8, not 9"),
    (lambda a: a.next("a", 0), "n must be an integer of 1 or more, not 0"),
    (lambda a: a.evict(0), "n must be an integer of 1 or more, not 0"),
    (lambda a: a.rank([True]), "a key must be text, bytes or an integer, not True"),
    (lambda a: a.admit(1.5), "a key must be text, bytes or an integer"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_what_makes_no_sense_is_refused(call: Callable[[Advisor], object], message: str) -> None:
    advisor = Advisor(10)
    with pytest.raises(ConfigurationError, match=message):
        call(advisor)
    assert advisor.stats().accesses == 0


def test_a_batch_with_a_mistake_is_not_recorded() -> None:
    advisor = Advisor(10)
    accesses: Iterable[Access] = [Access("a"), Access("b", size=-1)]
    with pytest.raises(ConfigurationError):
        advisor.record(accesses)
    assert advisor.stats().accesses == 0


def test_time_may_go_back() -> None:
    advisor = Advisor(10)
    advisor.record([Access("a", time=2e9), Access("b", time=1e9), Access("c")])
    assert advisor.stats().entries == 3
