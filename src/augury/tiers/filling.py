"""How what is in no tier is loaded: once, under a lease, and again before it is stale."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from augury.events import Trouble
from augury.loading import DEFAULT, Default, Ttl
from augury.sources import Source
from augury.sources.contract import checked
from augury.spans import span
from augury.tiers.consistency import Consistency
from augury.tiers.contract import Key
from augury.tiers.entry import ABSENT, Entry, Held, Lease
from augury.tiers.flights import Flight
from augury.tiers.levels import DOWN
from augury.tiers.ways import Way
from augury.tiers.wiring import Wiring

# Seconds between two looks whether another process has loaded what it has a lease for.
_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05
# In place of an entry: nothing.
_GONE = Entry(None, expires=0.0)


@dataclass(frozen=True, slots=True)
class Loading:
    """How to load what is in no tier."""

    source: Source[Any, Any]
    tags: Callable[[Key], Iterable[str]] | None = None
    ttl: Ttl | Default = DEFAULT


def _count_asking(flights: Mapping[Key, Flight], keys: Iterable[Key]) -> None:
    for key in keys:
        flights[key].asked += 1


class Filler:
    """Loads from the source into the tiers; everything that waits does so by a `Way`."""

    def __init__(self, wiring: Wiring) -> None:
        self._w = wiring

    async def load(
        self,
        way: Way,
        flights: Mapping[Key, Flight],
        loading: Loading,
        void: Mapping[Key, Entry],
    ) -> tuple[dict[Key, Entry], set[Key]]:
        """Load keys that are in no tier, or held there with a dropped tag (`void`).

        Return entries, and the keys of which there may be a newer value than was found.
        """
        w = self._w
        found: dict[Key, Entry] = {}
        unsure: set[Key] = set()
        waiting = list(flights)
        await self._remove(way, void)
        removed = set(void)
        pause, deadline = _FIRST_PAUSE, time.monotonic() + w.lease_seconds
        while waiting:
            asked = time.monotonic()
            lease = Lease(time.time() + w.lease_seconds)
            _count_asking(flights, waiting)
            held = await self._lease(way, waiting, lease)
            leased = [key for key in waiting if w.outer(key) not in held]
            try:
                entries = await w.good(way, w.entries(waiting, held), asked)
            except BaseException:
                await self._release(way, leased, lease)
                raise
            for key, entry in entries.items():
                found[key] = entry
                w.keep(key, entry, flights[key], asked)
            others = [
                key
                for key in waiting
                if isinstance(there := held.get(w.outer(key)), Lease) and not there.writes
            ]
            patient = time.monotonic() < deadline
            rest = [key for key in waiting if key not in entries and key not in leased]
            void = {
                key: there
                for key in rest
                if isinstance(there := held.get(w.outer(key)), Entry) and key not in removed
            }
            await self._remove(way, void)
            removed |= set(void)
            alone = [key for key in rest if key not in void and not (patient and key in others)]
            if leased or alone:
                loaded = await self._load_now(way, flights, loading, leased, lease, alone)
                found |= loaded[0]
                unsure |= loaded[1]
            waiting = [key for key in rest if key not in alone]
            if waiting and not void:
                w.counts["waited"] += 1
                await way.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        return found, unsure

    async def _remove(self, way: Way, entries: Mapping[Key, Entry]) -> None:
        """Delete entries from the last tier, unless others are there by now."""
        w = self._w
        if w.authority is not None and entries:
            gone = {w.outer(key): _GONE for key in entries}
            versions = {w.outer(key): entry.version for key, entry in entries.items()}
            await w.authority.ask(way, "replace_many", gone, versions)

    async def _lease(self, way: Way, keys: Collection[Key], lease: Lease) -> dict[Key, Held]:
        """Return what stands in the way of a lease; nothing, if nobody can tell."""
        if self._w.authority is None:
            return {}
        outer = [self._w.outer(key) for key in keys]
        try:
            held = await self._w.authority.ask(way, "lease_many", outer, lease)
        except BaseException:  # cancelled: it may have the lease nevertheless
            await self._release(way, keys, lease)
            raise
        return {} if held is DOWN else dict(held)

    async def _load_now(
        self,
        way: Way,
        flights: Mapping[Key, Flight],
        loading: Loading,
        leased: Collection[Key],
        lease: Lease,
        alone: Collection[Key],
    ) -> tuple[dict[Key, Entry], set[Key]]:
        w = self._w
        keys = [*leased, *alone]
        asked = time.monotonic()
        _count_asking(flights, keys)
        try:
            entries = await self._ask_source(way, keys, loading)
            if w.authority is None:
                stored = set(entries)
            else:
                stored = await self._store(way, entries, leased, lease)
        except BaseException:
            await self._release(way, leased, lease)
            raise
        for key in stored:
            w.keep(key, entries[key], flights[key], asked)
            w.keep_in_middles(key, entries[key], flights[key], asked)
        stored |= set(keys) - set(entries)
        return entries, {key for key in keys if key not in stored}

    async def _store(
        self,
        way: Way,
        entries: Mapping[Key, Entry],
        leased: Collection[Key],
        lease: Lease,
    ) -> set[Key]:
        """Store what was loaded in the lowest tier; return the keys whose entries may be copied."""
        w = self._w
        assert w.authority is not None
        fills = {w.outer(key): entries[key] for key in leased if key in entries}
        filled: Any = set()
        refused: set[Key] = set()
        if fills:
            filled, refused = await w.authority.store(way, "fill_many", fills, lease)
        needs_no_tier = w.consistency is Consistency.TTL  # but for their age
        if filled is DOWN:
            return set(entries) if needs_no_tier else set()
        nothing = [key for key in leased if key not in entries or w.outer(key) in refused]
        await self._release(way, nothing, lease)
        kept = filled | refused if needs_no_tier else filled
        return {key for key in entries if w.outer(key) in kept}

    async def _release(self, way: Way, keys: Collection[Key], lease: Lease) -> None:
        if self._w.authority is not None and keys:
            outer = [self._w.outer(key) for key in keys]
            await self._w.authority.ask(way, "release_many", outer, lease)

    async def _ask_source(
        self, way: Way, keys: Collection[Key], loading: Loading
    ) -> dict[Key, Entry]:
        w = self._w
        names = {key: w.names_of(key, loading.tags) for key in keys}
        every = {name for of_key in names.values() for name in of_key}
        await w.generations.refresh(way, every, time.monotonic())
        tags = {key: w.generations.tags(of_key) for key, of_key in names.items()}
        began, now = time.monotonic(), time.time()
        w.counts["loads"] += len(keys)
        try:
            with span("tiers.load", keys=len(keys)):
                answer = await way.call(loading.source, "load_many", list(keys))
            values = checked(loading.source, answer)
        except BaseException:
            w.counts["load_failures"] += len(keys)
            raise
        cost = (time.monotonic() - began) / len(keys)
        if w.lifetimes.negative_ttl is not None:
            values = {key: values.get(key, ABSENT) for key in keys}
        return {
            key: w.lifetimes.entry(value, now, cost=cost, tags=tags[key], ttl=loading.ttl)
            for key, value in values.items()
            if key in tags
        }

    # Refreshing

    def refresh_later(self, way: Way, key: Key, entry: Entry, loading: Loading | None) -> None:
        """Load a key anew in the background, unless somebody is at it already."""
        if loading is None:
            return
        mine, _ = self._w.board.join([key], object(), joinable=False)
        if key in mine and mine[key].valid:
            way.spawn(
                lambda: self._refresh(way, key, entry, loading, mine[key]),
                lambda: self._w.board.land(mine, {}),
            )
        else:
            self._w.board.land(mine, {})

    async def _refresh(
        self, way: Way, key: Key, entry: Entry, loading: Loading, flight: Flight
    ) -> None:
        w = self._w
        try:
            w.counts["refreshes"] += 1
            flight.keeps = w.hears()
            with w.expecting({key: flight}):
                await self._refresh_now(way, key, entry, loading, flight)
        except Exception as error:
            w.faults.report(Trouble.REFRESH, "source", error)

    async def _refresh_now(
        self, way: Way, key: Key, entry: Entry, loading: Loading, flight: Flight
    ) -> None:
        w = self._w
        asked = time.monotonic()
        if w.authority is None:
            fresh = (await self._ask_source(way, [key], loading)).get(key)
            if fresh is not None:
                w.keep(key, fresh, flight, asked)
            elif w.near is not None:
                w.near.drop([key])
            return
        outer, turn = w.outer(key), w.turn(key)
        held = await w.authority.ask(way, "get_many", [outer])
        there = None if held is DOWN else held.get(outer)
        if isinstance(there, Entry) and there.version != entry.version:
            if await w.good(way, {key: there}, asked):
                w.keep(key, there, flight, asked)
            return
        lease = Lease(time.time() + w.lease_seconds)
        if not isinstance(there, Entry):
            return  # it is gone, or the tier is down
        try:
            if await w.authority.ask(way, "lease_many", [turn], lease):
                return  # another process is at it
            fresh = (await self._ask_source(way, [key], loading)).get(key)
            refused: set[Key] = set()
            if fresh is not None:
                done, refused = await w.authority.store(
                    way, "replace_many", {outer: fresh}, {outer: entry.version}
                )
                if done == {outer}:
                    w.keep(key, fresh, flight, asked)
            if fresh is None or refused:
                await self._remove(way, {key: entry})
                if w.near is not None:
                    w.near.drop([key])
        finally:
            await w.authority.ask(way, "release_many", [turn], lease)
