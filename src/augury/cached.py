"""The decorator that remembers what a function returned."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar, overload

from augury import _native
from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.loading import (
    DEFAULT,
    NOTHING,
    Default,
    LoadOptions,
    Ttl,
    aload,
    check_ttl,
    load,
    seconds,
)

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_log = logging.getLogger("augury")


class CacheInfo(NamedTuple):
    """What `functools.lru_cache` reports; of the whole cache, if functions share it."""

    hits: int
    """Calls answered from the cache, remembered errors included."""
    misses: int
    """Calls that were not."""
    maxsize: int
    """Capacity of the cache."""
    currsize: int
    """Entries in the cache."""


class CachedFunction(Protocol[P, T]):
    """A function that remembers what it returned, as `cached` makes it."""

    cache: Cache[Any, Any]
    """Where results are kept, under keys that `cache_key` makes."""
    __wrapped__: Callable[P, T]
    """The function itself."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result for these arguments, remembered or new."""

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, capacity and number of entries."""

    def cache_clear(self) -> None:
        """Forget every result of this function."""

    def cache_forget(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the result for these arguments; return whether there was one."""

    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> Hashable:
        """Return the key under which the result for these arguments is kept."""

    def cache_parameters(self) -> dict[str, Any]:
        """Return `maxsize` and `typed`, as `functools.lru_cache` does."""

    @overload
    def __get__(self, instance: None, owner: type | None = None, /) -> CachedFunction[P, T]: ...

    @overload
    def __get__(
        self: CachedFunction[Concatenate[Any, Q], T], instance: object, owner: type | None = None, /
    ) -> BoundCachedFunction[Q, T]: ...

    def __get__(self, instance: object, owner: type | None = None, /) -> Any:
        """Bind a method to its instance, as a function does."""


