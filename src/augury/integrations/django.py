"""A cache backend of Django, in this process or in tiers.

In the settings::

    CACHES = {"default": {"BACKEND": "augury.integrations.django.AuguryCache"}}
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from augury.cache import Cache
from augury.errors import ConfigurationError, MissingExtraError
from augury.integrations.packing import Packing
from augury.integrations.store import Store, store_of
from augury.loading import NOTHING
from augury.tiers import Disk, Memcached, Memory, Redis, Tier, Tiers

try:
    from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
    from django.utils.module_loading import import_string
except ImportError:
    raise MissingExtraError("django", "django") from None

T = TypeVar("T")

__all__ = ["AuguryCache"]

_ENTRIES = 10_000
_OF_MEMORY = ("policy", "model", "learn", "record", "seed")


class AuguryCache(BaseCache):  # type: ignore[misc]
    """Keeps what Django caches in an `augury.Cache`, or in `augury.Tiers`.

    Parameters
    ----------
    location
        Where entries are, the setting ``LOCATION``. A name without ``://``, or none: in the memory
        of this process. Else a URL, or a list of them from the nearest tier to the last:
        ``"memory"``, ``"disk:///folder"``, ``"redis://host"`` (as `redis.from_url` takes it),
        ``"memcached://host:port"``. Caches with the same ``LOCATION`` and ``OPTIONS`` share
        entries.
    params
        The other settings. ``TIMEOUT``, ``KEY_PREFIX``, ``VERSION`` and ``KEY_FUNCTION`` are what
        they are for every backend. ``OPTIONS`` may have:

        - ``MAX_ENTRIES``: entries in memory, 10,000 by default. The policy culls, one by one:
          ``CULL_FREQUENCY`` has no meaning.
        - ``policy``, ``model``, ``learn``, ``record``, ``seed``: as `augury.Cache` takes them.
        - ``pickle``: whether tiers carry what only pickle can (querysets, responses), signed with
          ``SECRET_KEY``. By default not: who can write to them and knows the key could run code
          here.
        - ``cache``: a function, or its dotted path, that returns the `Cache` or `Tiers` to use, in
          place of all these. It is called once a process.
        - With tiers, whatever else `augury.Tiers` takes, such as ``consistency``: by default
          ``"tracked"`` if memory is in front of Redis, ``"validated"`` in front of others.

    Raises
    ------
    ConfigurationError
        If there is no such location or option.

    Notes
    -----
    `get_or_set` calls a default that is a function once, however many ask for the key at a time.
    In memory, values are pickled as Django's own backend pickles them; the bytes never leave the
    process. ``incr``, ``decr``, ``touch`` and ``add`` are atomic, in tiers across processes.
    """

    def __init__(self, location: str | Collection[str], params: dict[str, Any]) -> None:
        super().__init__(params)
        options = {**params.get("OPTIONS", {})}
        pickles = options.pop("pickle", False)
        self._store = _shared(location, options)
        packing = Packing(leaves=not self._store.near, secret=_secret_key() if pickles else None)
        self._pack, self._unpack = packing.pack, packing.unpack

    def _key(self, key: Any, version: int | None) -> str:
        return str(self.make_and_validate_key(key, version=version))

    def _ttl(self, timeout: Any) -> float | None:
        """Return seconds to live; 0 if an entry is past its time at once."""
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return None if seconds is None else max(0.0, float(seconds))

    # Django's methods

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Store a value unless there is one; return whether it was stored."""
        name, ttl = self._key(key, version), self._ttl(timeout)
        packed = self._pack(name, value)
        if ttl == 0:
            return not self._store.get_many([name])
        stored = []

        def load(_: str) -> Any:
            stored.append(True)
            return packed

        self._store.get_or_load(name, load, ttl)
        return bool(stored)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return a value, or the default."""
        name = self._key(key, version)
        return self._unpack(name, self._store.get(name, NOTHING), default)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """Store a value."""
        name, ttl = self._key(key, version), self._ttl(timeout)
        packed = self._pack(name, value)
        if ttl == 0:
            self._store.delete_many([name])
        else:
            self._store.set(name, packed, ttl)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Let an entry live for so long from now on; return whether there is one."""
        name, ttl = self._key(key, version), self._ttl(timeout)
        if ttl == 0:
            return bool(self._store.delete_many([name]))
        try:
            self._store.update(name, lambda kept: kept, ttl)
        except KeyError:
            return False
        return True

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Delete an entry; return whether there was one."""
        return bool(self._store.delete_many([self._key(key, version)]))

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Return the values of those keys that have one."""
        names = {self._key(key, version): key for key in keys}
        found = self._store.get_many(list(names))
        values = {names[name]: self._unpack(name, kept, NOTHING) for name, kept in found.items()}
        return {key: value for key, value in values.items() if value is not NOTHING}

    def set_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        """Store values; return the keys of those that could not be, which there are none of."""
        names = ((self._key(key, version), value) for key, value in data.items())
        items = {name: self._pack(name, value) for name, value in names}
        ttl = self._ttl(timeout)
        if ttl == 0:
            self._store.delete_many(list(items))
        else:
            self._store.set_many(items, ttl)
        return []

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Delete entries."""
        self._store.delete_many([self._key(key, version) for key in keys])

    def get_or_set(
        self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """Return a value, or store and return the default; if that is a function, its result."""
        name, ttl = self._key(key, version), self._ttl(timeout)
        made = default if callable(default) else lambda: default
        if ttl == 0:
            value = self.get(key, NOTHING, version)
            return made() if value is NOTHING else value
        kept = self._store.get_or_load(name, lambda _: self._pack(name, made()), ttl)
        value = self._unpack(name, kept, NOTHING)
        if value is NOTHING:  # signed with another key: nobody will be able to read it
            value = made()
            self._store.set(name, self._pack(name, value), ttl)
        return value

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> Any:
        """Add to a number, and return what it is then; it expires when it would have.

        Raises
        ------
        ValueError
            If there is none.
        """
        name = self._key(key, version)

        def more(kept: Any) -> Any:
            value = self._unpack(name, kept, NOTHING)
            if value is NOTHING:
                raise KeyError(name)
            return self._pack(name, value + delta)

        try:
            kept = self._store.update(name, more)
        except KeyError:
            raise ValueError(f"Key '{key}' not found") from None
        return self._unpack(name, kept)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """Return whether there is an entry."""
        return bool(self._store.get_many([self._key(key, version)]))

    def clear(self) -> None:
        """Delete all entries: of every cache that shares them, whatever the prefix."""
        self._store.clear()

    # The same for coroutines

    # What may wait for a thread that makes a value waits in a thread, in memory, too: that one may
    # need the event loop.

    async def _awaited(self, method: Callable[..., T], *arguments: Any) -> T:
        """Do it here if it waits for nothing, else in a thread."""
        if self._store.near:
            return method(*arguments)
        return await asyncio.to_thread(method, *arguments)

    async def aadd(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Do what `add` does."""
        return await asyncio.to_thread(self.add, key, value, timeout, version)

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Do what `get` does."""
        name = self._key(key, version)
        return self._unpack(name, await self._store.aget(name, NOTHING), default)

    async def aset(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """Do what `set` does."""
        await self._awaited(self.set, key, value, timeout, version)

    async def atouch(
        self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Do what `touch` does."""
        return await self._awaited(self.touch, key, timeout, version)

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        """Do what `delete` does."""
        return await self._awaited(self.delete, key, version)

    async def aget_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """Do what `get_many` does."""
        return await self._awaited(self.get_many, keys, version)

    async def aset_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        """Do what `set_many` does."""
        return await self._awaited(self.set_many, data, timeout, version)

    async def adelete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Do what `delete_many` does."""
        await self._awaited(self.delete_many, keys, version)

    async def aget_or_set(
        self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """Do what `get_or_set` does."""
        value = await self.aget(key, NOTHING, version)
        if value is not NOTHING:
            return value
        return await asyncio.to_thread(self.get_or_set, key, default, timeout, version)

    async def aincr(self, key: Any, delta: int = 1, version: int | None = None) -> Any:
        """Do what `incr` does."""
        return await self._awaited(self.incr, key, delta, version)

    async def ahas_key(self, key: Any, version: int | None = None) -> bool:
        """Do what `has_key` does."""
        return await self._awaited(self.has_key, key, version)

    async def aclear(self) -> None:
        """Do what `clear` does."""
        await self._awaited(self.clear)


def _secret_key() -> str:
    from django.conf import settings  # in this module, doctest would ask it for settings

    return str(settings.SECRET_KEY)


# Django makes a backend for each thread: what they keep is made once.
_stores: dict[str, Store] = {}
_making = threading.Lock()


def _shared(location: str | Collection[str], options: dict[str, Any]) -> Store:
    """Return what is kept there with these options, made on first use."""
    name = repr((location, sorted(options.items())))
    with _making:
        if name not in _stores:
            _stores[name] = store_of(_made(location, options))
        return _stores[name]


def _made(
    location: str | Collection[str], options: dict[str, Any]
) -> Cache[Any, Any] | Tiers[Any, Any]:
    given = options.get("cache")
    if given is not None:
        made = (import_string(given) if isinstance(given, str) else given)()
        if not isinstance(made, Cache | Tiers):
            raise ConfigurationError(f"OPTIONS['cache'] must make a Cache or Tiers, not {made!r}")
        return made
    capacity = int(options.pop("MAX_ENTRIES", _ENTRIES))
    options.pop("CULL_FREQUENCY", None)
    memory = {each: options.pop(each) for each in _OF_MEMORY if each in options}
    urls = [location] if isinstance(location, str) else list(location)
    try:
        if not isinstance(location, str) or "://" in location:
            tiers = [_tier(url, capacity, memory) for url in urls]
            if len(tiers) > 1 and "consistency" not in options:
                tracks = isinstance(tiers[-1], Redis)
                options["consistency"] = "tracked" if tracks else "validated"
            return Tiers(tiers, **{"jitter": 0.0, "namespace": "django", **options})
        return Cache(capacity, **memory, **options)
    except TypeError as error:
        raise ConfigurationError(f"OPTIONS of the cache at {location!r}: {error}") from None


def _tier(url: str, capacity: int, memory: dict[str, Any]) -> Tier:
    parts = urlsplit(url)
    if url == "memory":
        return Memory(capacity, **memory)
    if parts.scheme in ("redis", "rediss", "unix"):
        return Redis(url)
    if parts.scheme == "memcached":
        return Memcached(parts.netloc)
    if parts.scheme == "disk":
        return Disk(parts.path)
    raise ConfigurationError(
        f"LOCATION {url!r} is none of memory, disk:///folder, redis://…, memcached://host:port"
    )
