"""Levels of storage that look like one cache: what users call."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Generic, Literal, TypeVar, cast, overload

from augury.closing import AsyncClosing
from augury.events import Fault, TiersStats
from augury.loading import DEFAULT, NOTHING, Default, Ttl
from augury.sources import Source
from augury.tiers.assembly import assemble
from augury.tiers.consistency import Consistency
from augury.tiers.contract import Health, Tier
from augury.tiers.entry import ABSENT
from augury.tiers.lifetimes import Lifetimes
from augury.tiers.placement import Placement
from augury.tiers.ways import AWAITING, BLOCKING, run

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
T = TypeVar("T")


class Tiers(AsyncClosing, Generic[K, V]):
    """Several levels of storage that look like one cache, in front of a source.

    A read goes from the first tier to the last and then to the source. However many ask at once,
    there is one load a key, in this process and, where the last tier is shared, in all of them.
    What is found below is kept above. A tier that is down is done without.

    Parameters
    ----------
    tiers
        From the nearest to the last one, which holds everything that the others hold copies of:
        `Memory`, `Disk`, `Redis`, `Memcached`. A `Memory` can only be first.
    source
        What answers what is in no tier: an `augury.sources.Source`, or a function of a key. If it
        is writable, `set` and `delete` write it first. None: nothing does; what the last tier holds
        is true.
    ttl
        How long an entry is fresh: seconds, a timedelta, a function of the value that returns one
        of these, or None (the default) for ever.
    near_ttl
        With ``consistency="ttl"``, how many seconds a copy above the last tier may be served. By
        default as long as the entry itself.
    consistency
        What a read promises about writes by other processes: ``"ttl"`` (the default), ``"tracked"``
        or ``"validated"``; see `augury.tiers.Consistency` and docs/tiers.md.
    stale
        Seconds after `ttl` in which an entry is still served while a new one is loaded in the
        background. By default 0.
    jitter
        Up to which share of `ttl`, at random, an entry lives shorter, so that entries loaded
        together are not loaded together again. By default 0.1.
    eagerness
        How early an entry in memory is loaded anew in the background before its `ttl` is over:
        times what loading it took, times an exponential random number. By default 1.0; 0 for not.
    negative_ttl
        How long it is remembered that the source has nothing. By default not at all.
    tags
        ``tags(key)`` returns the names under which `invalidate_tag` finds the entry. By default
        none.
    namespace
        Keeps the keys of several `Tiers` that share a tier apart, and is what `clear` drops.
    write
        ``"through"`` (the default): writes are done when the call returns. ``"behind"``: they are
        seen at once and done later; see `augury.tiers.behind.Behind`.
    outage
        What becomes of a `set` that the last tier does not take where there is no source:
        ``"drop"`` (the default; the fault is reported) or ``"queue"`` (tried again).
    queue
        How many keys may wait to be written. By default 10,000.
    lease
        Seconds that a load or a write may take before others go on without it. By default 10.
    placement
        Which entries that memory has no room for go to the tier below it, if there is another one
        after that. By default `SeenBefore`; `Predicted` asks a model.
    on_fault
        Is told of every `augury.events.Fault` that was coped with.

    Raises
    ------
    ConfigurationError
        If the parameters make no sense together.

    Examples
    --------
    >>> from augury.tiers import Memory, Tiers
    >>> squares = Tiers([Memory(100)], source=lambda x: x * x)
    >>> squares[12], squares.get_many([2, 3])
    (144, {2: 4, 3: 9})
    >>> squares.stats().loads
    3
    """

    def __init__(
        self,
        tiers: Sequence[Tier],
        *,
        source: Source[K, V] | Callable[[K], Any] | None = None,
        ttl: Ttl | Callable[[Any], Ttl] = None,
        near_ttl: float | timedelta | None = None,
        consistency: Literal["ttl", "tracked", "validated"] | Consistency = "ttl",
        stale: float | timedelta = 0.0,
        jitter: float = 0.1,
        eagerness: float = 1.0,
        negative_ttl: Ttl = None,
        tags: Callable[[K], Iterable[str]] | None = None,
        namespace: str = "",
        write: Literal["through", "behind"] = "through",
        outage: Literal["drop", "queue"] = "drop",
        queue: int = 10_000,
        lease: float | timedelta = 10.0,
        placement: Placement | None = None,
        on_fault: Callable[[Fault], object] | None = None,
    ) -> None:
        self._operations = assemble(
            tiers,
            source,
            lifetimes=Lifetimes(ttl, stale, jitter, negative_ttl),
            near_ttl=near_ttl,
            consistency=consistency,
            eagerness=eagerness,
            tags=tags,
            namespace=namespace,
            write=write,
            outage=outage,
            queue=queue,
            lease=lease,
            placement=placement,
            on_fault=on_fault,
        )
        # What the fast path of `get` needs, at hand.
        self._wiring = self._operations.wiring
        self._copy = self._wiring.copy

    def __repr__(self) -> str:
        return f"<Tiers {' > '.join(tier.name for tier in self._operations.tiers)}>"

    # Reading

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: V | T) -> V | T: ...
    def get(self, key: K, default: Any = None) -> Any:
        """Return a key's value, loaded if it is in no tier, or `default` if there is none.

        Raises
        ------
        SourceError, Exception
            What made loading fail.
        """
        value = self._near(key)
        if value is not NOTHING:
            return default if value is ABSENT else value
        return run(self._operations.read(BLOCKING, [key], self._operations.loading)).get(
            key, default
        )

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """Return the values of keys; those that have none are left out."""
        return run(self._operations.read(BLOCKING, keys, self._operations.loading))

    def get_or_load(
        self,
        key: K,
        loader: Callable[[K], V],
        *,
        ttl: Ttl | Default = DEFAULT,
        tags: Iterable[str] = (),
    ) -> V:
        """Return a key's value; if it is in no tier, that of ``loader(key)``, which is kept.

        Parameters
        ----------
        key
            Any value that `augury.keys` can encode.
        loader
            Returns the value of the key that it is called with.
        ttl
            In place of the default time to live.
        tags
            Names under which `invalidate_tag` finds the entry.

        Raises
        ------
        KeyError
            If the loader raised it: there is no value.
        Exception
            What else it raised.
        """
        found = run(
            self._operations.read(BLOCKING, [key], self._operations.loading_by(loader, ttl, tags))
        )
        return cast("V", found[key])

    def __getitem__(self, key: K) -> V:
        value: Any = self.get(key, NOTHING)
        if value is NOTHING:
            raise KeyError(key)
        return cast("V", value)

    __iter__ = None
    """Nobody knows all keys; without this, Python would ask for 0, 1, 2 and so on."""

    def __contains__(self, key: K) -> bool:
        """Return whether a tier holds a value; nothing is loaded."""
        return key in run(self._operations.read(BLOCKING, [key], None))

    def _near(self, key: K) -> Any:
        """Return what memory holds, if that may be served without asking anybody."""
        copy = self._copy(key)
        if copy is not None:
            now, wiring = time.monotonic(), self._wiring
            if now < copy.look_at and now < wiring.listens_at and copy.epoch is wiring.epoch:
                return copy.value
        return NOTHING

    async def aget(self, key: K, default: Any = None) -> Any:
        """Do what `get` does."""
        value = self._near(key)
        if value is not NOTHING:
            return default if value is ABSENT else value
        return (await self._operations.read(AWAITING, [key], self._operations.loading)).get(
            key, default
        )

    async def aget_many(self, keys: Iterable[K]) -> dict[K, V]:
        """Do what `get_many` does."""
        return await self._operations.read(AWAITING, keys, self._operations.loading)

    async def aget_or_load(
        self,
        key: K,
        loader: Callable[[K], Any],
        *,
        ttl: Ttl | Default = DEFAULT,
        tags: Iterable[str] = (),
    ) -> V:
        """Do what `get_or_load` does; `loader` may be a coroutine function."""
        loading = self._operations.loading_by(loader, ttl, tags)
        return cast("V", (await self._operations.read(AWAITING, [key], loading))[key])

    async def acontains(self, key: K) -> bool:
        """Return whether a tier holds a value for a key; nothing is loaded."""
        return key in await self._operations.read(AWAITING, [key], None)

    # Writing

    def set(
        self, key: K, value: V, *, ttl: Ttl | Default = DEFAULT, tags: Iterable[str] = ()
    ) -> None:
        """Store a value: in the source, if that is writable, and in the tiers.

        Parameters
        ----------
        key
            Any value that `augury.keys` can encode.
        value
            Any value that the tiers' codecs carry.
        ttl
            In place of the default time to live.
        tags
            Names under which `invalidate_tag` finds the entry.

        Raises
        ------
        InvalidationError
            If the source was written but the last tier may still serve what was there before.
        TierError
            If another writer holds the key for too long, or no room is left to write behind.
        """
        self.set_many({key: value}, ttl=ttl, tags=tags)

    def set_many(
        self, items: Mapping[K, V], *, ttl: Ttl | Default = DEFAULT, tags: Iterable[str] = ()
    ) -> None:
        """Store many `items` as `set` does; `ttl` and `tags` are for all of them."""
        run(self._operations.set_many(BLOCKING, items, ttl, tags))

    def __setitem__(self, key: K, value: V) -> None:
        self.set(key, value)

    def update(self, key: K, change: Callable[[V], V], *, ttl: Ttl | Default = DEFAULT) -> V:
        """Replace a value by ``change(value)``, and return that; no other write is lost.

        Parameters
        ----------
        key
            Whose value.
        change
            Is called anew if somebody else has written meanwhile.
        ttl
            Time to live from now on. By default the entry expires when it would have.

        Raises
        ------
        KeyError
            If the last tier holds no value; nothing is loaded.
        ConfigurationError
            If writes go to a source or are done later, or there is no tier besides memory.
        TierError
            If the last tier does not answer.
        """
        return cast("V", run(self._operations.update(BLOCKING, key, change, ttl)))

    def delete(self, key: K) -> None:
        """Delete a key: from the source, if that is writable, and from the tiers.

        Raises
        ------
        InvalidationError
            If a tier could not be told, so that it may still serve the old value.
        """
        self.delete_many([key])

    def delete_many(self, keys: Iterable[K]) -> None:
        """Delete many keys as `delete` does."""
        run(self._operations.delete_many(BLOCKING, list(keys)))

    def __delitem__(self, key: K) -> None:
        self.delete(key)

    def invalidate(self, *keys: K) -> None:
        """Drop what every tier holds of these keys; the source stays as it is.

        Raises
        ------
        InvalidationError
            If a tier could not be told.
        """
        run(self._operations.invalidate(BLOCKING, keys))

    def invalidate_tag(self, *names: str) -> None:
        """Drop every entry with one of these `names` as a tag, at once however many there are.

        Raises
        ------
        InvalidationError
            If the last tier could not be told.
        """
        run(self._operations.invalidate_tag(BLOCKING, names))

    def clear(self) -> None:
        """Drop every entry of this namespace, at once however many there are."""
        run(self._operations.clear(BLOCKING))

    async def aset(
        self, key: K, value: V, *, ttl: Ttl | Default = DEFAULT, tags: Iterable[str] = ()
    ) -> None:
        """Do what `set` does."""
        await self._operations.set_many(AWAITING, {key: value}, ttl, tags)

    async def aset_many(
        self, items: Mapping[K, V], *, ttl: Ttl | Default = DEFAULT, tags: Iterable[str] = ()
    ) -> None:
        """Do what `set_many` does."""
        await self._operations.set_many(AWAITING, items, ttl, tags)

    async def aupdate(self, key: K, change: Callable[[V], V], *, ttl: Ttl | Default = DEFAULT) -> V:
        """Do what `update` does."""
        return cast("V", await self._operations.update(AWAITING, key, change, ttl))

    async def adelete(self, key: K) -> None:
        """Do what `delete` does."""
        await self._operations.delete_many(AWAITING, [key])

    async def adelete_many(self, keys: Iterable[K]) -> None:
        """Do what `delete_many` does."""
        await self._operations.delete_many(AWAITING, list(keys))

    async def ainvalidate(self, *keys: K) -> None:
        """Do what `invalidate` does."""
        await self._operations.invalidate(AWAITING, keys)

    async def ainvalidate_tag(self, *names: str) -> None:
        """Do what `invalidate_tag` does."""
        await self._operations.invalidate_tag(AWAITING, names)

    async def aclear(self) -> None:
        """Do what `clear` does."""
        await self._operations.clear(AWAITING)

    # Life

    def flush(self) -> None:
        """Wait until all that was written behind is done, and raise what made a write fail."""
        run(self._operations.flush(BLOCKING))

    async def aflush(self) -> None:
        """Do what `flush` does."""
        await self._operations.flush(AWAITING)

    def close(self) -> None:
        """Write what waits, and close the tiers and the source. A second call does nothing.

        After that reads go on to the source, writes are dropped and reported, and deletions raise.
        """
        run(self._operations.close(BLOCKING))

    async def aclose(self) -> None:
        """Do what `close` does."""
        await self._operations.close(AWAITING)

    def health(self) -> dict[str, Health]:
        """Ask every tier how it is; return what each said, by its name."""
        return run(self._operations.health(BLOCKING))

    async def ahealth(self) -> dict[str, Health]:
        """Do what `health` does."""
        return await self._operations.health(AWAITING)

    def stats(self) -> TiersStats:
        """Return what was done since these tiers were made."""
        return self._operations.stats()
