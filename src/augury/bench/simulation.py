"""Rows about simulation: time a request and peak memory, beside libcachesim's `process_trace`."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module, util
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from augury import _native, policies
from augury.accesslog import Spool, read_trace, requests_of
from augury.accesslog.trace import InMemoryTrace, Trace
from augury.bench.fresh import replay_memory
from augury.bench.measure import Effort, Measurement, Row, Target, Timed, compare, summarise
from augury.simulation import simulate

SHARE = 0.10
"""Capacity in distinct keys."""
ALONE = "augury, trace numbered in memory"
WHOLE = "augury, from the file on"
LIBCACHESIM = "libcachesim, table fitted"
STANDARD = "libcachesim, table as it comes"
_KEYS = 100_000
_RECORD = np.dtype([("time", "<u4"), ("key", "<u8"), ("size", "<u4"), ("next", "<i8")])

PEERS = {
    "fifo": "FIFO",
    "lru": "LRU",
    "lfu": "LFU",
    "lruk": "LRUK",
    "clock": "Clock",
    "sieve": "Sieve",
    "s3fifo": "S3FIFO",
    "2q": "TwoQ",
    "slru": "SLRU",
    "arc": "ARC",
    "lirs": "LIRS",
    "random": "Random",
    "wtinylfu": "WTinyLFU",
    "gdsf": "GDSF",
    "hyperbolic": "Hyperbolic",
    "lhd": "LHD",
    "belady": "Belady",
}
"""What libcachesim calls Augury's policies; those not here have no counterpart."""

PARAMETERS: dict[str, dict[str, float]] = {
    "lirs": {"hir": 0.01},
    "slru": {"segments": 4, "protected": 0.75},
    "lfu": {"age": 0.0},
    "lruk": {"ghost": 0.0},
}
"""Where libcachesim's standard parameters are not Augury's: both run with libcachesim's."""


