"""What happens to caches on a Valkey cluster with faults, and how good its nodes learn together.

    python -m benchmarks.cluster [--json] faults [--rounds 3] [--seconds 12]
    python -m benchmarks.cluster [--json] learning TRACE ... [--models gbm,logistic]

``faults``: three processes read and write three keys through near caches (``tracked``) while a
primary is killed, one is stopped and wakes up, or slots move; how stale reads were, what of that
its checker allows. Meanwhile one thread a shard asks the tier itself, which tells how long a shard
did not answer, and one asks whether near copies might be served.

``learning``: the keys of a trace are shared out among three nodes by a hash; models made of all
logs in one place, of pooled samples, by federated averaging, and of each node's log alone decide
in a cache of each node with a tenth of its keys, on the second half of the log.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.accesslog import InMemoryTrace, Spool, read_trace
from augury.errors import TierError
from augury.learning import Pooled, federate, pack, prepare, train, unpack
from augury.models import Artefact
from augury.simulation import simulate_many
from augury.tiers.entry import Entry
from augury.tiers.redis import Redis
from tests.consistency.clients import Plan, history_of, running
from tests.consistency.cluster import Chaos, slot_of, spread
from tests.consistency.history import staleness
from tests.servers.valkey_cluster import NODE_TIMEOUT, ReplicatedCluster, replicated_cluster

FAULTS = ("moves", "kills", "pauses")
NODES = 3


@dataclass
class Watched:
    """The longest times, in seconds, in which something did not work."""

    longest: dict[str, float] = field(default_factory=dict)
    count: dict[str, int] = field(default_factory=dict)

    def note(self, what: str, seconds: float, least: float) -> None:
        """Take note of a time without it; shorter ones are what an answer takes."""
        self.longest[what] = max(self.longest.get(what, 0.0), seconds)
        self.count[what] = self.count.get(what, 0) + (seconds > least)


@contextmanager
def watching(chaos: Chaos) -> Iterator[Watched]:
    """Ask each shard, and the tracking, all the time."""
    watched, done = Watched(), threading.Event()
    tier = Redis(chaos.cluster.url, namespace=chaos.namespace, timeout=0.25)
    tracking = tier.track()
    assert tracking is not None

    def ask(port: int, key: str) -> None:
        last = time.monotonic()
        while not done.is_set():
            try:
                tier.set_many({("", key): Entry(1)})
                tier.get_many([("", key)])
            except TierError:
                pass
            else:
                now = time.monotonic()
                watched.note(f"shard {port}", now - last, 0.2)
                last = now
            time.sleep(0.002)

    def trust() -> None:
        last = time.monotonic()
        while not done.is_set():
            tracking.poll()
            if tracking.trusted:
                now = time.monotonic()
                watched.note("near copies", now - last, 0.01)
                last = now
            time.sleep(0.001)

    while not tracking.trusted:
        tracking.poll()
        time.sleep(0.001)
    threads = [threading.Thread(target=trust)]
    asked: dict[int, str] = {}
    for number in range(1_000):
        port = chaos.cluster.primary_of(slot_of(chaos.namespace, f"probe{number}")).port
        asked.setdefault(port, f"probe{number}")
        if len(asked) == NODES:
            break
    threads += [threading.Thread(target=ask, args=each) for each in asked.items()]
    for thread in threads:
        thread.start()
    try:
        yield watched
    finally:
        done.set()
        for thread in threads:
            thread.join()
        tier.close()


def faults(cluster: ReplicatedCluster, fault: str, seconds: float) -> dict[str, Any]:
    """Let one fault happen, and return what it did; times in seconds, staleness in ms."""
    chaos = Chaos(cluster, spread(cluster))
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(
            cluster.url, Path(folder), "tracked", None, namespace=chaos.namespace, seconds=seconds,
            timeout=0.25, writes=0.005, writers=1, ttl=60.0,
        )  # fmt: skip
        with running(plan), watching(chaos) as watched:
            time.sleep(1.0)
            getattr(chaos, fault)()
            time.sleep(1.0)
        history = chaos.with_losses(history_of(plan))
    stale = np.array(
        [late for of_key in history.values() for late, _ in staleness(of_key, forgets=True)]
    )
    shards = sorted(s for what, s in watched.longest.items() if what.startswith("shard"))
    p50, p99, p999 = np.quantile(stale, (0.5, 0.99, 0.999)) / 1e6
    return {
        "fault": fault,
        "reads": len(stale),
        "stale": int(np.count_nonzero(stale)),
        "p50": p50,
        "p99": p99,
        "p999": p999,
        "max": float(stale.max()) / 1e6,
        "worst_shard": shards[-1],
        "other_shards": shards[-2],
        "untrusted_times": watched.count["near copies"],
        "untrusted": watched.longest["near copies"],
    }


def show_fault(found: dict[str, Any]) -> None:
    print(
        "{fault:7} {reads:9,} reads, {stale:5,} stale; ms p50 {p50:.3f} p99 {p99:.3f} p99.9"
        " {p999:.3f} max {max:.1f}; longest without an answer: worst shard {worst_shard:.2f} s,"
        " others {other_shards:.2f} s; near copies not trusted {untrusted_times} times, up to"
        " {untrusted:.2f} s".format(**found),
        flush=True,
    )


def keys_of(path: Path, requests: int) -> tuple[NDArray[np.uint64], NDArray[np.float64] | None]:
    """Return the first requests of a trace: keys as numbers, and times."""
    with Spool(read_trace(path)) as spool:
        keys, times = [], []
        for chunk in spool.chunks():
            keys.append(spool.numbers[chunk.ids])
            if chunk.times is not None:
                times.append(chunk.times.astype(np.float64))
    number = np.concatenate(keys)[:requests]
    return number, np.concatenate(times)[:requests] if times else None


def miss_ratio(parts: list[Spool], models: list[Artefact | None]) -> float:
    """Of the caches of all nodes together; None: LRU."""
    results = [
        simulate_many(part, ["learned" if model else "lru"], ["10%"], warm=0.5, model=model)[0]
        for part, model in zip(parts, models, strict=True)
    ]
    return sum(it.misses for it in results) / sum(it.requests for it in results)


def learning(path: Path, models: list[str], requests: int, rows: int) -> Iterator[dict[str, Any]]:
    """Yield for each model the miss ratios of one trace, and the size of what a node sends."""
    keys, times = keys_of(path, requests)
    node = (keys * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)) % np.uint64(NODES)
    with ExitStack() as stack:

        def spool(chosen: NDArray[np.bool_]) -> Spool:
            at = None if times is None else times[chosen]
            return stack.enter_context(Spool(InMemoryTrace(keys[chosen], times=at)))

        whole = spool(np.ones(len(keys), bool))
        parts = [spool(node == number) for number in range(NODES)]
        lessons = [prepare(part, rows=rows) for part in parts]
        lru = miss_ratio(parts, [None] * NODES)
        sent = [pack(lesson) for lesson in lessons]
        for model in models:
            central, _ = train(prepare(whole, rows=NODES * rows), model)
            pooled, _ = train(Pooled(tuple(map(unpack, sent))), model)
            alone: list[Artefact | None] = [train(lesson, model)[0] for lesson in lessons]
            ratios = {
                "lru": lru,
                "alone": miss_ratio(parts, alone),
                "central": miss_ratio(parts, [central] * NODES),
                "pooled": miss_ratio(parts, [pooled] * NODES),
                "federated": miss_ratio(parts, [federate(lessons, model)] * NODES),
            }
            yield {
                "trace": path.name.partition(".")[0],
                "model": model,
                "miss_ratios": ratios,
                "megabytes": sum(map(len, sent)) / NODES / 1e6,
            }


def show_learning(found: dict[str, Any]) -> None:
    ratios = "  ".join(f"{name} {100 * ratio:.2f}" for name, ratio in found["miss_ratios"].items())
    print(
        f"{found['trace']:14} {found['model']:9} {ratios}  ({found['megabytes']:.1f} MB a node)",
        flush=True,
    )


def measured(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    if given.what == "learning":
        for path in given.traces:
            yield from learning(path, given.models.split(","), given.requests, given.rows)
        return
    for _ in range(given.rounds):
        for fault in FAULTS:
            with replicated_cluster() as cluster:
                yield faults(cluster, fault, given.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    commands = parser.add_subparsers(dest="what", required=True)
    one = commands.add_parser("faults")
    one.add_argument("--rounds", type=int, default=3)
    one.add_argument("--seconds", type=float, default=12.0)
    other = commands.add_parser("learning")
    other.add_argument("traces", nargs="+", type=Path)
    other.add_argument("--models", default="gbm,logistic")
    other.add_argument("--requests", type=int, default=300_000)
    other.add_argument("--rows", type=int, default=20_000, help="that each node sends")
    given = parser.parse_args()
    if given.json:
        print(json.dumps(list(measured(given)), indent=1))
        return
    if given.what == "faults":
        print(f"a node counts as lost after {NODE_TIMEOUT:g} s")
    for found in measured(given):
        (show_learning if given.what == "learning" else show_fault)(found)


if __name__ == "__main__":
    main()
