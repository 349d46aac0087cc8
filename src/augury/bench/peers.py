"""One adapter for each peer: how its users write what is measured, in the fastest way it documents.

Every loop is written out, because a call in between would cost more than most of these caches.
"""

# ruff: noqa: D102  (what the methods do is told in Peer)

from __future__ import annotations

import functools
import importlib.util
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module, metadata
from typing import Any

from augury import policies

Lock = AbstractContextManager[Any]


class Peer:
    """A bounded mapping with `get` and item assignment; others override what they do otherwise."""

    name: str
    package: str | None = None
    """Distribution that brings it; None for the standard library."""
    module: str | None = None
    shared: bool = True
    """Whether threads may use it without a lock."""
    mapping: bool = True
    """Whether it can be read and written, not only memoise."""

    @classmethod
    def installed(cls) -> bool:
        """Tell whether it can be measured here."""
        return cls.module is None or importlib.util.find_spec(cls.module) is not None

    def make(self, capacity: int) -> Any:
        """Return an empty cache of so many entries."""
        raise NotImplementedError

    def memoise(self, function: Callable[[Any], Any], capacity: int) -> Callable[[Any], Any] | None:
        """Return a function of one argument with a memory, or None if it offers none."""
        del function, capacity
        return None

    def read(self, cache: Any, keys: Sequence[Any]) -> None:
        """Read keys, present or not."""
        get = cache.get
        for key in keys:
            get(key)

    def write(self, cache: Any, keys: Sequence[Any]) -> None:
        """Write keys that are not there."""
        for key in keys:
            cache[key] = key

    def read_or_write(self, cache: Any, keys: Sequence[Any]) -> int:
        """Read keys, write those that are not there, and return how many those were."""
        misses = 0
        get = cache.get
        for key in keys:
            if get(key) is None:
                misses += 1
                cache[key] = key
        return misses

    def read_or_write_locked(self, cache: Any, keys: Sequence[Any], lock: Lock) -> int:
        """Do as `read_or_write` where others do the same; for those that need a lock."""
        misses = 0
        get = cache.get
        for key in keys:
            with lock:
                if get(key) is None:
                    misses += 1
                    cache[key] = key
        return misses


class Augury(Peer):
    """Augury's live cache."""

    package = "augury"
    module = "augury"

    def __init__(self, policy: str = "lru") -> None:
        self.policy = policy
        self.name = f"augury {policy}"

    def make(self, capacity: int) -> Any:
        from augury.cache import Cache

        return Cache(capacity, policy=self.policy)

    def memoise(self, function: Callable[[Any], Any], capacity: int) -> Callable[[Any], Any]:
        from augury.cached import cached

        decorated: Callable[[Any], Any] = cached(self.make(capacity))(function)
        return decorated


class BoundedDict(Peer):
    """A dict and a queue of its keys: first in, first out, as one writes it in Python."""

    name = "dict"
    shared = False

    def make(self, capacity: int) -> tuple[dict[Any, Any], deque[Any], int]:
        return {}, deque(), capacity

    def read(self, cache: Any, keys: Sequence[Any]) -> None:
        get = cache[0].get
        for key in keys:
            get(key)

    def write(self, cache: Any, keys: Sequence[Any]) -> None:
        held, queue, capacity = cache
        for key in keys:
            if len(held) >= capacity:
                del held[queue.popleft()]
            held[key] = key
            queue.append(key)

    def read_or_write(self, cache: Any, keys: Sequence[Any]) -> int:
        misses = 0
        held, queue, capacity = cache
        get = held.get
        for key in keys:
            if get(key) is None:
                misses += 1
                if len(held) >= capacity:
                    del held[queue.popleft()]
                held[key] = key
                queue.append(key)
        return misses

    def read_or_write_locked(self, cache: Any, keys: Sequence[Any], lock: Lock) -> int:
        misses = 0
        held, queue, capacity = cache
        get = held.get
        for key in keys:
            with lock:
                if get(key) is None:
                    misses += 1
                    if len(held) >= capacity:
                        del held[queue.popleft()]
                    held[key] = key
                    queue.append(key)
        return misses


class LruCache(Peer):
    """`functools.lru_cache`: it only memoises."""

    name = "functools.lru_cache"
    mapping = False

    def memoise(self, function: Callable[[Any], Any], capacity: int) -> Callable[[Any], Any]:
        return functools.lru_cache(capacity)(function)


