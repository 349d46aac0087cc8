"""Rows about the live cache: nanoseconds an operation, beside a dict and the peers."""

from __future__ import annotations

import functools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from augury.bench.measure import Effort, Measurement, Row, Target, Timed, compare
from augury.bench.peers import Peer, installed, ours

CAPACITY = 10_000
SMALL = 100
LRU_CACHE = "functools.lru_cache"
TARGETS = {
    "hit": Target(1.15),
    "miss": Target(1.15),
    "insert": Target(0.8),
    "zipf": Target(1.0),
    "memo": Target(0.65),
}
"""What Augury should reach, in each kind of row."""
_ZIPF_KEYS = 100_000
_ZIPF_EXPONENT = 1.0
_THREADS = 4


def find_rows(effort: Effort) -> Iterator[Row]:
    """Yield the rows of this group."""

    def row(name: str, title: str, measure: Callable[[], list[Measurement]]) -> Row:
        reference = LRU_CACHE if name.startswith("memo") else "dict"
        return Row(name, title, "ns", reference, TARGETS[name.split("-", maxsplit=1)[0]], measure)

    for kind, keys in (("str", _strings), ("int", _integers)):
        for suffix, count in (("", CAPACITY), ("-small", SMALL)):
            yield row(
                f"hit-{kind}{suffix}",
                f"get, {kind} keys that are there, {count:,} entries",
                functools.partial(_hit, effort, keys(0, count)),
            )
    full = f"{CAPACITY:,} entries"
    yield row(
        f"hit-str-{_THREADS}-threads",
        f"get, str keys that are there, {full}, {_THREADS} threads",
        functools.partial(_hit_in_threads, effort),
    )
    yield row("miss", f"get, int keys that are not there, {full}", functools.partial(_miss, effort))
    yield row(
        "insert",
        f"insert a new int key, evict one of {full}",
        functools.partial(_insert, effort),
    )
    mix = f"{_ZIPF_KEYS:,} int keys by Zipf's law, {full}"
    yield row("zipf", f"get, insert if not there: {mix}", functools.partial(_zipf, effort))
    yield row(
        f"zipf-{_THREADS}-threads",
        f"get, insert if not there, {_THREADS} threads: {mix}",
        functools.partial(_zipf_in_threads, effort),
    )
    for suffix, count in (("", CAPACITY), ("-small", SMALL)):
        yield row(
            f"memo{suffix}",
            f"memoised call with one int, {count:,} results, all there",
            functools.partial(_memo, effort, list(range(count))),
        )


def _contenders() -> list[Peer]:
    return [peer for peer in (*ours(), *installed()) if peer.mapping]


def _shuffled(keys: Sequence[Any], count: int) -> list[Any]:
    return random.Random(2026).choices(keys, k=count)


def _read(effort: Effort, held: Sequence[Any], asked: Sequence[Any]) -> list[Measurement]:
    def contender(peer: Peer) -> Timed:
        cache = peer.make(len(held))
        peer.write(cache, held)
        return lambda _: peer.read(cache, asked)

    runs = {peer.name: contender(peer) for peer in _contenders()}
    return compare(runs, "dict", rounds=effort.rounds, operations=len(asked))


def _hit(effort: Effort, keys: Sequence[Any]) -> list[Measurement]:
    return _read(effort, keys, _shuffled(keys, effort.operations))


def _miss(effort: Effort) -> list[Measurement]:
    others = _integers(CAPACITY, 2 * CAPACITY)
    return _read(effort, _integers(0, CAPACITY), _shuffled(others, effort.operations))


def _strings(begin: int, end: int) -> list[str]:
    return [f"key:{number}" for number in range(begin, end)]


def _integers(begin: int, end: int) -> list[int]:
    # Spread over 48 bits, as ids are, in no order: a dict of 0, 1, 2... would be an array.
    return [(number * 0x9E3779B97F4A7C15 >> 8) % (1 << 48) for number in range(begin, end)]


def _insert(effort: Effort) -> list[Measurement]:
    # Every round has keys of its own, made beforehand.
    count = effort.operations
    batches = [_integers(turn * count, (turn + 1) * count) for turn in range(effort.rounds + 1)]
    warm = _integers(1 << 30, (1 << 30) + CAPACITY)

    def contender(peer: Peer) -> Timed:
        cache = peer.make(CAPACITY)
        peer.write(cache, warm)
        return lambda turn: peer.write(cache, batches[turn])

    runs = {peer.name: contender(peer) for peer in _contenders()}
    return compare(runs, "dict", rounds=effort.rounds, operations=count)


