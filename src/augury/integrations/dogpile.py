"""A backend of dogpile.cache: regions of it that keep their values in a cache, or in tiers.

::

    import augury.integrations.dogpile
    from dogpile.cache import make_region

    region = make_region().configure("augury", arguments={"capacity": 10_000})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from augury.cache import Cache
from augury.errors import ConfigurationError, MissingExtraError
from augury.integrations.store import store_of
from augury.tiers import Tiers

try:
    from dogpile.cache import register_backend
    from dogpile.cache.api import NO_VALUE, CacheBackend, CachedValue
except ImportError:
    raise MissingExtraError("dogpile.cache", "dogpile") from None

__all__ = ["AuguryBackend"]

_OF_CACHE = ("policy", "weigher", "on_evict", "model", "learn", "record", "seed")


class AuguryBackend(CacheBackend):  # type: ignore[misc]
    """What dogpile knows as ``"augury"``, once this module is imported.

    Parameters
    ----------
    arguments
        As given to `configure`. ``cache``: the `augury.Cache` or `augury.Tiers` to keep values in;
        without it, a cache is made with what else there is: ``capacity`` (10,000 by default),
        ``policy`` and so on, as `augury.Cache` takes them. ``ttl``: seconds after which an entry
        leaves by itself; by default never, as dogpile compares ages itself. Others are ignored, as
        dogpile wants backends to.

    Raises
    ------
    ConfigurationError
        If an argument makes no sense.

    Notes
    -----
    In a cache, values are the objects that were stored, as with ``dogpile.cache.memory``. In tiers
    they are carried by Augury's codecs, without pickle.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self._ttl: float | None = arguments.get("ttl")
        kept = arguments.get("cache")
        if kept is None:
            options = {name: arguments[name] for name in _OF_CACHE if name in arguments}
            kept = Cache[Any, Any](arguments.get("capacity", 10_000), **options)
        if not isinstance(kept, Cache | Tiers):
            raise ConfigurationError(f"the argument cache is a Cache or Tiers, not {kept!r}")
        self._store = store_of(kept)

    def get(self, key: str) -> Any:
        """Return what is kept, or ``NO_VALUE``."""
        return _given(self._store.get(key, NO_VALUE))

    def get_multi(self, keys: Sequence[str]) -> list[Any]:
        """Return what is kept, or ``NO_VALUE``, in the order of the keys."""
        found = self._store.get_many(keys)
        return [_given(found.get(key, NO_VALUE)) for key in keys]

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self._store.set(key, _kept(value), self._ttl)

    def set_multi(self, mapping: Mapping[str, Any]) -> None:
        """Keep values."""
        kept = {key: _kept(value) for key, value in mapping.items()}
        self._store.set_many(kept, self._ttl)

    def delete(self, key: str) -> None:
        """Delete a value."""
        self._store.delete_many([key])

    def delete_multi(self, keys: Sequence[str]) -> None:
        """Delete values."""
        self._store.delete_many(keys)


# What dogpile stores is a named tuple of its own, which no codec has to know.


def _kept(value: Any) -> Any:
    return tuple(value) if isinstance(value, CachedValue) else value


def _given(kept: Any) -> Any:
    return CachedValue(*kept) if isinstance(kept, tuple) else kept


register_backend("augury", __name__, AuguryBackend.__name__)
