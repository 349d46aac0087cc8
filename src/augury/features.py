"""What a model is told of a key: the one definition of a row, for training and for serving.

`native/model/features.hpp` computes it, request by request, in the live cache and in simulations as
well as here, where rows are taken from a trace to train from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from augury import _native
from augury.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.accesslog import Spool

UNKNOWN = 32.0
"""Stands for a time that is longer ago than can be told, and for what never was."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One number of a row."""

    name: str
    unit: str
    meaning: str


_OCTAVES = "log2(requests / stay)"
_WITHIN = "log2(1 + requests), in that time"

FEATURES: tuple[Feature, ...] = (
    Feature("age", _OCTAVES, "since the key was last asked for"),
    Feature("gap_1", _OCTAVES, "between its last two requests"),
    Feature("gap_2", _OCTAVES, "between the two before"),
    Feature("gap_3", _OCTAVES, "between the two before"),
    Feature("gap_4", _OCTAVES, "between the two before"),
    Feature("life", _OCTAVES, "since it was first asked for, as far as is remembered"),
    Feature("count", _OCTAVES, "its requests, as far as is remembered"),
    Feature("recent", _OCTAVES, "its requests, of which half are forgotten every 1024 requests"),
    Feature("usual", _OCTAVES, "its requests, of which half are forgotten every 16384 requests"),
    Feature("size", "log2(1 + bytes)", "of its value; 0 if unknown"),
    Feature("run", "log2(1 + keys)", "asked for one after another, up to this one, when it was"),
    Feature("below", _OCTAVES, "since the key one below was asked for"),
    Feature("above", _OCTAVES, "since the key one above was asked for"),
    Feature("near_age", _OCTAVES, "since any of the 16 keys around was asked for"),
    Feature("near_rate", _OCTAVES, "for those, of which half are forgotten every 16384 requests"),
    Feature("near_returns", "share", "of the requests for those, that were not the first of a key"),
    Feature("near_gap", _OCTAVES, "between two requests for one of those, on average"),
    Feature("far_age", _OCTAVES, "since any of the 1024 keys around was asked for"),
    Feature("far_rate", _OCTAVES, "for those, of which half are forgotten every 16384 requests"),
    Feature("far_returns", "share", "of the requests for those, that were not the first of a key"),
    Feature("far_gap", _OCTAVES, "between two requests for one of those, on average"),
    Feature("novelty", "share", "of the last requests, that were the first of a key"),
    Feature("stay", "log2(1 + requests)", "how long an entry stays in the cache, on average"),
    Feature("kin_returns", "share", "of the requests for its namespace, as near_returns"),
    Feature("kin_gap", _OCTAVES, "between two requests for a key of its namespace, on average"),
    Feature("habit", "cosine", "of the time of day, less that of its last return after 12 hours"),
    Feature("habit_later", "cosine", "the same, of six hours later"),
)
"""In the order of a row. Octaves are read off straight lines between powers of two."""


@cache
def schema() -> str:
    """Return what tells whether two rows mean the same: a hash of `FEATURES`.

    A model carries the schema that it was trained with, and only serves where that is the same.
    """
    return xxhash.xxh3_128_hexdigest(repr(FEATURES).encode())


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What a model is trained from; one element of each array is one row."""

    X: NDArray[np.float32]
    """Features, by row and feature."""
    label: NDArray[np.float32]
    """log2(1 + requests that pass before the one for the key); of a censored row, at least that."""
    censored: NDArray[np.bool_]
    """The key was not asked for again before `stop`."""
    index: NDArray[np.uint64]
    """The request before which the row was taken; never falls."""


def rows(
    spool: Spool,
    *,
    start: int = 0,
    stop: int | None = None,
    sample: float = 1.0,
    draws: int = 1,
    seed: int = 1,
    keys: int = 1 << 22,
) -> Rows:
    """Take rows from a trace, with what came of them.

    After a request, a time that entries stay in a cache is drawn, the feature ``stay``, and a row
    of the key is taken at an age of up to eight times that, each octave as likely as another,
    unless the key is asked for again before. So rows are of keys that are silent at that age, as
    entries are that a cache of any size may evict. Nothing in a row comes from after its index, and
    no label from after `stop`.

    Parameters
    ----------
    spool
        The trace.
    start
        Rows before this request are left out; the features count from the first request all the
        same.
    stop
        The requests from this one on are not looked at; all are by default.
    sample
        Share of the requests that lead to rows, above 0 and up to 1.
    draws
        Rows that each of those leads to, at most, from 1 to 16.
    seed
        Of the random choices.
    keys
        About how many keys are remembered. They take 80 bytes each, as they appear.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.

    Examples
    --------
    >>> from augury.accesslog import Spool, requests_of
    >>> with Spool(requests_of([1, 2, 1, 3] * 100)) as spool:
    ...     taken = rows(spool, stop=300)
    >>> taken.X.shape[1] == len(FEATURES), int(taken.index.max()) < 300
    (True, True)
    """
    end = spool.requests if stop is None else stop
    if not 0 <= start <= end <= spool.requests:
        raise ConfigurationError(
            f"start and stop must be in this order from 0 to {spool.requests}, "
            f"not {start} and {end}"
        )
    if not 0.0 < sample <= 1.0:
        raise ConfigurationError(f"sample must be above 0 and up to 1, not {sample:g}")
    if not 1 <= draws <= 16:
        raise ConfigurationError(f"draws must be from 1 to 16, not {draws}")
    source = _native.FeatureRows(sample, draws, seed, start, keys)
    done = 0
    for chunk in spool.chunks():
        part = slice(0, end - done)
        source.feed(
            chunk.ids[part],
            spool.numbers,
            chunk.sizes[part] if chunk.sizes is not None else None,
            chunk.times[part] if chunk.times is not None else None,
        )
        done += len(chunk.ids)
        if done >= end:
            break
    values, label, censored, index = source.finish()
    return Rows(values.reshape(-1, len(FEATURES)), label, censored.view(np.bool_), index)
