"""`functools.lru_cache` and `functools.cache`, with Augury's policies and speed.

``from augury.integrations.functools import lru_cache`` is all that changes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar, overload

from augury import _native
from augury.cache import Cache
from augury.cached import Space
from augury.policies import Policy

P = ParamSpec("P")
T = TypeVar("T")

__all__ = ["CacheInfo", "LruCached", "cache", "lru_cache"]

_UNBOUNDED = 2**62


class CacheInfo(NamedTuple):
    """What `functools.lru_cache` reports."""

    hits: int
    """Calls that were answered from the cache."""
    misses: int
    """Calls of the function itself."""
    maxsize: int | None
    """Most results that are kept; None if there is no limit."""
    currsize: int
    """Results that are kept."""


class LruCached(Protocol[P, T]):
    """A function that remembers what it returned, as `lru_cache` makes it."""

    __wrapped__: Callable[P, T]
    """The function itself."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result for these arguments, remembered or new."""

    def __get__(self, instance: Any, owner: type | None = None, /) -> Any:
        """Bind a method to its instance, as a function does."""

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, limit and number of results."""

    def cache_clear(self) -> None:
        """Forget all results, and count from 0 again."""

    def cache_parameters(self) -> dict[str, Any]:
        """Return `maxsize` and `typed`."""


class _Decorator(Protocol):
    def __call__(self, function: Callable[P, T], /) -> LruCached[P, T]: ...


@overload
def lru_cache(maxsize: Callable[P, T], typed: bool = ...) -> LruCached[P, T]: ...


@overload
def lru_cache(
    maxsize: int | None = ..., typed: bool = ..., *, policy: str | Policy = ...
) -> _Decorator: ...


def lru_cache(
    maxsize: int | Callable[..., Any] | None = 128,
    typed: bool = False,
    *,
    policy: str | Policy = "auto",
) -> Any:
    """Do what `functools.lru_cache` does; another policy decides which results stay.

    Parameters
    ----------
    maxsize
        Most results that are kept, 128 by default. None: no limit. 0: none are kept.
    typed
        Whether arguments of unequal types differ though they are equal: 3 and 3.0. False by
        default.
    policy
        Who leaves when there is no room, as of `augury.Cache`: ``"auto"`` by default. With
        ``"lru"`` the same results stay as with `functools`.

    Raises
    ------
    TypeError
        If `maxsize` is no number of results.
    ConfigurationError
        If there is no such policy.

    Notes
    -----
    As with `functools`, calls with equal arguments that overlap each call the function. Where it
    is to be called once, use `augury.cached`, which also knows of time to live and coroutines.

    Examples
    --------
    >>> @lru_cache(maxsize=100)
    ... def fibonacci(n):
    ...     return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
    >>> fibonacci(50)
    12586269025
    >>> fibonacci.cache_info()
    CacheInfo(hits=48, misses=51, maxsize=100, currsize=51)
    """
    if isinstance(maxsize, int):
        return functools.partial(_remembering, max(maxsize, 0), typed, policy)
    if callable(maxsize) and isinstance(typed, bool):
        return _remembering(128, typed, policy, maxsize)
    if maxsize is not None:
        raise TypeError("Expected first argument to be an integer, a callable, or None")
    return functools.partial(_remembering, None, typed, policy)


def cache(function: Callable[P, T], /) -> LruCached[P, T]:
    """Have a function keep all its results, without a limit, as `functools.cache` does.

    Examples
    --------
    >>> @cache
    ... def double(x):
    ...     return 2 * x
    >>> double(4), double(4), double.cache_info().hits
    (8, 8, 1)
    """
    return lru_cache(maxsize=None)(function)


def _remembering(
    maxsize: int | None, typed: bool, policy: str | Policy, function: Callable[..., Any], /
) -> Any:
    held: Cache[Any, Any] = (
        # Nothing ever leaves: the cheapest policy will do.
        Cache(_UNBOUNDED, policy="fifo") if maxsize is None else Cache(maxsize or 1, policy=policy)
    )

    def call(key: Any, /, *args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if maxsize != 0:
            held.set(key, result)
        return result

    def cache_info() -> CacheInfo:
        stats = held.stats()
        return CacheInfo(stats.hits, stats.misses, maxsize, len(held))

    def cache_clear() -> None:
        held.clear()
        held.reset_stats()

    memo: Any = functools.update_wrapper(_native.Memo(held, Space(function), call, typed), function)
    memo.cache_info = cache_info
    memo.cache_clear = cache_clear
    memo.cache_parameters = lambda: {"maxsize": maxsize, "typed": typed}
    return memo
