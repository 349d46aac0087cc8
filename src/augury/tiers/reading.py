"""How tiers are read: from the first to the last, then from the source under a lease."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from augury.tiers.consistency import Consistency
from augury.tiers.contract import Key
from augury.tiers.entry import Entry
from augury.tiers.filling import Filler, Loading
from augury.tiers.flights import Flight, LookAgainError
from augury.tiers.levels import DOWN
from augury.tiers.near import Copy
from augury.tiers.ways import StillUnderWayError, Way
from augury.tiers.wiring import Wiring

# How often a reader whose key is being written joins others before it goes on its own.
_TRIES = 6
# Seconds that whoever looks again waits for others who do, twice as long each time: what is asked
# after they have joined answers them all.
_BOARDING = 0.002
# Seconds after which a refresh that has not brought anything new is tried again.
_REFRESH_AGAIN = 0.05


@dataclass(slots=True)
class Looked:
    """What the tiers below memory hold."""

    found: dict[Key, Entry] = field(default_factory=dict)
    void: dict[Key, Entry] = field(default_factory=dict)
    """In the lowest tier, with a tag that was dropped since."""


class Reader:
    """Reads entries; everything that waits does so by a `Way`."""

    def __init__(self, wiring: Wiring) -> None:
        self._w = wiring
        self._filler = Filler(wiring)

    async def read(
        self, way: Way, keys: Iterable[Key], loading: Loading | None
    ) -> dict[Key, Entry]:
        """Return the entries of keys, negative ones included; what is nowhere is left out."""
        w = self._w
        found: dict[Key, Entry] = {}
        missing = list(dict.fromkeys(keys))
        looks_alone = w.consistency is Consistency.VALIDATED
        if looks_alone:
            # A look that began before this one may have seen an older value: no joining.
            looked = await self._look(way, {key: Flight(None) for key in missing})
            found |= looked.found
            self._refresh_stale(way, found, loading)
            missing = [key for key in missing if key not in found]
            if loading is None:
                return found
        elif w.near is not None:
            missing = await self._look_near(way, missing, found, loading)
        loads = loading is not None
        for tries in range(_TRIES):
            if not missing:
                return found
            mine, others = w.board.join(missing, way.me(), loads=loads)
            boarding = _BOARDING * 2**tries if tries else 0.0
            found |= await self._fly(way, mine, loading, boarding, looks=not looks_alone)
            missing = []
            for key, seat in others.items():
                w.counts["joined"] += 1
                try:
                    entry = await way.wait(seat.flight.future, w.lease_seconds)
                except LookAgainError:
                    missing.append(key)
                    continue
                except StillUnderWayError:
                    w.board.strand(key, seat.flight)
                    missing.append(key)
                    continue
                if not seat.is_good() or (entry is None and loads and not seat.flight.loads):
                    missing.append(key)
                elif entry is not None:
                    found[key] = entry
        if missing:
            alone = {key: Flight(None, joinable=False) for key in missing}
            for flight in alone.values():
                flight.valid = False
            found |= (await self._fetch(way, alone, loading, looks=not looks_alone))[0]
        return found

    async def _fly(
        self,
        way: Way,
        mine: dict[Key, Flight],
        loading: Loading | None,
        boarding: float,
        *,
        looks: bool,
    ) -> dict[Key, Entry]:
        if not mine:
            return {}
        try:
            if boarding:
                await way.sleep(boarding)
            found, unsure = await self._fetch(way, mine, loading, looks=looks)
        except BaseException as error:
            self._w.board.land(mine, {}, error=error)
            raise
        # Without asking again, nobody knows whether this is the last version.
        validated = self._w.consistency is Consistency.VALIDATED
        self._w.board.land(mine, found, mine if validated else unsure)
        self._refresh_stale(way, found, loading)  # not before: it needs a flight of its own
        return found

    def _refresh_stale(self, way: Way, found: Mapping[Key, Entry], loading: Loading | None) -> None:
        """Have stale entries loaded anew, now that nobody fetches them any more."""
        now = time.time()
        for key, entry in found.items():
            if entry.fresh_until <= now:
                self._filler.refresh_later(way, key, entry, loading)

    async def _fetch(
        self, way: Way, flights: dict[Key, Flight], loading: Loading | None, *, looks: bool
    ) -> tuple[dict[Key, Entry], set[Key]]:
        """Return entries, and the keys of which an older value than the last may be among them."""
        keeps = self._w.hears()
        for flight in flights.values():
            flight.keeps = keeps  # what was written before it was heard of writes is not known
        with self._w.expecting(flights):
            looked = await self._look(way, flights) if looks else Looked()
            found = looked.found
            missing = {key: flight for key, flight in flights.items() if key not in found}
            if not missing or loading is None:
                return found, set()
            loaded, unsure = await self._filler.load(way, missing, loading, looked.void)
            return found | loaded, unsure

    # Memory

    async def _look_near(
        self, way: Way, keys: list[Key], found: dict[Key, Entry], loading: Loading | None
    ) -> list[Key]:
        """Put the copies that may be served into `found`; return the other keys."""
        w = self._w
        assert w.near is not None
        w.listen()
        now, wall = time.monotonic(), time.time()
        epoch = w.epoch  # a tag that is dropped meanwhile begins another
        copies: dict[Key, Copy] = w.near.cache.get_many(keys)
        if any(w.generations.unsure((n for n, _ in c.entry.tags), now) for c in copies.values()):
            names = {name for copy in copies.values() for name, _ in copy.entry.tags}
            await w.generations.refresh(way, names, now)
        for key, copy in copies.items():
            if copy.entry.expires <= wall:
                continue
            if not w.generations.holds(copy.entry.tags):
                w.near.drop([key])
                continue
            found[key] = copy.entry
            if copy.refresh_at <= now:
                copy.refresh_at = now + _REFRESH_AGAIN + copy.entry.cost
                self._filler.refresh_later(way, key, copy.entry, loading)
            copy.look_at = min(copy.refresh_at, w.look_at(copy.entry.tags))
            copy.epoch = epoch
        return [key for key in keys if key not in found]

    # Tiers below memory

    async def _look(self, way: Way, flights: Mapping[Key, Flight]) -> Looked:
        w = self._w
        looked = Looked()
        copies: dict[Key, Entry] = {}
        trusts_copies = w.consistency is Consistency.TTL
        for level in w.middles:
            missing = [
                key
                for key in flights
                if key not in looked.found
                and key not in copies
                and w.outer(key) not in w.dropping()
            ]
            if not missing:
                continue
            asked = time.monotonic()
            held = await level.ask(way, "get_many", [w.outer(key) for key in missing])
            entries = {} if held is DOWN else w.entries(missing, held)
            if trusts_copies:
                good = await w.good(way, entries, asked)
                level.hits += len(good)
                looked.found |= good
                for key, entry in good.items():
                    w.keep(key, entry, flights[key], asked)
            else:
                copies |= entries
        missing = [key for key in flights if key not in looked.found]
        if w.authority is not None and missing:
            await self._look_last(way, missing, flights, copies, looked)
        return looked

    async def _look_last(
        self,
        way: Way,
        keys: list[Key],
        flights: Mapping[Key, Flight],
        copies: dict[Key, Entry],
        looked: Looked,
    ) -> None:
        w = self._w
        assert w.authority is not None
        asked = time.monotonic()
        if w.consistency is Consistency.TTL:
            held = await w.authority.ask(way, "get_many", [w.outer(key) for key in keys])
            if held is DOWN:
                return
            entries = w.entries(keys, held)
        else:
            if w.consistency is Consistency.VALIDATED and w.near is not None:
                near: dict[Key, Copy] = w.near.cache.get_many(keys)
                copies |= {key: copy.entry for key, copy in near.items()}
            changed = await self._get_changed(way, keys, copies, asked)
            if changed is DOWN:
                return
            entries = {
                key: copies[key] for key in keys if key in copies and w.outer(key) not in changed
            } | w.entries(keys, changed)
        good = await w.good(way, entries, asked)
        looked.void |= {key: entry for key, entry in entries.items() if key not in good}
        w.authority.hits += len(good)
        looked.found |= good
        for key, entry in good.items():
            w.keep(key, entry, flights[key], asked)
            w.keep_in_middles(key, entry, flights[key], asked)

    async def _get_changed(
        self, way: Way, keys: list[Key], copies: Mapping[Key, Entry], asked: float
    ) -> Any:
        """Ask the lowest tier for all that is not known to it, tags included, at once."""
        w = self._w
        assert w.authority is not None
        names = {name for key in keys if key in copies for name, _ in copies[key].tags} | w.always
        known = {name: w.generations.known(name) for name in w.generations.unsure(names, asked)}
        versions = {w.outer(key): copies[key].version if key in copies else b"" for key in keys}
        versions |= {w.generations.key(name): generation for name, generation in known.items()}
        changed = await w.authority.ask(way, "get_changed", versions)
        if changed is DOWN:
            return DOWN
        for name, generation in known.items():
            if w.generations.key(name) not in changed:
                w.generations.learn(name, generation, asked)
        heard = {name for name in known if w.generations.key(name) in changed}
        await w.generations.take_in(way, heard, changed, asked)
        return changed
