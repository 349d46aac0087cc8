"""Copies in this process of what the tiers below hold, and when they may be served."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from augury.events import Cause
from augury.tiers.contract import Key
from augury.tiers.demotion import Demotion
from augury.tiers.entry import Entry
from augury.tiers.flights import Board, Flight
from augury.tiers.frame import address
from augury.tiers.memory import Memory

_FOREVER = math.inf


class Copy(msgspec.Struct):
    """An entry in this process."""

    value: Any
    entry: Entry
    look_at: float
    """From when on (by `time.monotonic`) more has to be known before it may be served: whether its
    tags still hold, or whether it is time to fetch a new one."""
    epoch: object
    """Of the copies when it was last found to be good."""
    refresh_at: float
    """When (by `time.monotonic`) to fetch a new one, though this one may still be served."""
    expires: float
    """Until when (seconds since 1970) the copy may be served, at most as long as the entry."""


class Near:
    """The first tier, if it is memory: copies, each good for a while.

    A copy is served without asking anybody as long as its `epoch` is the present one and `look_at`
    has not come. Dropping a tag begins a new epoch, in which every copy is looked at once.

    Parameters
    ----------
    memory
        Where they are kept.
    board
        Its lock guards them.
    longest
        Seconds that a copy may be served, counted from when it was asked for below.
    eagerness
        How early a copy is refreshed before it is stale, as a multiple of what loading it cost,
        times an exponential random number; 0: not before. Processes draw unlike numbers, and so do
        not all load at once.
    named
        Whether to find copies by what servers call their keys.
    key
        Turns a key into the one that the tiers below know.
    demotion
        Where copies go that had to make room, if anywhere.

    References
    ----------
    Vattani, Chierichetti, Lowenstein, *Optimal Probabilistic Cache Stampede Prevention*, VLDB 2015.
    """

    def __init__(
        self,
        memory: Memory,
        board: Board,
        *,
        longest: float,
        eagerness: float,
        named: bool,
        key: Callable[[Key], Key],
        demotion: Demotion | None,
    ) -> None:
        self.cache = memory.adopt(self._left)
        self._board = board
        self._longest = longest
        self._eagerness = eagerness
        self._key = key
        self._names: dict[bytes, Key] | None = {} if named else None
        self._demotion = demotion

    def put(
        self, key: Key, entry: Entry, flight: Flight, asked: float, look_at: float, epoch: object
    ) -> None:
        """Keep a copy of what was asked for at that time, unless the key was written since."""
        now, wall = time.monotonic(), time.time()
        lives = min(entry.expires - wall, asked + self._longest - now)
        if lives <= 0:
            return
        refresh_at = now + entry.fresh_until - wall
        if refresh_at != _FOREVER and self._eagerness:
            refresh_at += self._eagerness * entry.cost * math.log(1.0 - random.random())
        look_at = min(look_at, refresh_at)
        copy = Copy(entry.value, entry, look_at, epoch, refresh_at, wall + lives)
        with self._board.lock:
            if not (flight.valid and flight.keeps):
                return
            self.cache.set(key, copy, ttl=None if lives == _FOREVER else lives)

    @contextmanager
    def expecting(self, flights: Mapping[Key, Flight]) -> Iterator[None]:
        """Know keys by their servers' names while they are fetched, and longer if they are kept."""
        if self._names is None:
            yield
            return
        names = {self._name(key): key for key in flights}
        with self._board.lock:
            self._names.update(names)
        try:
            yield
        finally:
            with self._board.lock:
                for name, key in names.items():
                    if key not in self.cache and not self._board.has(key, flights[key]):
                        self._names.pop(name, None)

    def _name(self, key: Key) -> bytes:
        return address(self._key(key))[:16]

    def drop(self, keys: Collection[Key]) -> None:
        """Drop copies, and whatever is being fetched under these keys."""
        with self._board.lock:
            self._board.revoke(keys)
            self.drop_copies(keys)

    def drop_copies(self, keys: Iterable[Key]) -> None:
        """Drop copies whose keys the caller has claimed."""
        for key in keys:
            self.cache.delete(key)

    def drop_named(self, names: Iterable[bytes]) -> None:
        """Drop the copies that servers call so."""
        if self._names is not None:
            self.drop([key for name in names if (key := self._names.get(name)) is not None])

    def drop_all(self) -> None:
        """Drop every copy."""
        with self._board.lock:
            self._board.revoke_all()
            self.cache.clear()

    def _left(self, key: Key, copy: Copy, cause: Cause) -> None:
        if self._names is not None and cause is not Cause.REPLACED:
            name = self._name(key)
            with self._board.lock:
                if key not in self.cache and not self._board.has(key):
                    self._names.pop(name, None)
        if self._demotion is not None and cause is Cause.SIZE and time.time() < copy.expires:
            self._demotion.offer(key, self._key(key), copy.entry, copy.expires)
