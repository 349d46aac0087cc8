"""Any sequence of operations: the live cache against a plain model, for every online policy.

The model does not guess who is evicted. It believes the listener, and checks that what the listener
was told is possible, happened once an entry, and explains all that is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from augury import Cache, Cause, policies

KEYS = st.sampled_from([*range(12), 1.0, "a", "b", "key", ("t", 1), ("t", 2), frozenset({1}), None])
TTLS = st.sampled_from([None, 0.5, 1, 2.5, 64, 5000])
COUNTS = (
    *("hits", "misses", "insertions", "updates"),
    *("evictions", "expirations", "removals", "rejections"),
)


class Value:
    """A value equal to no other."""


@dataclass
class Held:
    key: Any
    size: int
    deadline: float


class CacheMachine(RuleBasedStateMachine):
    policy = "lru"

    @initialize(capacity=st.integers(1, 20), ttl=TTLS, weighed=st.booleans())
    def begin(self, capacity: int, ttl: float | None, weighed: bool) -> None:
        self.now = 100.0
        self.default_ttl = ttl
        self.sizes = st.integers(1, capacity + 2) if weighed else st.just(1)
        self.capacity = capacity
        self.held: dict[Value, Held] = {}
        self.events: list[tuple[Any, Value, Cause]] = []
        self.counts = dict.fromkeys(COUNTS, 0)
        self.cache: Cache[Any, Value] = Cache(
            capacity,
            policy=self.policy,
            ttl=ttl,
            on_evict=lambda *event: self.events.append(event),
            clock=lambda: self.now,
        )

    def live(self) -> dict[Any, Value]:
        return {h.key: value for value, h in self.held.items() if h.deadline > self.now}

    def explain(self, *allowed: Cause, keys: tuple[Any, ...] | None = None) -> None:
        """Take what the listener was told out of the model; expiry is always allowed.

        With `keys`, no others may have been deleted or replaced.
        """
        evicted = 0
        for key, value, cause in self.events:
            assert value in self.held, "told twice, or of what was never there"
            held = self.held.pop(value)
            assert held.key == key
            if cause is Cause.EXPIRY:
                assert held.deadline <= self.now
                self.counts["expirations"] += 1
                continue
            assert cause in allowed
            if cause is Cause.SIZE:
                evicted += held.size
                self.counts["evictions"] += 1
                continue
            assert held.deadline > self.now
            assert keys is None or key in keys
            self.counts["removals"] += cause is Cause.EXPLICIT
        self.events.clear()
        if evicted:
            assert evicted + sum(h.size for h in self.held.values()) > self.capacity

    def written(self, key: Any, value: Value, size: int, ttl: float | None) -> None:
        """Follow a write that the cache has just made."""
        old = self.live().get(key)
        if size > self.capacity:
            self.counts["rejections"] += 1
            if old is not None:  # it leaves for being out of date, not for another's sake
                self.events.remove((self.held.pop(old).key, old, Cause.SIZE))
        else:
            deadline = float("inf") if ttl is None else self.now + ttl
            self.held[value] = Held(key, size, deadline)
            self.counts["insertions" if old is None else "updates"] += 1
            assert old is None or (key, old, Cause.REPLACED) in self.events
        self.explain(Cause.SIZE, Cause.REPLACED, keys=(key,))

    def look(self, key: Any) -> Value | None:
        value = self.live().get(key)
        self.counts["misses" if value is None else "hits"] += 1
        return value

    @rule(key=KEYS)
    def assign(self, key: Any) -> None:
        value = Value()
        self.cache[key] = value
        self.written(key, value, 1, self.default_ttl)

    @rule(key=KEYS, ttl=TTLS, data=st.data())
    def set(self, key: Any, ttl: float | None, data: st.DataObject) -> None:
        value, size = Value(), data.draw(self.sizes)
        fits = size <= self.capacity
        replaces = key in self.live()
        stored = self.cache.set(key, value, ttl=ttl, size=size)
        assert stored is (self.cache.peek(key) is value)
        assert stored is fits or (fits and replaces)  # the policy may give up that very entry
        self.written(key, value, size, ttl)

    @rule(key=KEYS)
    def get(self, key: Any) -> None:
        expected = self.look(key)
        assert self.cache.get(key) is expected
        self.explain()

    @rule(key=KEYS)
    def subscript(self, key: Any) -> None:
        expected = self.look(key)
        if expected is None:
            with pytest.raises(KeyError) as caught:
                self.cache[key]
            assert caught.value.args == (key,)
        else:
            assert self.cache[key] is expected
        self.explain()

    @rule(key=KEYS)
    def peek(self, key: Any) -> None:
        expected = self.live().get(key)
        assert self.cache.peek(key) is expected
        assert (key in self.cache) is (expected is not None)
        assert not self.events

    @rule(key=KEYS)
    def ttl(self, key: Any) -> None:
        value = self.live().get(key)
        if value is None:
            with pytest.raises(KeyError):
                self.cache.ttl(key)
        else:
            left = self.held[value].deadline - self.now
            assert self.cache.ttl(key) == (None if left == float("inf") else pytest.approx(left))
        assert not self.events

    @rule(key=KEYS)
    def delete(self, key: Any) -> None:
        known = key in self.live()
        assert self.cache.delete(key) is known
        self.explain(Cause.EXPLICIT, keys=(key,))

    @rule(key=KEYS)
    def del_item(self, key: Any) -> None:
        if key in self.live():
            del self.cache[key]
        else:
            with pytest.raises(KeyError):
                del self.cache[key]
        self.explain(Cause.EXPLICIT, keys=(key,))

    @rule(key=KEYS)
    def pop(self, key: Any) -> None:
        nothing = Value()
        assert self.cache.pop(key, nothing) is self.live().get(key, nothing)
        self.explain(Cause.EXPLICIT, keys=(key,))

    @rule()
    def popitem(self) -> None:
        live = self.live()
        if not live:
            with pytest.raises(KeyError):
                self.cache.popitem()
            self.explain()
            return
        key, value = self.cache.popitem()
        assert live[key] is value
        self.explain(Cause.EXPLICIT, keys=(key,))

    @rule(key=KEYS)
    def setdefault(self, key: Any) -> None:
        expected, value = self.look(key), Value()
        assert self.cache.setdefault(key, value) is (expected or value)
        if expected is None:
            self.written(key, value, 1, self.default_ttl)
        else:
            self.explain()

    @rule(keys=st.lists(KEYS, max_size=8, unique=True))
    def get_many(self, keys: list[Any]) -> None:
        live = self.live()
        for key in keys:
            self.look(key)
        assert self.cache.get_many(keys) == {key: live[key] for key in keys if key in live}
        self.explain()

    @rule(key=KEYS)
    def update(self, key: Any) -> None:
        value = Value()
        self.cache.update({key: value})
        self.written(key, value, 1, self.default_ttl)

    @rule(key=KEYS)
    def set_many(self, key: Any) -> None:
        value = Value()
        self.cache.set_many([(key, value)], ttl=7)
        self.written(key, value, 1, 7)

    @rule(keys=st.lists(KEYS, max_size=4, unique=True))
    def delete_many(self, keys: list[Any]) -> None:
        known = sum(key in self.live() for key in keys)
        assert self.cache.delete_many(keys) == known
        self.explain(Cause.EXPLICIT, keys=tuple(keys))

    @rule(seconds=st.sampled_from([0.001, 0.5, 1, 3, 70, 5000, 1e6]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        self.explain(Cause.EXPLICIT)
        assert not self.held

    @rule(capacity=st.integers(1, 25))
    def resize(self, capacity: int) -> None:
        self.capacity = capacity
        self.cache.resize(capacity)
        self.explain(Cause.SIZE)

    @rule()
    def iterate(self) -> None:
        live = self.live()
        assert len(list(self.cache)) == len(live)
        assert {*self.cache} == {*self.cache.keys()} == {*live}
        assert {*self.cache.values()} == {*live.values()}
        assert dict(self.cache.items()) == live
        assert all(item in self.cache.items() for item in live.items())
        assert all(value in self.cache.values() for value in live.values())
        self.explain()

    @rule()
    def count(self) -> None:
        live = self.live()
        assert len(self.cache) == len(live)
        assert bool(self.cache) is bool(live)
        self.explain()
        assert {*self.held} == {*live.values()}  # a count leaves nothing expired behind

    @invariant()
    def is_whole(self) -> None:
        self.cache.validate()
        assert not self.events
        assert self.cache.weight == sum(h.size for h in self.held.values()) <= self.capacity
        stats = self.cache.stats()
        assert {name: getattr(stats, name) for name in COUNTS} == self.counts


@pytest.mark.parametrize("policy", policies.names(offline=False))
def test_agrees_with_a_plain_model(policy: str) -> None:
    machine = type(f"CacheMachine_{policy}", (CacheMachine,), {"policy": policy})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=30, stateful_step_count=40, deadline=None)
    )