def _zipf_requests(count: int) -> list[int]:
    weights = 1.0 / np.arange(1, _ZIPF_KEYS + 1) ** _ZIPF_EXPONENT
    cumulative = np.cumsum(weights) / weights.sum()
    ranks = np.searchsorted(cumulative, np.random.default_rng(2026).random(count))
    keys = _integers(0, _ZIPF_KEYS + 1)
    return [keys[rank] for rank in ranks.tolist()]


def _zipf(effort: Effort) -> list[Measurement]:
    count = effort.operations
    stream = _zipf_requests(count * (effort.rounds + 1))
    misses: dict[str, int] = {}

    def contender(peer: Peer) -> Timed:
        cache = peer.make(CAPACITY)

        def run(turn: int) -> None:
            asked = stream[turn * count : (turn + 1) * count]
            missed = peer.read_or_write(cache, asked)
            if turn:
                misses[peer.name] = misses.get(peer.name, 0) + missed

        return run

    runs = {peer.name: contender(peer) for peer in _contenders()}
    return compare(
        runs,
        "dict",
        rounds=effort.rounds,
        operations=count,
        notes={
            name: functools.partial(_hits, misses, name, count * effort.rounds) for name in runs
        },
    )


def _hits(misses: dict[str, int], name: str, requests: int) -> str:
    return f"{1 - misses[name] / requests:.1%} hits"


def _memo(effort: Effort, keys: Sequence[int]) -> list[Measurement]:
    asked = _shuffled(keys, effort.operations)

    def contender(function: Callable[[Any], Any]) -> Timed:
        for key in keys:
            function(key)

        def run(turn: int) -> None:
            del turn
            for key in asked:
                function(key)

        return run

    runs: dict[str, Timed] = {}
    for peer in (*ours(), *installed()):
        function = peer.memoise(_identity, len(keys))
        if function is not None:
            runs[peer.name] = contender(function)
    return compare(runs, LRU_CACHE, rounds=effort.rounds, operations=len(asked))


def _identity(argument: int) -> int:
    return argument


def _hit_in_threads(effort: Effort) -> list[Measurement]:
    keys = _strings(0, CAPACITY)
    asked = _shuffled(keys, effort.operations * _THREADS)
    with ThreadPoolExecutor(_THREADS) as pool:

        def contender(peer: Peer) -> Timed:
            cache = peer.make(CAPACITY)
            peer.write(cache, keys)
            return _in_threads(pool, lambda part: peer.read(cache, part), lambda _: asked)

        # Where even reading needs a lock, the row of the mix tells what that costs.
        peers = [peer for peer in _contenders() if peer.shared or peer.name == "dict"]
        runs = {peer.name: contender(peer) for peer in peers}
        return compare(
            runs,
            "dict",
            rounds=effort.rounds,
            operations=len(asked),
            clock=time.perf_counter_ns,
        )


def _zipf_in_threads(effort: Effort) -> list[Measurement]:
    count = effort.operations * _THREADS
    stream = _zipf_requests(count * 3)
    with ThreadPoolExecutor(_THREADS) as pool:

        def contender(peer: Peer) -> Timed:
            cache = peer.make(CAPACITY)
            lock = threading.Lock()

            def work(part: Sequence[int]) -> None:
                if peer.shared:
                    peer.read_or_write(cache, part)
                else:
                    peer.read_or_write_locked(cache, part, lock)

            return _in_threads(
                pool, work, lambda turn: stream[turn % 3 * count : (turn % 3 + 1) * count]
            )

        runs = {peer.name: contender(peer) for peer in _contenders()}
        return compare(
            runs, "dict", rounds=effort.rounds, operations=count, clock=time.perf_counter_ns
        )


def _in_threads(
    pool: ThreadPoolExecutor,
    work: Callable[[Sequence[Any]], object],
    asked: Callable[[int], Sequence[Any]],
) -> Timed:
    """Return a round in which each thread does its share of what is asked."""

    def run(turn: int) -> None:
        keys = asked(turn)
        for done in [pool.submit(work, keys[part::_THREADS]) for part in range(_THREADS)]:
            done.result()

    return run
