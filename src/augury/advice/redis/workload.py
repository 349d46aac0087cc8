"""Operations as the simulations take them: keys numbered, and each read with what it would store.

MONITOR shows no replies. A read is taken for a miss if the next command on its key writes it; the
value that is written is then what every simulated miss of that key stores. A first read that no
write follows found what was there before: that it would hit or miss with other settings is not
known, so it counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augury.advice.redis.keyspace import HeldKey
from augury.advice.redis.operations import Kind, Operation
from augury.advice.redis.server import within

_OFTEN = 3  # reads of a key that is never written: had it been there, one would have filled it
_ENTRY = 64  # bytes of an entry besides key and value, where the server does not tell


@dataclass(frozen=True, slots=True)
class Workload:
    """Operations, one after another, as arrays."""

    keys: list[bytes]
    """By number."""
    operations: NDArray[np.uint8]
    ids: NDArray[np.uint32]
    sizes: NDArray[np.uint64]
    """Bytes of the entry that would be stored; 0 of a read: nothing would."""
    times: NDArray[np.uint64]
    """Milliseconds."""
    ttls: NDArray[np.uint64]
    """Milliseconds; 0: none."""
    unknown: NDArray[np.bool_]
    """Reads that say nothing: the first of their key, that found what was there before."""
    misses: int
    """Reads that were followed by a write of their key."""

    @property
    def reads(self) -> NDArray[np.bool_]:
        """Which operations are reads."""
        return np.equal(self.operations, Kind.READ)

    @property
    def footprint(self) -> int:
        """Bytes of all keys together."""
        largest = np.zeros(len(self.keys), np.uint64)
        np.maximum.at(largest, self.ids, self.sizes)
        return int(largest.sum())


def workload(
    operations: Iterable[Operation],
    held: Mapping[bytes, HeldKey] | None = None,
    *,
    scale: float = 1.0,
    nothing_left: bool = False,
) -> Workload:
    """Make arrays of operations.

    Parameters
    ----------
    operations
        In the order of time; a time before the one before counts as that.
    held
        What the server says of keys.
    scale
        What an entry takes in truth is so many times what the server says.
    nothing_left
        Whether nothing was evicted or expired meanwhile: then a key that is not held, and was never
        written, does not exist, and reading it stores nothing. Otherwise that is taken for true of
        keys that were read several times.
    """
    held = held or {}
    building = _Building(held)
    for each in operations:
        building.add(each)
    keys = list(building.numbers)
    whole = _entries(keys, building.value, held, scale)
    ids = np.array(building.ids, np.uint32)
    often = np.bincount(ids, minlength=len(keys)) >= (1 if nothing_left else _OFTEN)
    for number in np.flatnonzero(often).tolist():
        if keys[number] not in held and number not in building.value:
            whole[number] = 0
    sizes = whole[ids].astype(np.uint64)
    kinds = np.array(building.kinds, np.uint8)
    absent = (kinds == Kind.READ) & (sizes == 0)
    return Workload(
        keys=keys,
        operations=kinds,
        ids=ids,
        sizes=sizes,
        times=np.array(building.times, np.uint64),
        ttls=np.array(building.ttls, np.uint64),
        unknown=np.array(building.unknown, np.bool_) & ~absent,
        misses=building.misses,
    )


class _Building:
    """The columns, as they grow."""

    def __init__(self, held: Mapping[bytes, HeldKey]) -> None:
        self.numbers: dict[bytes, int] = {}
        self.value: dict[int, int] = {}
        """Bytes of the last value that was written; -1: not known."""
        self.kinds: list[int] = []
        self.ids: list[int] = []
        self.times: list[int] = []
        self.ttls: list[int] = []
        self.unknown: list[bool] = []
        self.misses = 0
        self._held = held
        self._now = 0
        self._last: dict[int, int] = {}  # the place of the last operation on a key
        self._lives: dict[int, int] = {}  # milliseconds, of what is written next
        self._filled: set[int] = set()  # places of reads that were misses

    def add(self, each: Operation) -> None:
        number = self.numbers.setdefault(each.key, len(self.numbers))
        if number not in self._lives:
            there = self._held.get(each.key)
            ttl = None if there is None else there.ttl
            self._lives[number] = 0 if ttl is None else int(ttl * 1000)
        self._now = max(self._now, within(int(each.time * 1000)))
        kind = each.kind
        if kind is Kind.EXPIRE and each.ttl is not None and each.ttl < 0:
            kind = Kind.DELETE
        elif kind in {Kind.WRITE, Kind.EXPIRE}:
            self._lives[number] = 0 if each.ttl is None else within(int(each.ttl * 1000))
        if kind in {Kind.WRITE, Kind.CHANGE}:
            if each.size is not None or number not in self.value:
                self.value[number] = -1 if each.size is None else each.size
            if self._fills(number):
                return
            kind = Kind.WRITE
        self.unknown.append(kind is Kind.READ and number not in self._last)
        self._last[number] = len(self.kinds)
        self.kinds.append(kind)
        self.ids.append(number)
        self.times.append(self._now)
        self.ttls.append(self._lives[number])

    def _fills(self, number: int) -> bool:
        """Take a write for the end of a miss, if the operation on the key before was a read."""
        before = self._last.get(number)
        if before is None or self.kinds[before] != Kind.READ or before in self._filled:
            return False
        self._filled.add(before)
        self.ttls[before] = self._lives[number]
        self.unknown[before] = False
        self.misses += 1
        return True


def _entries(
    keys: list[bytes], value: Mapping[int, int], held: Mapping[bytes, HeldKey], scale: float
) -> NDArray[np.float64]:
    """Return what each key's entry takes: as the server says, as was written, or as usual."""
    known = np.zeros(len(keys))
    for number, key in enumerate(keys):
        if key in held:
            known[number] = held[key].bytes
        elif value.get(number, -1) >= 0:
            known[number] = len(key) + value[number] + _ENTRY
    usual = float(np.mean(known[known > 0])) if np.any(known > 0) else float(_ENTRY)
    return np.asarray(np.where(known > 0, known, usual) * scale)
