"""How tiers are written: the source first, under a lease that keeps loaders and writers apart."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from augury.errors import InvalidationError, TierError
from augury.events import Trouble
from augury.loading import DEFAULT, Default, Ttl
from augury.sources import Source
from augury.tiers.consistency import Consistency
from augury.tiers.contract import Key
from augury.tiers.entry import Entry, Lease
from augury.tiers.flights import Flight
from augury.tiers.levels import DOWN
from augury.tiers.ways import Way
from augury.tiers.wiring import Wiring

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.05


class Writer:
    """Writes values and deletes them; everything that waits does so by a `Way`.

    Parameters
    ----------
    wiring
        The parts of the tiers.
    source
        Where values come from; written first, if it is writable.
    """

    def __init__(self, wiring: Wiring, source: Source[Any, Any] | None) -> None:
        self._w = wiring
        self._source = source if source is not None and source.writable else None

    @property
    def writes_source(self) -> bool:
        """Whether there is a source that is written."""
        return self._source is not None

    async def store(
        self,
        way: Way,
        items: Mapping[Key, Any],
        tags: Callable[[Key], Iterable[str]] | None,
        ttl: Ttl | Default = DEFAULT,
    ) -> bool:
        """Store values; return whether they reached the last tier.

        Raises
        ------
        InvalidationError
            If they are in the source, but the last tier may still serve what was there before.
        """
        if not items:
            return True
        names = {key: self._w.names_of(key, tags) for key in items}
        if self._source is None:
            return await self._store_in_tiers(way, items, names, ttl)
        await self._write_source(
            way,
            list(items),
            lambda source: way.call(source, "store_many", items),
            items,
            names,
            ttl,
        )
        return True

    async def remove(self, way: Way, keys: Iterable[Key]) -> None:
        """Delete keys, in the source too if it is writable."""
        keys = list(dict.fromkeys(keys))
        if self._source is None or not keys:
            await self.invalidate(way, keys)
            return
        await self._write_source(
            way, keys, lambda source: way.call(source, "remove_many", keys), {}, {}, DEFAULT
        )

    async def invalidate(self, way: Way, keys: Iterable[Key]) -> None:
        """Drop what every tier holds of these keys.

        Raises
        ------
        InvalidationError
            If a tier could not be told.
        """
        keys = list(dict.fromkeys(keys))
        if not keys:
            return
        self._drop_near(keys)
        outer = [self._w.outer(key) for key in keys]
        failed = []
        for level in (*self._w.middles, self._w.authority):
            if level is not None:
                try:
                    await level.insist(way, "delete_many", outer)
                except TierError as error:
                    failed.append(f"{level.name}: {error}")
        self._w.drop_demoted(outer)
        self._drop_near(keys)
        if failed:
            raise InvalidationError(
                f"{len(keys)} keys may still be served by {'; '.join(failed)}; delete them again"
            )

    def _drop_near(self, keys: Iterable[Key]) -> None:
        if self._w.near is not None:
            self._w.near.drop(list(keys))
        else:
            self._w.board.revoke(keys)

    async def _entries(
        self,
        way: Way,
        items: Mapping[Key, Any],
        names: Mapping[Key, tuple[str, ...]],
        ttl: Ttl | Default,
    ) -> dict[Key, Entry]:
        w = self._w
        every = {name for of in names.values() for name in of}
        await w.generations.refresh(way, every, time.monotonic())
        now = time.time()
        return {
            key: w.lifetimes.entry(value, now, tags=w.generations.tags(names[key]), ttl=ttl)
            for key, value in items.items()
        }

    async def _store_in_tiers(
        self,
        way: Way,
        items: Mapping[Key, Any],
        names: Mapping[Key, tuple[str, ...]],
        ttl: Ttl | Default,
    ) -> bool:
        """Store values where the last tier is what is true."""
        w = self._w
        began = time.monotonic()
        entries = await self._entries(way, items, names, ttl)
        flights = w.board.claim(items, way.me())
        try:
            if w.near is not None:
                w.near.drop_copies(items)
            if w.authority is not None:
                outer = {w.outer(key): entry for key, entry in entries.items()}
                if await w.authority.ask(way, "set_many", outer) is DOWN:
                    w.faults.report(
                        Trouble.DROPPED, w.authority.name, f"{len(items)} writes did not reach it"
                    )
                    return False
                for level in w.middles:
                    await level.ask(way, "delete_many", list(outer))
                w.drop_demoted(list(outer))
            if w.near is not None and (w.authority is None or w.consistency is Consistency.TTL):
                for key, entry in entries.items():
                    w.keep(key, entry, flights[key], began)
        finally:
            w.board.land(flights, {})
        return True

    async def _write_source(
        self,
        way: Way,
        keys: list[Key],
        write: Callable[[Source[Any, Any]], Any],
        items: Mapping[Key, Any],
        names: Mapping[Key, tuple[str, ...]],
        ttl: Ttl | Default,
    ) -> None:
        """Write to the source while no loader can store, and no other writer writes, these keys."""
        w = self._w
        assert self._source is not None
        lease = Lease(time.time() + w.lease_seconds, writes=True)
        await self._lease(way, keys, lease)
        flights: dict[Key, Flight] = w.board.claim(keys, way.me())
        try:
            if w.near is not None:
                w.near.drop_copies(keys)
            try:
                entries = await self._entries(way, items, names, ttl)
                await write(self._source)
                stored = await self._fill(way, entries, lease)
            except BaseException:
                # Perhaps the source was written nevertheless: nothing may be kept of before.
                await self._forget(way, keys)
                raise
            # Of a key that has the lease no longer, or never had it, a loader may have stored what
            # was there before, or be about to: to delete it ends his lease, too.
            rest = [key for key in keys if key not in stored]
            if not await self._forget(way, rest, middles=keys):
                assert w.authority is not None
                raise InvalidationError(
                    f"the source was written, but {w.authority.name} may still serve old values of "
                    f"{len(rest)} keys: invalidate them once it answers"
                )
        finally:
            # Without a lease another writer may have ended meanwhile, and a copy been kept since.
            self._drop_near(keys)
            w.board.land(flights, {})

    async def _fill(self, way: Way, entries: Mapping[Key, Entry], lease: Lease) -> set[Key]:
        """Store entries in the last tier under a lease; return the keys of which it has them."""
        w = self._w
        if w.authority is None or not entries:
            return set()
        outer = {w.outer(key): entry for key, entry in entries.items()}
        stored, _ = await w.authority.store(way, "fill_many", outer, lease)
        return set() if stored is DOWN else {key for key in entries if w.outer(key) in stored}

    async def _forget(
        self, way: Way, keys: Iterable[Key], middles: Iterable[Key] | None = None
    ) -> bool:
        """Delete keys in the tiers; return whether the last one has done it."""
        w = self._w
        outer = [w.outer(key) for key in keys]
        upper = outer if middles is None else [w.outer(key) for key in middles]
        for level in w.middles:
            await level.ask(way, "delete_many", upper)
        w.drop_demoted(upper)
        if w.authority is None or not outer:
            return True
        try:
            await w.authority.insist(way, "delete_many", outer)
        except TierError:
            return False
        return True

    async def _lease(self, way: Way, keys: list[Key], lease: Lease) -> None:
        """Place a writer's lease on all keys, unless the last tier does not answer.

        Either on all or on none, so that no two writers wait for each other for ever.

        Raises
        ------
        TierError
            If other writers keep theirs for too long.
        """
        w = self._w
        if w.authority is None:
            return
        outer = [w.outer(key) for key in keys]
        pause, deadline = _FIRST_PAUSE, time.monotonic() + w.lease_seconds
        while True:
            try:
                taken = await w.authority.ask(way, "lease_many", outer, lease)
            except BaseException:  # cancelled: it may have the lease nevertheless
                await w.authority.ask(way, "release_many", outer, lease)
                raise
            if taken is DOWN or not taken:
                return
            await w.authority.ask(way, "release_many", outer, lease)
            if time.monotonic() >= deadline:
                raise TierError(
                    f"another writer holds {len(taken)} of these keys for too long; nothing was "
                    "written; try again"
                )
            await way.sleep(pause * (0.5 + random.random()))
            pause = min(2 * pause, _LONGEST_PAUSE)