class Cachetools(Peer):
    """cachetools' `LRUCache`; its documents ask for a lock among threads."""

    name = package = module = "cachetools"
    shared = False

    def make(self, capacity: int) -> Any:
        return import_module("cachetools").LRUCache(capacity)

    def memoise(self, function: Callable[[Any], Any], capacity: int) -> Callable[[Any], Any]:
        decorated: Callable[[Any], Any] = import_module("cachetools").cached(self.make(capacity))(
            function
        )
        return decorated

    def read(self, cache: Any, keys: Sequence[Any]) -> None:
        # Faster than get(), which looks a key up twice.
        for key in keys:
            try:  # noqa: SIM105  (suppress() costs as much again)
                cache[key]
            except KeyError:
                pass

    def read_or_write(self, cache: Any, keys: Sequence[Any]) -> int:
        misses = 0
        for key in keys:
            try:
                cache[key]
            except KeyError:
                misses += 1
                cache[key] = key
        return misses


class Cachebox(Peer):
    """cachebox's `LRUCache`."""

    name = package = module = "cachebox"

    def make(self, capacity: int) -> Any:
        return import_module("cachebox").LRUCache(capacity)

    def memoise(self, function: Callable[[Any], Any], capacity: int) -> Callable[[Any], Any]:
        cachebox = import_module("cachebox")
        # Its fastest settings: no lock against stampedes, results not copied.
        decorated: Callable[[Any], Any] = cachebox.cached(
            self.make(capacity), lock=None, postprocess=None
        )(function)
        return decorated


class LruDict(Peer):
    """lru-dict's `LRU`."""

    name = package = "lru-dict"
    module = "lru"

    def make(self, capacity: int) -> Any:
        return import_module("lru").LRU(capacity)


class Theine(Peer):
    """theine's `Cache`, whose policy is W-TinyLFU."""

    name = package = module = "theine"

    def make(self, capacity: int) -> Any:
        return import_module("theine").Cache(capacity)

    def memoise(self, function: Callable[[Any], Any], capacity: int) -> Callable[[Any], Any]:
        decorated = import_module("theine").Memoize(capacity, None)(function)
        # Its documents recommend a key function over making keys of arguments.
        decorated.key(lambda argument: argument)
        result: Callable[[Any], Any] = decorated
        return result

    def write(self, cache: Any, keys: Sequence[Any]) -> None:
        put = cache.set
        for key in keys:
            put(key, key)

    def read_or_write(self, cache: Any, keys: Sequence[Any]) -> int:
        misses = 0
        get, put = cache.get, cache.set
        for key in keys:
            if not get(key)[1]:
                misses += 1
                put(key, key)
        return misses


class Moka(Peer):
    """moka-py's `Moka`, whose standard policy is TinyLFU; measured with LRU."""

    name = package = "moka-py"
    module = "moka_py"

    def make(self, capacity: int) -> Any:
        return import_module("moka_py").Moka(capacity, policy="lru")

    def memoise(self, function: Callable[[Any], Any], capacity: int) -> Callable[[Any], Any]:
        decorated: Callable[[Any], Any] = import_module("moka_py").cached(
            maxsize=capacity, policy="lru"
        )(function)
        return decorated

    def write(self, cache: Any, keys: Sequence[Any]) -> None:
        put = cache.set
        for key in keys:
            put(key, key)

    def read_or_write(self, cache: Any, keys: Sequence[Any]) -> int:
        misses = 0
        get, put = cache.get, cache.set
        for key in keys:
            if get(key) is None:
                misses += 1
                put(key, key)
        return misses


PEERS: tuple[Peer, ...] = (
    BoundedDict(),
    LruCache(),
    Cachetools(),
    Cachebox(),
    LruDict(),
    Theine(),
    Moka(),
)
"""All that Augury is measured against when it is live, installed or not."""


def ours() -> list[Peer]:
    """Return Augury's live cache with each policy, but `learned`: without a model it is S3-FIFO."""
    return [Augury(name) for name in policies.names(offline=False) if name != "learned"]


def installed() -> list[Peer]:
    """Return the peers that can be measured here."""
    return [peer for peer in PEERS if peer.installed()]


def missing() -> list[str]:
    """Return the names of those that are not installed, libcachesim among them."""
    names = [peer.name for peer in PEERS if not peer.installed()]
    return names + ["libcachesim"] * (importlib.util.find_spec("libcachesim") is None)


def versions() -> dict[str, str]:
    """Return the versions of the installed peers' packages, by name."""
    found = {peer.package: metadata.version(peer.package) for peer in installed() if peer.package}
    if importlib.util.find_spec("libcachesim") is not None:
        found["libcachesim"] = metadata.version("libcachesim")
    return found
