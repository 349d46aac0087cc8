"""Single flight for many keys at once, and the right to keep copies of what was fetched."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

from augury.errors import LoadCycleError
from augury.forks import renew_in_child
from augury.tiers.contract import Key
from augury.tiers.entry import Entry


class LookAgainError(Exception):
    """What those get who waited in vain: they look for themselves."""


class Flight:
    """Somebody fetches a key."""

    __slots__ = ("asked", "future", "joinable", "keeps", "loads", "owner", "sure", "valid")

    def __init__(self, owner: object, *, joinable: bool = True, loads: bool = True) -> None:
        self.owner = owner
        self.loads = loads
        """Whether the source is asked, too: if not, finding nothing says little."""
        self.joinable = joinable
        """Whether others may wait for it."""
        self.valid = True
        """Whether the key was neither written nor dropped since it began."""
        self.keeps = True
        """Whether what it brings may be kept, if it is valid in the end."""
        self.asked = 0
        """How often it has asked for what it may bring."""
        self.sure = False
        """Once it has landed: whether nothing newer than it brings can be there."""
        self.future: Future[Entry | None] = Future()


class Seat(NamedTuple):
    """Of somebody who joined a flight."""

    flight: Flight
    asked: int
    """How often it had asked before he joined."""

    def is_good(self) -> bool:
        """Return whether what the flight brought answers him: it asked after he joined, or is sure.

        Otherwise the value may have been replaced before he began.
        """
        return self.flight.sure or self.flight.asked > self.asked


class Board:
    """The flights of a process, by key.

    Whoever holds `lock` sees no flight lose its validity: a copy is stored under it, if its flight
    is valid, and dropped under it, together with the validity of the key's flight. So a value that
    was fetched before a write is never kept after it.
    """

    def __init__(self) -> None:
        self.begin_anew()
        renew_in_child(self)

    @property
    def lock(self) -> Any:
        """Guards flights and copies."""
        return self._lock

    def begin_anew(self) -> None:
        """Begin without flights: in a forked child they are the parent's."""
        self._lock = threading.RLock()
        self._flights: dict[Key, Flight] = {}

    def join(
        self, keys: Iterable[Key], owner: object, *, joinable: bool = True, loads: bool = True
    ) -> tuple[dict[Key, Flight], dict[Key, Seat]]:
        """Return the flights that begin here, for the caller to land, and seats in those under way.

        Raises
        ------
        LoadCycleError
            If the caller himself has one under way: it would wait for itself.
        """
        mine: dict[Key, Flight] = {}
        others: dict[Key, Seat] = {}
        with self._lock:
            for key in keys:
                under_way = self._flights.get(key)
                if under_way is None:
                    self._flights[key] = mine[key] = Flight(owner, joinable=joinable, loads=loads)
                elif not under_way.joinable:
                    mine[key] = Flight(owner)  # not on the board, hence never valid
                    mine[key].valid = False
                elif under_way.owner == owner:
                    self._take_off(mine)
                    raise LoadCycleError(f"loading {key!r} asks for {key!r} itself")
                else:
                    others[key] = Seat(under_way, under_way.asked)
        return mine, others

    def has(self, key: Key, but: Flight | None = None) -> bool:
        """Return whether somebody fetches or writes a key, by another flight than this one."""
        return self._flights.get(key, but) is not but

    def claim(self, keys: Iterable[Key], owner: object) -> dict[Key, Flight]:
        """Revoke the flights of keys that are about to be written; return new ones, none joins."""
        with self._lock:
            keys = list(keys)
            self.revoke(keys)
            claimed = {key: Flight(owner, joinable=False) for key in keys}
            self._flights.update(claimed)
        return claimed

    def revoke(self, keys: Iterable[Key]) -> None:
        """End the validity of flights, so that what they fetch is not kept."""
        with self._lock:
            for key in keys:
                if (flight := self._flights.pop(key, None)) is not None:
                    flight.valid = False

    def strand(self, key: Key, flight: Flight) -> None:
        """Take a flight that takes too long off the board: others begin one of their own."""
        with self._lock:
            if self._flights.get(key) is flight:
                self.revoke([key])

    def revoke_all(self) -> None:
        """End the validity of every flight; who joins one still gets what it asks for after that.

        Nothing is known to have been written. If each took off on his own while a server is down,
        its load would fall on the source.
        """
        with self._lock:
            for flight in self._flights.values():
                flight.valid = False

    def _take_off(self, flights: Mapping[Key, Flight]) -> None:
        for key, flight in flights.items():
            if self._flights.get(key) is flight:
                del self._flights[key]

    def land(
        self,
        flights: Mapping[Key, Flight],
        found: Mapping[Key, Entry],
        unsure: Iterable[Key] = (),
        error: BaseException | None = None,
    ) -> None:
        """Tell those who wait what was found.

        What is found for keys that are `unsure` may be older than what is there. If the error is no
        `Exception` everybody looks for himself: it concerns the caller alone.
        """
        with self._lock:
            self._take_off(flights)
        again = set(unsure)
        for key, flight in flights.items():
            if isinstance(error, Exception):
                flight.future.set_exception(error)
            elif error is not None:
                flight.future.set_exception(LookAgainError())
            else:
                flight.sure = flight.valid and key not in again
                flight.future.set_result(found.get(key))
