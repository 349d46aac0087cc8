"""What the keys of a prefix have in common: how soon they are asked for again, how long they live.

A prefix is what is before the first colon, slash, dot or bar of a key.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from augury.advice.redis.keyspace import HeldKey
from augury.advice.redis.operations import Kind
from augury.advice.redis.quoting import shown
from augury.advice.redis.workload import Workload

_END = re.compile(rb"[:/.|]")
_LEAST = 30  # repeats that a suggestion rests on
_CERTAIN = 0.25  # of the time that was watched: what is longer is cut too often to be told
_OLD = 0.02  # share of reads that found what was older than that
_ROUND = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_MARGIN = 3.0
_SHOWN = 12


class Prefix(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that begin alike."""

    prefix: str
    keys: int
    """In the sample of the keyspace."""
    bytes: int
    """Of these, by MEMORY USAGE."""
    without_ttl: int
    """Of these, how many live for ever."""
    reads: int
    """That were watched,"""
    repeats: int
    """and that were of a key that was watched before."""
    reuse: float | None
    """Seconds within which 99% of the repeats came; None: too few."""
    written: float | None
    """Median seconds between two writes of a key; None: too few."""
    ttl: int | None
    """Seconds to live that would lose 1% of the repeats at most; None: nothing is suggested,"""
    reason: str
    """and why, or why not."""


def prefix_of(key: bytes) -> bytes:
    """Return the beginning of a key, with the mark that ends it.

    Examples
    --------
    >>> prefix_of(b"user:1:name"), prefix_of(b"counter")
    (b'user:', b'counter')
    """
    found = _END.search(key)
    return key if found is None else key[: found.end()]


def prefixes(held: Iterable[HeldKey], workload: Workload | None, seconds: float) -> list[Prefix]:
    """Return the prefixes that take or are asked for most.

    Parameters
    ----------
    held
        A sample of the keyspace.
    workload
        What was watched, and for how many `seconds`.
    """
    sample: dict[bytes, list[HeldKey]] = defaultdict(list)
    for each in held:
        sample[prefix_of(each.key)].append(each)
    seen = {} if workload is None else _intervals(workload)
    # A key of its own is no prefix.
    names = {name for name in {*sample, *seen} if _END.search(name)}
    ranked = sorted(
        names,
        key=lambda name: (
            -sum(each.bytes for each in sample.get(name, ())),
            -seen.get(name, _Seen()).reads,
        ),
    )
    return [
        _prefix(name, sample.get(name, []), seen.get(name), seconds) for name in ranked[:_SHOWN]
    ]


class _Seen:
    def __init__(self) -> None:
        self.reads = 0
        self.old = 0
        self.reuse: list[float] = []
        self.written: list[float] = []


def _intervals(workload: Workload) -> dict[bytes, _Seen]:
    found: dict[bytes, _Seen] = defaultdict(_Seen)
    names = [prefix_of(key) for key in workload.keys]
    read: dict[int, float] = {}
    written: dict[int, float] = {}
    columns: list[Any] = [workload.operations, workload.ids, workload.times, workload.unknown]
    for kind, number, time, unknown in zip(*(each.tolist() for each in columns), strict=True):
        its = found[names[number]]
        if kind == Kind.READ:
            its.reads += 1
            its.old += unknown
            if number in read:
                its.reuse.append((time - read[number]) / 1000)
            read[number] = time
        elif kind == Kind.WRITE:
            if number in written:
                its.written.append((time - written[number]) / 1000)
            written[number] = time
    return dict(found)


def _prefix(name: bytes, held: list[HeldKey], seen: _Seen | None, seconds: float) -> Prefix:
    seen = seen or _Seen()
    reuse = float(np.quantile(seen.reuse, 0.99)) if len(seen.reuse) >= _LEAST else None
    written = float(np.median(seen.written)) if len(seen.written) >= _LEAST else None
    ttl, reason = _suggestion(held, seen, reuse, seconds)
    return Prefix(
        prefix=shown(name),
        keys=len(held),
        bytes=sum(each.bytes for each in held),
        without_ttl=sum(each.ttl is None for each in held),
        reads=seen.reads,
        repeats=len(seen.reuse),
        reuse=reuse,
        written=written,
        ttl=ttl,
        reason=reason,
    )


def _suggestion(
    held: list[HeldKey], seen: _Seen, reuse: float | None, seconds: float
) -> tuple[int | None, str]:
    if reuse is None:
        return None, f"fewer than {_LEAST} repeats were watched"
    if reuse > seconds * _CERTAIN:
        return None, f"repeats come later than {seconds:.0f} s of watching can tell; watch longer"
    if seen.old > _OLD * seen.reads:
        return None, "many reads find what is older than the time that was watched; watch longer"
    ttl = next((each for each in _ROUND if each >= _MARGIN * reuse), _ROUND[-1])
    live = [each.ttl for each in held]
    if live and all(each is not None and each <= ttl for each in live):
        return None, "keys live no longer than they are asked for"
    return ttl, f"99% of the repeats come within {reuse:.1f} s"
