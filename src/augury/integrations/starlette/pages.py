"""Where responses are kept: by address, query, and the headers that matter."""

from __future__ import annotations

import secrets
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.integrations.starlette.rules import Headers, listed, values_of
from augury.integrations.starlette.stored import VARIES, Stored
from augury.tiers import Tiers

_GENERATION_SECONDS = 86_400.0
Key = tuple[str, ...]


class _Store(Protocol):
    async def get(self, key: Key) -> Any: ...
    async def set(self, key: Key, value: Any, ttl: float) -> None: ...
    async def delete(self, key: Key) -> None: ...


class _InCache:
    def __init__(self, cache: Cache[Any, Any]) -> None:
        self._cache = cache

    async def get(self, key: Key) -> Any:
        return self._cache.get(key)

    async def set(self, key: Key, value: Any, ttl: float) -> None:
        self._cache.set(key, value, ttl=ttl)

    async def delete(self, key: Key) -> None:
        self._cache.delete(key)


class _InTiers:
    def __init__(self, tiers: Tiers[Any, Any]) -> None:
        self.get = tiers.aget
        self.delete = tiers.adelete
        self._tiers = tiers

    async def set(self, key: Key, value: Any, ttl: float) -> None:
        await self._tiers.aset(key, value, ttl=ttl)


class Pages:
    """Responses by request.

    All keys of an address contain its *generation*, a random text that is there before a response
    is asked for. So forgetting an address is one deletion, for all queries and headers, and a
    response that was on its way meanwhile is kept where nobody looks.

    Parameters
    ----------
    cache
        Where they are.
    by
        Headers that responses depend on, besides those that they name themselves in Vary.
    """

    def __init__(self, cache: Cache[Any, Any] | Tiers[Any, Any], by: tuple[bytes, ...]) -> None:
        if isinstance(cache, Cache):
            self._store: _Store = _InCache(cache)
        elif isinstance(cache, Tiers):
            self._store = _InTiers(cache)
        else:
            raise ConfigurationError(f"cache must be a Cache or Tiers, not {type(cache).__name__}")
        self._by = by

    async def key(self, address: str, query: bytes, headers: Headers) -> Key:
        """Return what a request's response is kept under, as long as nobody forgets the address."""
        place = _place(address)
        generation = await self._store.get(place)
        if not isinstance(generation, str):
            generation = secrets.token_hex(8)
            await self._store.set(place, generation, _GENERATION_SECONDS)
        return (
            *place,
            generation,
            _sorted(query).decode("latin-1"),
            *(_text(headers, name) for name in self._by),
        )

    async def find(self, key: Key, headers: Headers) -> tuple[Stored | None, Key]:
        """Return what is kept for a request, and under which key exactly it is, or would be."""
        value = await self._store.get(key)
        if isinstance(value, tuple | list) and len(value) == 2 and value[0] == VARIES:
            key = _variant(key, value[1], headers)
            value = await self._store.get(key)
        found = Stored.from_plain(value)
        return (found if found is not None and found.left() > 0 else None), key

    async def keep(self, key: Key, headers: Headers, response: Stored) -> None:
        """Keep a response to a request, whose key and headers these are."""
        varies = sorted(set(listed(response.headers, b"vary")))
        if varies:
            known = await self._store.get(key)
            if isinstance(known, tuple | list) and len(known) == 2 and known[0] == VARIES:
                varies = sorted({*varies, *known[1]})
            await self._store.set(key, (VARIES, varies), response.left())
            key = _variant(key, varies, headers)
        await self._store.set(key, response.plain(), response.left())

    async def forget(self, address: str) -> None:
        """Forget all responses of an address."""
        await self._store.delete(_place(address))


def _place(address: str) -> Key:
    return ("response", address)


def _variant(key: Key, names: list[str], headers: Headers) -> Key:
    values = (_text(headers, name.encode("latin-1")) for name in names)
    return (*key, *(part for pair in zip(names, values, strict=True) for part in pair))


def _text(headers: Headers, name: bytes) -> str:
    return b",".join(values_of(headers, name)).decode("latin-1")


def _sorted(query: bytes) -> bytes:
    """Return a query with its parameters by name; those of one name keep their order.

    Examples
    --------
    >>> _sorted(b"b=2&a=1&b=1")
    b'a=1&b=2&b=1'
    """

    def name(pair: bytes) -> bytes:
        return unquote_to_bytes(pair.partition(b"=")[0].replace(b"+", b" "))

    pairs: list[bytes] = query.split(b"&")
    ordered: list[bytes] = sorted(pairs, key=name)
    return b"&".join(ordered)
