"""Which of the entries that leave memory are worth a place one tier below."""

from __future__ import annotations

from typing import Any, Protocol

from augury.cache import Cache
from augury.parameters import check_instance, check_integer, check_number
from augury.tiers.contract import Key


class Placement(Protocol):
    """Decides what goes one tier down when memory has no room for it.

    What goes up needs no decision of its own: each entry that is found below is offered to memory,
    whose policy decides who stays.
    """

    def goes_down(self, key: Key) -> bool:
        """Return whether this key will probably be asked for while the tier below holds it."""


class SeenBefore:
    """Keys that left memory before, not long ago: one-hit wonders stay away from the disk.

    Two sets of the keys' hashes, the older of which is dropped when the younger is full.

    Parameters
    ----------
    keys
        How many keys each set remembers. By default 100,000.

    Examples
    --------
    >>> placement = SeenBefore()
    >>> placement.goes_down("a"), placement.goes_down("a")
    (False, True)
    """

    def __init__(self, keys: int = 100_000) -> None:
        check_integer("keys", keys)
        self._most = keys
        self._young: set[int] = set()
        self._old: set[int] = set()

    def goes_down(self, key: Key) -> bool:
        """Return whether the key has been offered before."""
        number = hash(key)
        if number in self._young:
            return True
        seen = number in self._old
        self._young.add(number)
        if len(self._young) >= self._most:
            self._old, self._young = self._young, set()
        return seen


class Predicted:
    """Keys that the model in memory expects to be asked for soon enough.

    Parameters
    ----------
    cache
        The cache of the memory tier, with ``policy="learned"``. While no model decides there, the
        rule is that of `SeenBefore`.
    reach
        How many times as long entries stay in the tier below as in memory. By default 10.

    Examples
    --------
    >>> from augury.tiers import Memory
    >>> memory = Memory(1_000, policy="learned", learn=False)
    >>> Predicted(memory.cache).goes_down("a")
    False
    """

    def __init__(self, cache: Cache[Any, Any], reach: float = 10.0) -> None:
        check_number("reach", reach, unit="times")
        check_instance("cache", cache, Cache)
        self._cache = cache
        self._reach = reach
        self._otherwise = SeenBefore()

    def goes_down(self, key: Key) -> bool:
        """Return whether the key's next access is expected within reach."""
        told = self._cache.predict(key)
        if told is None:
            return self._otherwise.goes_down(key)
        return told.next_access <= self._reach * told.stays
