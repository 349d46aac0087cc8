"""In which order entries of a cache would leave, found anew now and then only."""

from __future__ import annotations

from typing import Any

from augury.cache import Cache

_LEAST = 1024
_SHARE = 8


class Order:
    """The places of a cache's entries, the first to leave first.

    Policies find the order by looking at each entry, so it is kept for a while: until more keys
    were asked for than an eighth of the entries, and at least 1,024.

    Parameters
    ----------
    cache
        Whose entries.
    """

    def __init__(self, cache: Cache[Any, Any]) -> None:
        self._cache = cache
        self._places: dict[Any, int] | None = None
        self._touched: dict[Any, int] = {}  # since then, and when
        self._clock = 0

    def touched(self, key: Any) -> None:
        """Tell that a key was asked for."""
        if self._places is None:
            return
        self._clock += 1
        self._touched[key] = self._clock
        if len(self._touched) > max(_LEAST, len(self._cache) // _SHARE):
            self._places = None

    def place(self, key: Any) -> int:
        """Return the place of an entry, from 0 on; beyond their number, if it was asked for since.

        The entry must be there.
        """
        if self._places is None:
            keys = self._cache._contents()[0]
            self._places = {each: at for at, each in enumerate(keys)}
            self._touched.clear()
            self._clock = 0
        since = self._touched.get(key)
        if since is None:
            return self._places.get(key, 0)
        return len(self._cache) + since
