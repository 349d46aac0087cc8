"""What `Tiers` does, the blocking and the awaiting way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from augury.errors import ConfigurationError, InvalidationError, TierError
from augury.events import TiersStats
from augury.loading import Default, Ttl, check_ttl
from augury.parameters import check_function, check_instance
from augury.sources import Source, as_source
from augury.tiers.behind import Behind, Write
from augury.tiers.contract import Health, Key, Tier
from augury.tiers.entry import ABSENT
from augury.tiers.filling import Loading
from augury.tiers.generations import tags_of
from augury.tiers.reading import Reader
from augury.tiers.updating import Updater
from augury.tiers.ways import Way
from augury.tiers.wiring import Wiring
from augury.tiers.writing import Writer


class Operations:
    """Reads and writes of a `Tiers`; everything that waits does so by a `Way`."""

    def __init__(
        self,
        tiers: tuple[Tier, ...],
        wiring: Wiring,
        source: Source[Any, Any] | None,
        tags: Callable[[Any], Iterable[str]] | None,
        *,
        behind: bool,
        queues: bool,
        queue: int,
    ) -> None:
        self.tiers = tiers
        self.wiring = wiring
        self.loading = None if source is None else Loading(source, tags)
        """How `get` loads; None where there is no source."""
        self._source = source
        self._tags = tags
        self._reader = Reader(wiring)
        self._writer = Writer(wiring, source)
        self._updater = Updater(wiring)
        self._writes_behind = behind
        self._behind: Behind | None = None
        if behind or queues:
            self._behind = Behind(
                self._writer, wiring.faults, most=queue, patience=wiring.lease_seconds
            )
            wiring.copy = self._behind.before(wiring.copy)

    async def read(self, way: Way, keys: Iterable[Any], loading: Loading | None) -> dict[Any, Any]:
        """Return the values of keys, those that are still to be written included."""
        keys = list(keys)
        found: dict[Any, Any] = {}
        if self._behind is not None:
            found = {key: write.value for key, write in self._behind.see(keys).items()}
            keys = [key for key in keys if key not in found]
        if keys:
            entries = await self._reader.read(way, keys, loading)
            found |= {key: entry.value for key, entry in entries.items()}
        return {key: value for key, value in found.items() if value is not ABSENT}

    def loading_by(
        self, loader: Callable[[Any], Any], ttl: Ttl | Default, tags: Iterable[str]
    ) -> Loading:
        """Return how to load by a function, with tags besides those that keys always have."""
        check_ttl("ttl", ttl)
        return Loading(as_source(loader), self._tags_by(tags), ttl)

    def _tags_by(self, names: Iterable[str]) -> Callable[[Any], Iterable[str]] | None:
        """Return what says a key's tags, with these besides."""
        more = tags_of(names)
        always = self._tags
        if not more:
            return always
        return (lambda _: more) if always is None else (lambda key: (*always(key), *more))

    # Writing

    async def set_many(
        self, way: Way, items: Mapping[Any, Any], ttl: Ttl | Default, tags: Iterable[str]
    ) -> None:
        """Store values, now or later."""
        check_ttl("ttl", ttl)
        check_instance("items", items, Mapping)
        of_key = self._tags_by(tags)
        done = False
        # What waits to be written is older: it must neither hide these values nor replace them.
        in_order = self._behind is None or not self._behind.see(items)
        if not self._writes_behind and in_order:
            done = await self._writer.store(way, items, of_key, ttl)
        if not done and self._behind is not None:
            await self._put_behind(self._behind, way, items, of_key, ttl)

    async def _put_behind(
        self,
        behind: Behind,
        way: Way,
        items: Mapping[Key, Any],
        tags: Callable[[Any], Iterable[str]] | None,
        ttl: Ttl | Default,
    ) -> None:
        await behind.put(
            way,
            {
                key: Write(value, () if tags is None else tags_of(tags(key)), ttl)
                for key, value in items.items()
            },
        )
        if self.wiring.near is not None:
            self.wiring.near.drop(list(items))

    async def update(
        self, way: Way, key: Key, change: Callable[[Any], Any], ttl: Ttl | Default
    ) -> Any:
        """Replace a value by what a function makes of it."""
        check_ttl("ttl", ttl)
        check_function("change", change)
        if self._writer.writes_source or self._behind is not None:
            raise ConfigurationError("update needs tiers that write through, and no other source")
        return await self._updater.update(way, key, change, ttl)

    async def delete_many(self, way: Way, keys: list[Any]) -> None:
        """Delete keys, and what is still to be written under them."""
        if self._behind is not None:
            await self._behind.settle(way, keys)
        await self._writer.remove(way, keys)

    async def invalidate_tag(self, way: Way, names: Iterable[str]) -> None:
        """Drop every entry with one of these tags."""
        tags = tags_of(names)
        await self._renew(way, tags, f"entries with the tags {', '.join(tags)}")

    async def clear(self, way: Way) -> None:
        """Drop every entry."""
        await self._renew(way, [""], "all entries")

    async def _renew(self, way: Way, tags: Sequence[str], entries: str) -> None:
        wiring = self.wiring
        if self._behind is not None and not self._writer.writes_source:
            await self._behind.settle_tagged(way, list(tags))
        try:
            await wiring.generations.renew(way, tags)
        except TierError as error:
            raise InvalidationError(f"{entries} may still be served: {error}") from error
        finally:
            wiring.look_again()

    async def invalidate(self, way: Way, keys: Iterable[Key]) -> None:
        """Drop what every tier holds of these keys."""
        await self._writer.invalidate(way, keys)

    async def flush(self, way: Way) -> None:
        """Wait until all that was written behind is done."""
        if self._behind is not None:
            await self._behind.flush(way)

    async def close(self, way: Way) -> None:
        """Write what waits, and close the tiers and the source."""
        try:
            if self._behind is not None:
                await self._behind.close(way)
        finally:
            self.wiring.close()
            errors = []
            for closed in (*self.tiers, *([] if self._source is None else [self._source])):
                try:
                    await way.call(closed, "close")
                except Exception as error:  # the others are closed nevertheless
                    errors.append(error)
            if errors:
                raise errors[0]

    async def health(self, way: Way) -> dict[str, Health]:
        """Ask every tier how it is."""
        return {tier.name: await way.call(tier, "health") for tier in self.tiers}

    def stats(self) -> TiersStats:
        """Return what was done so far."""
        wiring = self.wiring
        counts = wiring.counts
        hits = {level.name: level.hits for level in (*wiring.middles, wiring.authority) if level}
        if wiring.near is not None:
            hits = {self.tiers[0].name: wiring.near.cache.stats().hits, **hits}
        return TiersStats(
            hits=hits,
            loads=counts["loads"],
            load_failures=counts["load_failures"],
            joined=counts["joined"],
            waited=counts["waited"],
            refreshes=counts["refreshes"],
            waiting=0 if self._behind is None else len(self._behind),
            faults=dict(wiring.faults.counts),
        )
