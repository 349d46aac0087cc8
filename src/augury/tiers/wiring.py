"""What reading and writing tiers have in common: who there is, and what they call keys."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

from augury.events import Trouble
from augury.forks import renew_in_child
from augury.tiers.consistency import Consistency
from augury.tiers.contract import Key, Tracking
from augury.tiers.demotion import Demotion
from augury.tiers.entry import Entry
from augury.tiers.flights import Board, Flight
from augury.tiers.generations import Generations, tags_of
from augury.tiers.levels import Faults, Level
from augury.tiers.lifetimes import Lifetimes
from augury.tiers.near import Copy, Near
from augury.tiers.ways import Way

_FOREVER = float("inf")
# Seconds between two looks whether the last tier told of writes.
_LISTENS_EVERY = 0.0005
# Seconds before a tag of which nothing could be learned is asked for again.
_TAGS_AGAIN = 0.05


def _no_copy(key: Key) -> Copy | None:  # noqa: ARG001
    return None


class Wiring:
    """The parts of a `Tiers`, for those who read and those who write."""

    def __init__(
        self,
        *,
        namespace: str,
        consistency: Consistency,
        near: Near | None,
        board: Board,
        middles: list[Level],
        authority: Level | None,
        tracking: Tracking | None,
        generations: Generations,
        lifetimes: Lifetimes,
        demotion: Demotion | None,
        faults: Faults,
        near_ttl: float,
        lease_seconds: float,
    ) -> None:
        self.namespace = namespace
        self.consistency = consistency
        self.board = board
        self.near = near
        self.middles = middles
        self.authority = authority
        self.generations = generations
        self.lifetimes = lifetimes
        self.faults = faults
        self.near_ttl = near_ttl
        self.lease_seconds = lease_seconds
        self.counts: Counter[str] = Counter()
        self.always = frozenset({""})
        """Tags that every entry has: the one of the namespace."""
        self.copy: Callable[[Key], Copy | None] = _no_copy
        """What returns the copy of a key that may be served without asking, if it is current."""
        if near is not None and consistency is not Consistency.VALIDATED:
            self.copy = near.cache.get
        self.epoch: object = object()
        """Copies of another one have to be looked at before they are served."""
        self.listens_at = _FOREVER if tracking is None else 0.0
        """When to look whether the last tier told of writes, by `time.monotonic`."""
        self._tracking = tracking
        self._trusted = False
        self._demotion = demotion
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.RLock()

    # Keys

    def outer(self, key: Key) -> Key:
        """Return what the tiers below memory know a key by."""
        return (self.namespace, key)

    def turn(self, key: Key) -> Key:
        """Return the key whose lease says who may refresh a key: no other key has four parts."""
        return (self.namespace, "refresh", key, 0)

    def names_of(self, key: Key, tags: Callable[[Key], Iterable[str]] | None) -> tuple[str, ...]:
        """Return the tags of a key, that of the namespace included."""
        self._limit_tags()
        return ("",) if tags is None else ("", *tags_of(tags(key)))

    # Writes by others

    def hears(self) -> bool:
        """Return whether copies may be kept: whether writes by others would be heard of."""
        return self._tracking is None or self._tracking.trusted

    def listen(self) -> None:
        """Drop the copies of what others have written."""
        if self._tracking is None or time.monotonic() < self.listens_at:
            return
        lost = False
        with self._lock:
            names = self._tracking.poll()
            trusts = self._tracking.trusted
            # Flights that begin while it is not trusted keep nothing: they may go on.
            if names is None or (self._trusted and not trusts):
                lost = self._lose()
            elif names:
                self._drop_named(names)
            self._trusted = trusts
            self.listens_at = time.monotonic() + _LISTENS_EVERY if trusts else 0.0
        if lost:  # told without the lock, for which a listener's other threads may wait
            self.faults.report(
                Trouble.LOST, "tracking", "lost sight of writes; every copy was dropped"
            )

    def _lose(self) -> bool:
        """Drop all copies; return whether there were any."""
        assert self.near is not None
        had = len(self.near.cache) > 0
        self.generations.forget()
        self.look_again()
        self.near.drop_all()
        return had

    def _drop_named(self, names: Iterable[bytes]) -> None:
        assert self.near is not None
        if self.generations.forget_named(names):
            self.look_again()
        self.near.drop_named(names)

    def _limit_tags(self) -> None:
        """Forget tags that no copy has, once there are very many."""
        if self.generations.crowded:
            copies = [] if self.near is None else list(self.near.cache.values())
            self.generations.forget_unused({name for it in copies for name, _ in it.entry.tags})
            self.look_again()

    def look_again(self) -> None:
        """Have each copy looked at before it is served again."""
        self.epoch = object()

    def expecting(self, flights: Mapping[Key, Flight]) -> AbstractContextManager[None]:
        """Hear of writes of keys while they are fetched."""
        return nullcontext() if self.near is None else self.near.expecting(flights)

    # Copies

    def look_at(self, tags: tuple[tuple[str, bytes], ...]) -> float:
        """Return when to look again whether tags were dropped."""
        # A tag of which nothing could be learned is asked for again, but not at each read.
        return max(self.generations.until(tags), time.monotonic() + _TAGS_AGAIN)

    def keep(self, key: Key, entry: Entry, flight: Flight, asked: float) -> None:
        """Keep a copy in memory of what was asked for at that time."""
        epoch = self.epoch  # before the tags are looked at: one dropped meanwhile begins another
        if self.near is None or not self.hears() or not self.generations.holds(entry.tags):
            return
        self.near.put(key, entry, flight, asked, self.look_at(entry.tags), epoch)

    def entries(self, keys: Iterable[Key], held: Mapping[Key, object]) -> dict[Key, Entry]:
        """Return the entries among what a tier holds under these keys."""
        now = time.time()
        return {
            key: entry
            for key in keys
            if isinstance(entry := held.get(self.outer(key)), Entry) and now < entry.expires
        }

    async def good(self, way: Way, entries: Mapping[Key, Entry], asked: float) -> dict[Key, Entry]:
        """Return the entries none of whose tags was dropped."""
        generations = self.generations
        self._limit_tags()
        names = {name for entry in entries.values() for name, _ in entry.tags}
        sure = await generations.refresh(way, names, asked)
        lenient = self.consistency is Consistency.TTL
        if not sure and not lenient:
            return {}
        return {
            key: entry
            for key, entry in entries.items()
            if generations.holds(entry.tags, lenient=lenient and not sure)
        }

    # Tiers between memory and the last one

    def keep_in_middles(self, key: Key, entry: Entry, flight: Flight, asked: float) -> None:
        """Have an entry that was found below copied upwards, where there is no memory above."""
        if self._demotion is not None and self.near is None:
            expires = min(entry.expires, time.time() + asked + self.near_ttl - time.monotonic())
            with self.board.lock:  # who writes the key revokes the flight, then has it dropped
                if flight.valid:
                    self._demotion.offer(key, self.outer(key), entry, expires)

    def dropping(self) -> Collection[Key]:
        """Return the keys whose entries in the tiers between may be too old, for a moment."""
        return () if self._demotion is None else self._demotion.dropping

    def drop_demoted(self, outer: list[Key]) -> None:
        """Have keys deleted that may be on their way to a tier between."""
        if self._demotion is not None:
            self._demotion.drop(outer)

    def close(self) -> None:
        """Stop what runs in the background."""
        if self._tracking is not None:
            self._tracking.close()
        if self._demotion is not None:
            self._demotion.close()