class BoundCachedFunction(Protocol[Q, T_co]):
    """A `CachedFunction` looked up on an instance: a method."""

    __self__: Any

    @property
    def __func__(self) -> CachedFunction[..., T_co]:
        """The function, which takes the instance first."""

    def __call__(self, *args: Q.args, **kwargs: Q.kwargs) -> T_co:
        """Return the result for the instance and these arguments, remembered or new."""

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, capacity and number of entries, of all instances together."""

    def cache_clear(self) -> None:
        """Forget every result of this function, for all instances."""


class Decorator(Protocol):
    """Turns a function into a `CachedFunction`."""

    def __call__(self, function: Callable[P, T], /) -> CachedFunction[P, T]:
        """Decorate a function."""


@overload
def cached(cache: Callable[P, T], /) -> CachedFunction[P, T]: ...


@overload
def cached(
    cache: Cache[Any, Any] | int = ...,
    /,
    *,
    ttl: Ttl | Callable[[Any], Ttl] = ...,
    key: Callable[..., Hashable] | None = ...,
    condition: Callable[[Any], bool] | None = ...,
    stale: float | timedelta | None = ...,
    negative_ttl: Ttl = ...,
    error_ttl: Ttl = ...,
    typed: bool = ...,
) -> Decorator: ...


def cached(
    cache: Cache[Any, Any] | int | Callable[..., Any] = 1024,
    /,
    *,
    ttl: Ttl | Default | Callable[[Any], Ttl] = DEFAULT,
    key: Callable[..., Hashable] | None = None,
    condition: Callable[[Any], bool] | None = None,
    stale: float | timedelta | None = None,
    negative_ttl: Ttl | Default = DEFAULT,
    error_ttl: Ttl | Default = DEFAULT,
    typed: bool = True,
) -> Any:
    """Remember what a function returned, for the next call with equal arguments.

    For functions, methods and coroutine functions. However many callers ask for the same result at
    once, the function is called once. Methods keep `self` among their arguments, so it must be
    hashable and lives as long as its results; `key` helps where that is unwanted.

    Parameters
    ----------
    cache
        Where to keep results: a `Cache`, which functions may share without mixing up their results,
        or the capacity of a new one (1024 entries by default).
    ttl
        Time to live of a result, or a function of the result that returns it. By default the
        cache's.
    key
        ``key(*args, **kwargs)`` returns what tells calls apart, in place of all their arguments.
    condition
        ``condition(result)`` tells whether to keep a result. By default all are kept.
    stale
        How long after `ttl` a result is still served, while the first call that finds it so has a
        new one fetched in the background. Needs a `ttl`.
    negative_ttl, error_ttl
        How long a `KeyError`, or any other exception, is remembered and raised again. By default
        not at all.
    typed
        Whether arguments of unequal types differ though they are equal (1, 1.0 and True). Unlike
        `functools.lru_cache`, true by default: a cache must not answer for another call.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, or the function is a generator function.

    Examples
    --------
    >>> calls = []
    >>> @cached(100, ttl=60)
    ... def double(x):
    ...     calls.append(x)
    ...     return 2 * x
    >>> double(2), double(2), calls
    (4, 4, [2])
    >>> double.cache_info()
    CacheInfo(hits=1, misses=1, maxsize=100, currsize=1)
    """
    descriptors = (classmethod, staticmethod, property)
    if isinstance(cache, descriptors) or (callable(cache) and not isinstance(cache, Cache)):
        return cached()(cache)
    if not isinstance(cache, Cache | int):
        raise ConfigurationError(f"cached() takes a Cache or a capacity, not {cache!r}")
    if not callable(ttl):
        check_ttl("ttl", ttl)
    for name, given in (("negative_ttl", negative_ttl), ("error_ttl", error_ttl), ("stale", stale)):
        check_ttl(name, given)
    for name, function in (("key", key), ("condition", condition)):
        if function is not None and not callable(function):
            raise ConfigurationError(f"{name} must be callable or None, not {function!r}")
    if stale is not None and (ttl is None or ttl is DEFAULT):
        raise ConfigurationError("stale needs a ttl")
    shelf = cache if isinstance(cache, Cache) else Cache[Any, Any](cache)
    options = LoadOptions(
        ttl=ttl,
        stale=0.0 if stale is None else seconds(stale),
        negative_ttl=negative_ttl,
        error_ttl=error_ttl,
        condition=condition,
    )

    def decorate(function: Callable[..., Any]) -> Any:
        if isinstance(function, classmethod | staticmethod | property):
            kind = type(function).__name__
            raise ConfigurationError(f"cannot cache a {kind}; write @{kind} above @cached")
        if not callable(function):
            raise ConfigurationError(f"cached() decorates functions, not {function!r}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(
                f"cannot cache generator function {function.__qualname__}: "
                "its result can be read only once; return a list"
            )
        return _decorate(function, shelf, options, key, typed, private=shelf is not cache)

    return decorate


class Space:
    """Names one decorated function among those that share a cache."""

    __slots__ = ("module", "name")

    def __init__(self, function: Callable[..., object]) -> None:
        self.module = getattr(function, "__module__", None)
        self.name = getattr(function, "__qualname__", repr(function))

    def __repr__(self) -> str:
        return str(self.name)


def _decorate(
    function: Callable[..., Any],
    cache: Cache[Any, Any],
    options: LoadOptions,
    key: Callable[..., Hashable] | None,
    typed: bool,
    *,
    private: bool,
) -> Any:
    space = Space(function)

    def miss(call_key: Any, *args: Any, **kwargs: Any) -> Any:
        return load(cache, call_key, functools.partial(function, *args, **kwargs), options)

    memo = _native.Memo(cache, space, miss, typed)
    call_key: Callable[..., Any] = memo.cache_key
    if key is not None:
        key_of = key

        def call_key(*args: Any, **kwargs: Any) -> Any:
            return memo.cache_key(key_of(*args, **kwargs))

    wrapper: Any = memo
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    ):
        wrapper = _wrap_coroutine(function, cache, options, call_key)
    elif key is not None or options.stale:
        wrapper = _wrap_function(function, cache, options, call_key)
    functools.update_wrapper(wrapper, function)

    def cache_clear() -> None:
        if private:
            cache.clear()
            cache.reset_stats()
        else:
            every = (*cache._all_keys(), *cache._flights)
            cache.delete_many(
                k for k in every if isinstance(k, _native.CallKey) and k.space is space
            )

    def cache_info() -> CacheInfo:
        stats = cache.stats()
        return CacheInfo(stats.hits + stats.negative_hits, stats.misses, cache.capacity, len(cache))

    if wrapper is not memo:
        wrapper.cache = cache
        wrapper.cache_key = call_key
    wrapper.cache_clear = cache_clear
    wrapper.cache_info = cache_info
    wrapper.cache_forget = lambda *args, **kwargs: cache.delete(call_key(*args, **kwargs))
    wrapper.cache_parameters = lambda: {"maxsize": cache.capacity, "typed": typed}
    return wrapper


def _wrap_function(
    function: Callable[..., Any],
    cache: Cache[Any, Any],
    options: LoadOptions,
    call_key: Callable[..., Any],
) -> Callable[..., Any]:
    refreshing: dict[Any, ThreadPoolExecutor] = {}  # a forked child has another executor

    def refresh(key: Any, loader: Callable[[], Any]) -> None:
        try:
            load(cache, key, loader, options, refresh=True)
        except Exception:
            _log.warning("refreshing %r failed; its stale value stays", key, exc_info=True)
        finally:
            refreshing.pop(key, None)

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        key = call_key(*args, **kwargs)
        loader = functools.partial(function, *args, **kwargs)
        value = cache.get(key, NOTHING)
        if value is NOTHING:
            return load(cache, key, loader, options)
        if options.stale and _is_stale(cache, key, options):
            refresher = _refresher()
            if refreshing.get(key) is not refresher:
                refreshing[key] = refresher
                try:
                    refresher.submit(refresh, key, loader)
                except RuntimeError:  # the interpreter is shutting down
                    refreshing.pop(key, None)
        return value

    return wrapper


def _wrap_coroutine(
    function: Callable[..., Any],
    cache: Cache[Any, Any],
    options: LoadOptions,
    call_key: Callable[..., Any],
) -> Callable[..., Any]:
    refreshing: dict[Any, asyncio.Task[None]] = {}

    async def refresh(key: Any, loader: Callable[[], Any]) -> None:
        try:
            await aload(cache, key, loader, options, refresh=True)
        except Exception:
            _log.warning("refreshing %r failed; its stale value stays", key, exc_info=True)
        finally:
            refreshing.pop(key, None)

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        key = call_key(*args, **kwargs)
        loader = functools.partial(function, *args, **kwargs)
        value = cache.get(key, NOTHING)
        if value is NOTHING:
            return await aload(cache, key, loader, options)
        under_way = refreshing.get(key) if options.stale else None
        # Cancelled before it began, it is done and yet here.
        if under_way is not None and (under_way.done() or under_way.get_loop().is_closed()):
            under_way = None
        if options.stale and under_way is None and _is_stale(cache, key, options):
            refreshing[key] = asyncio.ensure_future(refresh(key, loader))
        return value

    return wrapper


def _is_stale(cache: Cache[Any, Any], key: Any, options: LoadOptions) -> bool:
    try:
        remaining = cache.ttl(key)
    except KeyError:
        return False
    return remaining is not None and remaining <= options.stale


@functools.cache
def _refresher() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="augury-refresh")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_refresher.cache_clear)  # a child has none of its threads