def find_rows(effort: Effort, traces: Sequence[Path]) -> Iterator[Row]:
    """Yield the rows of this group, if libcachesim is installed.

    Parameters
    ----------
    effort
        How much to measure.
    traces
        Files to replay; by default a generated trace of keys by Zipf's law.
    """
    if util.find_spec("libcachesim") is None:
        return
    for path in traces or (None,):
        label = path.name.split(".")[0] if path else "zipf"
        load = functools.lru_cache(functools.partial(_Prepared.load, path, effort))
        for policy in policies.names():
            if policy not in PEERS:
                continue
            what = f"{policy} on {label}, {SHARE:.0%} of its keys"
            yield Row(
                f"simulate-{policy}-{label}",
                f"simulate {what}: time a request",
                "ns",
                LIBCACHESIM,
                Target(0.2),
                functools.partial(_time, load, policy, max(3, effort.rounds // 3)),
            )
            yield Row(
                f"simulate-memory-{policy}-{label}",
                f"simulate {what}: growth of the process at its peak",
                "MiB",
                LIBCACHESIM,
                Target(),
                functools.partial(_memory, load, policy),
            )


class Replay(NamedTuple):
    """What came out of a replay."""

    miss_ratio: float
    alive: tuple[Any, ...] = ()
    """What holds memory, so that it can be measured."""


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A trace as a plain file that both read, every entry of size 1, and numbered in memory."""

    file: Path
    ids: NDArray[np.uint32]
    hashes: NDArray[np.uint64]
    next: NDArray[np.int64]
    capacity: int

    @classmethod
    def load(cls, path: Path | None, effort: Effort) -> _Prepared:
        # Its rows come and go, so that the file stays until the process ends.
        folder = Path(tempfile.mkdtemp(prefix="augury-bench-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        file = folder / "trace.oracleGeneral"
        trace: Trace | InMemoryTrace = read_trace(path) if path else _zipf(effort.requests)
        with Spool(trace) as spool:
            chunks = list(spool.chunks(next_access=True))
            ids = np.concatenate([chunk.ids for chunk in chunks])
            following = np.concatenate([chunk.next for chunk in chunks if chunk.next is not None])
            capacity = max(1, int(spool.distinct * SHARE))
            hashes = spool.hashes
        records = np.zeros(len(ids), _RECORD)
        records["key"] = ids.astype(np.uint64) + 1
        records["size"] = 1
        records["next"] = np.where(following == np.iinfo(np.int64).max, -1, following)
        records.tofile(file)
        return cls(file, ids, hashes, following, capacity)

    def replay(self, policy: str) -> Replay:
        simulation = _native.Simulation(
            policy, self.capacity, parameters=PARAMETERS.get(policy, {})
        )
        offline = policies.describe(policy).offline
        simulation.feed(self.ids, self.hashes, None, self.next if offline else None)
        return Replay(simulation.misses / simulation.requests)


def _zipf(requests: int) -> InMemoryTrace:
    cumulative = np.cumsum(1.0 / np.arange(1, _KEYS + 1))
    draws = np.random.default_rng(2026).random(requests) * cumulative[-1]
    return requests_of((np.searchsorted(cumulative, draws) + 1).tolist())


def _time(load: Callable[[], _Prepared], policy: str, rounds: int) -> list[Measurement]:
    trace = load()
    misses: dict[str, float] = {}

    def timed(name: str, replay: Callable[[], Replay]) -> Timed:
        def run(turn: int) -> None:
            del turn
            misses[name] = replay().miss_ratio

        return run

    cell = (trace.file, policy, trace.capacity)
    replays = {
        ALONE: lambda: trace.replay(policy),
        WHOLE: lambda: replay_ours(*cell),
        LIBCACHESIM: lambda: replay_theirs(*cell),
        STANDARD: lambda: replay_standard(*cell),
    }
    return compare(
        {name: timed(name, replay) for name, replay in replays.items()},
        LIBCACHESIM,
        rounds=rounds,
        operations=len(trace.ids),
        notes={name: functools.partial(_note, misses, name) for name in replays},
    )


def _note(misses: dict[str, float], name: str) -> str:
    return f"{misses[name]:.2%} misses"


def replay_standard(file: Path, policy: str, capacity: int) -> Replay:
    """Replay a trace through libcachesim with a hash table of the size that it has by default."""
    return replay_theirs(file, policy, capacity, hashpower=24)


def replay_theirs(file: Path, policy: str, capacity: int, hashpower: int | None = None) -> Replay:
    """Replay a trace of oracleGeneral records through libcachesim.

    Parameters
    ----------
    file, policy, capacity
        The trace, Augury's name of the policy, and how many entries the cache has.
    hashpower
        Logarithm of the size of libcachesim's hash table. By default two to four places an entry,
        with which it is several times as fast as with its own default, 24.
    """
    library: Any = import_module("libcachesim")
    reader = library.TraceReader(
        str(file),
        library.TraceType.ORACLE_GENERAL_TRACE,
        library.ReaderInitParam(ignore_obj_size=True),
    )
    power = hashpower or capacity.bit_length() + 1
    cache = getattr(library, PEERS[policy])(capacity, hashpower=power)
    return Replay(float(cache.process_trace(reader)[0]), (reader, cache))


def replay_ours(file: Path, policy: str, capacity: int) -> Replay:
    """Replay the same through Augury, from the file on."""
    opened = read_trace(file, format="oracleGeneral")
    alike = policies.Policy(policy, PARAMETERS.get(policy, {}))
    return Replay(simulate(opened, alike, capacity).miss_ratio, (opened,))


def _memory(load: Callable[[], _Prepared], policy: str) -> list[Measurement]:
    trace = load()
    peaks = {
        name: replay_memory(contender, trace.file, policy, trace.capacity)
        for name, contender in (
            (WHOLE, "augury"),
            (LIBCACHESIM, "libcachesim"),
            (STANDARD, "libcachesim-standard"),
        )
    }
    reference = peaks[LIBCACHESIM][0] / 2**20
    return [
        summarise(
            name,
            [grown / 2**20],
            [reference],
            note=f"{mapped / 2**20:.1f} of it pages of the trace",
        )
        for name, (grown, mapped) in peaks.items()
    ]
