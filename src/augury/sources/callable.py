"""A function of the user's as a source."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar, cast, overload

from augury.errors import ConfigurationError
from augury.parameters import check_function
from augury.sources.background_loop import BackgroundLoop
from augury.sources.concurrency import Absence, aeach, each
from augury.sources.contract import Source, not_writable
from augury.sources.threads import complete_in_thread

K = TypeVar("K")
V = TypeVar("V")

_NOTHING: Final[Any] = object()


class Loader(Source[K, V]):
    """A source that asks a function, or a coroutine function.

    A function used by coroutines runs in a thread. A coroutine function used without an event loop
    runs in one that the source keeps in the background until it is closed.

    Parameters
    ----------
    function
        ``function(key)`` returns the value, or raises `KeyError` if there is none. With `batch`,
        ``function(keys)`` returns a mapping that leaves out what is not there, or a sequence with
        a value for each key.
    batch
        Whether the function takes many keys at once. By default it takes one.
    absent
        What the function returns where there is nothing: compared with ``is``, in a mapping and in
        a sequence, too. By default every value is a value, `None` included.
    store
        ``store(key, value)`` writes a value; with `batch`, ``store(items)`` writes a mapping. By
        default the source is not writable.
    remove
        ``remove(key)`` deletes a key, whether it is there or not; with `batch`, ``remove(keys)``.
        Goes with `store`.
    concurrency
        How many keys a function of one key is asked for at once, in as many threads or tasks, when
        many are to be loaded. By default 8. The first error ends it, and is raised.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, or later, if a batch function returns something else.

    Examples
    --------
    >>> prices = {"tea": 3, "cake": 5}
    >>> source = Loader(prices.__getitem__)
    >>> source.load_many(["tea", "coffee"])
    {'tea': 3}
    >>> Loader(lambda keys: [prices.get(key) for key in keys], batch=True, absent=None).load_many(
    ...     ["tea", "coffee"]
    ... )
    {'tea': 3}
    """

    @overload
    def __init__(
        self,
        function: Callable[[K], Awaitable[V]],
        *,
        batch: Literal[False] = ...,
        absent: object = ...,
        store: Callable[[K, V], object] | None = ...,
        remove: Callable[[K], object] | None = ...,
        concurrency: int = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        function: Callable[[K], V],
        *,
        batch: Literal[False] = ...,
        absent: object = ...,
        store: Callable[[K, V], object] | None = ...,
        remove: Callable[[K], object] | None = ...,
        concurrency: int = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        function: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
        *,
        batch: Literal[True],
        absent: object = ...,
        store: Callable[[Mapping[K, V]], object] | None = ...,
        remove: Callable[[Sequence[K]], object] | None = ...,
        concurrency: int = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        function: Callable[[Sequence[K]], Mapping[K, V]],
        *,
        batch: Literal[True],
        absent: object = ...,
        store: Callable[[Mapping[K, V]], object] | None = ...,
        remove: Callable[[Sequence[K]], object] | None = ...,
        concurrency: int = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        function: Callable[[Sequence[K]], Awaitable[Sequence[V]]],
        *,
        batch: Literal[True],
        absent: object = ...,
        store: Callable[[Mapping[K, V]], object] | None = ...,
        remove: Callable[[Sequence[K]], object] | None = ...,
        concurrency: int = ...,
    ) -> None: ...

    @overload
    def __init__(
        self,
        function: Callable[[Sequence[K]], Sequence[V]],
        *,
        batch: Literal[True],
        absent: object = ...,
        store: Callable[[Mapping[K, V]], object] | None = ...,
        remove: Callable[[Sequence[K]], object] | None = ...,
        concurrency: int = ...,
    ) -> None: ...

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        batch: bool = False,
        absent: object = _NOTHING,
        store: Callable[..., Any] | None = None,
        remove: Callable[..., Any] | None = None,
        concurrency: int = 8,
    ) -> None:
        check_function("function", function)
        for name, given in (("store", store), ("remove", remove)):
            if given is not None and not callable(given):
                raise ConfigurationError(f"{name} must be callable, not {given!r}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(
                f"{name_of(function)} is a generator function, whose result can be read only once; "
                "return a list"
            )
        if (store is None) != (remove is None):
            raise ConfigurationError("store and remove go together: give both or none")
        if isinstance(concurrency, bool) or not isinstance(concurrency, int) or concurrency < 1:
            raise ConfigurationError(f"concurrency must be a positive integer, not {concurrency!r}")
        self._function, self._store, self._remove = function, store, remove
        self._batch = batch
        self._absent = absent
        self._concurrency = concurrency
        self._loop = BackgroundLoop()
        self.writable = store is not None
        given_functions = (function, store, remove)
        self.asynchronous = all(is_coroutine_function(f) for f in given_functions if f is not None)

    def __repr__(self) -> str:
        return f"Loader({name_of(self._function)})"

    def load_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there."""
        return cast("dict[K, V]", self._call(self._function, keys))

    async def aload_many(self, keys: Sequence[K]) -> dict[K, V]:
        """Return the values of those keys that are there."""
        return cast("dict[K, V]", await self._acall(self._function, keys))

    def store_many(self, items: Mapping[K, V]) -> None:
        """Write values, new ones or in place of old ones."""
        if self._store is None:
            raise not_writable(self)
        self._write(self._store, items)

    async def astore_many(self, items: Mapping[K, V]) -> None:
        """Write values, new ones or in place of old ones."""
        if self._store is None:
            raise not_writable(self)
        await self._awrite(self._store, items)

    def remove_many(self, keys: Sequence[K]) -> None:
        """Delete keys; those that are not there do not matter."""
        if self._remove is None:
            raise not_writable(self)
        self._write(self._remove, keys)

    async def aremove_many(self, keys: Sequence[K]) -> None:
        """Delete keys; those that are not there do not matter."""
        if self._remove is None:
            raise not_writable(self)
        await self._awrite(self._remove, keys)

    def close(self) -> None:
        """End the event loop in the background, if there is one."""
        self._loop.close()

    def _call(self, function: Callable[..., Any], keys: Sequence[K]) -> dict[K, Any]:
        if is_coroutine_function(function):
            return self._loop.run(self._acall(function, keys))
        if self._batch:
            return self._picked(keys, self._checked(function(keys)))
        return self._present(each(self._single(function), keys, self._concurrency))

    async def _acall(self, function: Callable[..., Any], keys: Sequence[K]) -> dict[K, Any]:
        if not is_coroutine_function(function):
            return await complete_in_thread(self._call, function, keys)
        if self._batch:
            return self._picked(keys, await function(keys))
        return self._present(await aeach(function, keys, self._concurrency))

    def _write(self, function: Callable[..., Any], given: Mapping[K, V] | Sequence[K]) -> None:
        if is_coroutine_function(function):
            self._loop.run(self._awrite(function, given))
        elif self._batch:
            self._checked(function(given))
        else:
            single, absence = _applied(function, given)
            each(self._single(single), given, self._concurrency, absence)

    async def _awrite(
        self, function: Callable[..., Any], given: Mapping[K, V] | Sequence[K]
    ) -> None:
        if not is_coroutine_function(function):
            await complete_in_thread(self._write, function, given)
        elif self._batch:
            await function(given)
        else:
            single, absence = _applied(function, given)
            await aeach(single, given, self._concurrency, absence)

    def _single(self, function: Callable[[K], Any]) -> Callable[[K], Any]:
        return lambda key: self._checked(function(key))

    def _checked(self, result: Any) -> Any:
        """Return what a function has returned, if it is no coroutine."""
        if inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise ConfigurationError(
                f"{name_of(self._function)} returned a coroutine; "
                "give the `async def` function itself"
            )
        return result

    def _present(self, found: dict[K, Any]) -> dict[K, Any]:
        return {key: value for key, value in found.items() if value is not self._absent}

    def _picked(self, keys: Sequence[K], result: Any) -> dict[K, Any]:
        """Return the values of the keys out of what a batch function has returned."""
        if isinstance(result, Mapping):
            return self._present({key: result[key] for key in keys if key in result})
        if not isinstance(result, Sequence) or isinstance(result, str | bytes | bytearray):
            raise ConfigurationError(
                f"{name_of(self._function)} must return a mapping, or a sequence of values, not "
                f"{type(result).__name__}"
            )
        if len(result) != len(keys):
            raise ConfigurationError(
                f"{name_of(self._function)} returned {len(result)} values for {len(keys)} keys; "
                "return one for each, or a mapping"
            )
        return self._present(dict(zip(keys, result, strict=True)))


@overload
def as_source(given: Source[K, V]) -> Source[K, V]: ...


@overload
def as_source(given: Callable[[K], Awaitable[V]]) -> Source[K, V]: ...


@overload
def as_source(given: Callable[[K], V]) -> Source[K, V]: ...


def as_source(given: Any) -> Source[Any, Any]:
    """Return what was `given` if it is a source, and a function of one key as a `Loader`.

    Raises
    ------
    ConfigurationError
        If it is neither.
    """
    if isinstance(given, Source):
        return given
    if not callable(given) or isinstance(given, type):
        raise ConfigurationError(f"a source must be a Source or a function, not {given!r}")
    return Loader(given)


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return whether calling it returns a coroutine: a function, a method, a callable object."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    )


def name_of(function: Callable[..., Any]) -> str:
    """Return how a function is called in messages."""
    return str(getattr(function, "__qualname__", None) or repr(function))


def _applied(
    function: Callable[..., Any], given: Mapping[Any, Any] | Sequence[Any]
) -> tuple[Callable[[Any], Any], Absence]:
    """Return a function of a key alone to write with; only a removal may find nothing there."""
    if isinstance(given, Mapping):
        return lambda key: function(key, given[key]), ()
    return function, KeyError
