"""Rows of features from a log on a cluster: those that `augury.features.rows` takes, bit by bit.

Which moments rows are taken at is random and the same everywhere, so it is decided here, before the
log is looked at. When a key is asked for next, which labels a row and tells whether it is taken at
all, each block finds for itself; only keys that it does not ask for again are looked for in the
blocks after it, by each of these at once. A hot key is not sought beyond its block, so none is
larger than others.

What a row says depends on all requests before it, in their order: on those for the keys around, on
how many were new, on what is remembered when memory is full. So features are computed by one pass
of the native code, at the rate of that (docs/spark.md), over 24 bytes a request, in memory that is
bounded by `keys`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from augury import _native
from augury.features import FEATURES, Rows

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]
    from numpy.typing import NDArray
    from pyspark.sql import SparkSession

    from augury.distributed.log import Log, LogBlock

_NEVER = 2**63 - 1
_KEYS = 1 << 22  # remembered, as by `augury.features.rows`


@dataclass(frozen=True, slots=True)
class Sample:
    """Which rows to take; as the parameters of `augury.features.rows`."""

    start: int
    stop: int
    sample: float
    draws: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class _Draws:
    """Rows that may be taken, by moment."""

    request: NDArray[np.uint64]
    moment: NDArray[np.uint64]
    stay: NDArray[np.float32]
    sample: NDArray[np.intp]
    """Of which `Sample`."""

    def where(self, chosen: NDArray[Any]) -> _Draws:
        return _Draws(
            self.request[chosen], self.moment[chosen], self.stay[chosen], self.sample[chosen]
        )

    @staticmethod
    def of(samples: Sequence[Sample]) -> _Draws:
        drawn = [
            _native.draws_of(each.sample, each.draws, each.seed, each.start, each.stop)
            for each in samples
        ]
        request, moment, stay = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        which = np.repeat(np.arange(len(samples)), [len(requests) for requests, _, _ in drawn])
        drawn_of_all = _Draws(request, moment, stay, which)
        return drawn_of_all.where(np.lexsort((request, moment)))


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """Requests that rows are drawn after, ascending."""

    number: NDArray[np.uint64]
    """Of the key, as features know it."""
    following: NDArray[np.int64]
    """The next request for it, or `_NEVER`."""


def take(
    spark: SparkSession,
    log: Log,
    samples: Sequence[Sample],
    *,
    keys: int = _KEYS,
    progress: Callable[[float], object] | None = None,
) -> list[Rows]:
    """Take rows from a log, with what came of them.

    Parameters
    ----------
    spark, log
        The session and the log.
    samples
        Which rows to take. All samples are taken in the same pass.
    keys
        About how many keys are remembered; docs/spark.md says what memory that takes.
    progress
        Called with the share done, from 0.0 to 1.0.

    Returns
    -------
    list of Rows
        One a sample: the rows of `augury.features.rows`, of one moment in the order of the requests
        that they were drawn after.
    """
    tell = progress or (lambda _: None)
    draws = _Draws.of(samples)
    wanted, places = np.unique(draws.request, return_inverse=True)
    asked = _look_up(spark, log, wanted)
    tell(0.3)
    following = asked.following[places]
    alive = following >= draws.moment.astype(np.int64)
    draws, following, number = draws.where(alive), following[alive], asked.number[places][alive]
    features = _features(log, draws, number, keys, lambda share: tell(0.3 + 0.7 * share))
    taken = []
    for at, sample in enumerate(samples):
        mine = draws.sample == at
        moment, until = draws.moment[mine], following[mine]
        censored = until >= sample.stop
        requests = np.where(censored, sample.stop, until).astype(np.uint64) - moment
        taken.append(Rows(features[mine], _native.labels_of(requests), censored, moment))
    return taken


def _look_up(spark: SparkSession, log: Log, wanted: NDArray[np.uint64]) -> _Asked:
    shared = spark.sparkContext.broadcast(wanted)

    def in_block(block: LogBlock) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        end = block.start + len(block)
        first, last = np.searchsorted(shared.value, np.array([block.start, end], np.uint64))
        at = (shared.value[first:last] - np.uint64(block.start)).astype(np.int64)
        index = _native.KeyIndex()
        ids = index.intern(block.columns["key"])
        following = _native.NextAccess(len(ids), len(index)).fill(ids)[at]
        yield pa.RecordBatch.from_pydict(
            {
                "at": np.arange(first, last, dtype=np.int64),
                "number": block.columns["number"][at].view(np.int64),
                "key": block.columns["key"][at].view(np.int64),
                "following": np.where(following == _NEVER, _NEVER, following + block.start),
                "stop": np.full(len(at), end, np.int64),
            }
        )

    columns = "at long, number long, key long, following long, stop long"
    found = log.each_block(("key", "number"), in_block, columns).toArrow()
    order = np.argsort(found["at"].to_numpy())
    number, key, following, stop = (
        found[name].to_numpy()[order] for name in ("number", "key", "following", "stop")
    )
    open_ = np.flatnonzero(following == _NEVER)
    if len(open_):
        at, later = _look_beyond(spark, log, key[open_].view(np.uint64), stop[open_])
        following = following.copy()
        following[open_[at]] = later
    shared.destroy()
    return _Asked(number.view(np.uint64), following)


def _look_beyond(
    spark: SparkSession, log: Log, keys: NDArray[np.uint64], after: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find keys in later blocks; return which are asked for again, and when first."""
    from pyspark.sql import functions as sql

    order = np.argsort(keys, kind="stable")
    shared = spark.sparkContext.broadcast((keys[order], after[order], order))

    def in_block(block: LogBlock) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        sought, since, at = shared.value
        here, first = np.unique(block.columns["key"], return_index=True)
        place = np.minimum(np.searchsorted(here, sought), len(here) - 1)
        found = (here[place] == sought) & (since <= block.start)
        yield pa.RecordBatch.from_pydict(
            {"at": at[found], "request": first[place[found]] + block.start}
        )

    found = log.each_block(("key",), in_block, "at long, request long")
    earliest = found.groupBy("at").agg(sql.min("request").alias("request")).toArrow()
    shared.destroy()
    return earliest["at"].to_numpy(), earliest["request"].to_numpy()


def _features(
    log: Log,
    draws: _Draws,
    number: NDArray[np.uint64],
    keys: int,
    progress: Callable[[float], object],
) -> NDArray[np.float32]:
    replay = _native.FeatureReplay(keys)
    parts = [np.empty(0, np.float32)]
    done = taken = 0
    for batch in log.in_order("number", "size", "second"):
        done += len(batch["number"])
        part = slice(taken, int(np.searchsorted(draws.moment, np.uint64(done))))
        taken = part.stop
        parts.append(
            replay.feed(
                batch["number"],
                batch["size"],
                batch["second"].astype(np.uint32),
                draws.moment[part],
                number[part],
                draws.stay[part],
            )
        )
        progress(done / log.requests)
        if taken == len(draws.moment):
            break
    return np.concatenate(parts).reshape(-1, len(FEATURES))
