"""Advises an external cache from its accesses, by a shadow cache that holds its keys only."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

from augury import _native
from augury.advice.order import Order
from augury.advice.records import Access, Admission, AdvisorStats, Eviction, Key, Next
from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.events import Cause
from augury.parameters import check_integer, shown
from augury.policies import Policy
from augury.prefetch import predictors

MOST_NEXT = 8
"""Keys that `Advisor.next` can name."""
_MOST_TO_EVICT = 1 << 16  # remembered for evict(): an external cache may never ask
_LARGEST = 1 << 62  # as of a capacity
_LATEST = 1 << 32  # in seconds: policies that learn keep no more bits


class Advisor:
    """Says what an external cache should keep, drop and fetch next, from its accesses.

    It runs a cache of Augury's beside the external one, with the same capacity and any of our
    policies, but without values: a *shadow*. Whoever records every access, and evicts what `evict`
    names whenever there is something, has the shadow's miss ratio. Safe to share among threads.

    Parameters
    ----------
    capacity
        Of the external cache: entries, or with `by_bytes` bytes.
    policy
        As of `augury.Cache`.
    by_bytes
        Whether the capacity is in bytes; accesses tell their size then.
    keys
        How many keys the predictors know at most (default 65,536); each takes about 0.5 KB.
    within
        What comes next comes within so many accesses (default 256).
    learn
        Whether policies that learn train models in the background, as of `augury.Cache`.
    seed
        Of the random choices of some policies.

    Raises
    ------
    ConfigurationError
        If a parameter has a value that makes no sense.

    Notes
    -----
    Memory is bounded: the shadow's keys, 65,536 keys that are to be evicted, and those of the
    predictors. Keys are kept for as long as they are known, whatever their length.

    Examples
    --------
    >>> advisor = Advisor(2, policy="lru")
    >>> advisor.record([Access("a"), Access("b"), Access("a"), Access("c")])
    >>> [(each.key, each.reason) for each in advisor.evict()]
    [('b', 'lru evicted it just now')]
    >>> advisor.admit("c").admit, advisor.admit("b").admit
    (True, True)
    """

    def __init__(
        self,
        capacity: int,
        *,
        policy: str | Policy = "auto",
        by_bytes: bool = False,
        keys: int = 1 << 16,
        within: int = 256,
        learn: bool = True,
        seed: int = 1,
    ) -> None:
        check_integer("keys", keys)
        check_integer("within", within)
        self.within = within
        """In how many accesses what comes next comes."""
        self._by_bytes = by_bytes
        self._now = 0.0
        self._shadow: Cache[Key, int] = Cache(
            capacity,
            policy=policy,
            on_evict=self._evicted,
            clock=lambda: self._now,
            learn=learn,
            seed=seed,
        )
        self._order = Order(self._shadow)
        self._next = _native.NextKeys(keys=keys, most=MOST_NEXT, horizon=within)
        self._lock = threading.Lock()
        self._to_evict: OrderedDict[Key, int] = OrderedDict()  # and after which access
        self._accesses = self._hits = self._told = self._told_hits = 0

    @property
    def capacity(self) -> int:
        """Of the external cache."""
        return self._shadow.capacity

    @property
    def policy(self) -> Policy:
        """Of the shadow cache."""
        return self._shadow.policy

    def record(self, accesses: Iterable[Access]) -> None:
        """Learn of accesses, in their order.

        Parameters
        ----------
        accesses
            Every read of the external cache, hit or not; a miss is taken to be stored thereafter.

        Raises
        ------
        ConfigurationError
            If an access makes no sense; none of the call is recorded then.
        """
        batch = list(accesses)
        for access in batch:
            _check(access)
        with self._lock:
            present = time.time()
            for access in batch:
                self._see(access, present)
            self._next.see([each.key for each in batch], [each.session for each in batch])

    def _see(self, access: Access, present: float) -> None:
        key = access.key
        self._now = max(self._now, present if access.time is None else access.time)
        self._accesses += 1
        if access.hit is not None:
            self._told += 1
            self._told_hits += access.hit
        size = max(access.size, 1) if self._by_bytes else 1
        held = self._shadow.get(key)
        self._order.touched(key)
        if held is not None:
            self._hits += 1
        else:
            self._to_evict.pop(key, None)  # it comes back
        if held != size:
            self._shadow.set(key, size, size=size)

    def _evicted(self, key: Key, _size: int, cause: Cause) -> None:
        if cause is not Cause.SIZE:
            return
        self._to_evict[key] = self._accesses
        if len(self._to_evict) > _MOST_TO_EVICT:
            self._to_evict.popitem(last=False)

    def next(self, key: Key, n: int = 4) -> list[Next]:
        """Return what probably comes after a key, the likeliest first.

        It is what the predictors said when the key was asked for last.

        Parameters
        ----------
        key
            The key that is asked for now.
        n
            How many keys at most, from 1 to 8.

        Returns
        -------
        list of Next
            Empty for a key that is not known.

        Raises
        ------
        ConfigurationError
            If `n` is more than 8, or no positive integer.

        Examples
        --------
        >>> advisor = Advisor(100)
        >>> advisor.record([Access("order"), Access("customer"), Access("address")] * 500)
        >>> [(each.key, round(each.score, 1)) for each in advisor.next("order", 1)]
        [('customer', 1.0)]
        """
        _check_key(key)
        check_integer("n", n)
        if n > MOST_NEXT:
            raise ConfigurationError(f"n must be at most {MOST_NEXT}, not {n}")
        with self._lock:
            found = self._next.next(key, n)
        known = predictors()
        return [Next(each, score, known[by].name) for each, score, by in found]

    def admit(self, key: Key, size: int = 1) -> Admission:
        """Say whether to store a key that was just missed, and why.

        Record its access first: policies admit what was asked for, and may evict it at once.

        Parameters
        ----------
        key
            The key.
        size
            Bytes that it would take, if the capacity is in bytes.

        Returns
        -------
        Admission
            Whether to, and why.
        """
        _check_key(key)
        _check_size(size)
        with self._lock:
            if self._by_bytes and size > self.capacity:
                return Admission(
                    False, f"{size} bytes are more than the capacity of {self.capacity}"
                )
            if key in self._shadow:
                return Admission(True, f"{self.policy} keeps it")
            if key in self._to_evict:
                return Admission(False, self._left(self._to_evict[key]))
            predicted = self._shadow.predict(key)
        if predicted is not None and predicted.next_access > predicted.stays:
            return Admission(
                False,
                f"expected in {predicted.next_access:,.0f} accesses,"
                f" and entries stay {predicted.stays:,.0f}",
            )
        return Admission(True, f"{self.policy} would take it: nothing speaks against it")

    def evict(self, n: int = 1) -> list[Eviction]:
        """Return the keys to evict, each told once, and take it that they are evicted.

        First come those that the shadow cache has evicted since it was asked last, then those that
        it would evict next, and now does. To hold what the shadow holds, evict as many as there are
        in `AdvisorStats.to_evict` after each batch of accesses.

        Parameters
        ----------
        n
            How many; fewer come back if there are no more.
        """
        check_integer("n", n)
        with self._lock:
            told = [
                Eviction(key, self._left(at))
                for key, at in (
                    self._to_evict.popitem(last=False) for _ in range(min(n, len(self._to_evict)))
                )
            ]
            for _ in range(min(n - len(told), len(self._shadow))):
                key, _ = self._shadow.popitem()
                told.append(Eviction(key, f"{self.policy} would evict it next"))
        return told

    def rank(self, candidates: Iterable[Key]) -> list[Eviction]:
        """Order keys that the external cache proposes to evict, the first to go first.

        Nothing changes: tell what has left by `forget`. The order among what the shadow holds is
        refreshed every so many accesses (an eighth of its entries, at least 1,024), as finding it
        takes time for each entry; what was asked for since then comes last.

        Parameters
        ----------
        candidates
            Keys that the external cache holds, such as a sample of them.

        Returns
        -------
        list of Eviction
            All of them, each once.
        """
        asked = list(dict.fromkeys(candidates))
        for key in asked:
            _check_key(key)
        with self._lock:
            ranked = []
            for key in asked:
                if key not in self._shadow:
                    at = self._to_evict.get(key)
                    reason = "not asked for lately" if at is None else self._left(at)
                    ranked.append(((-1, 0 if at is None else at), Eviction(key, reason)))
                else:
                    place = self._order.place(key)
                    ranked.append(((0, place), Eviction(key, self._kept(place))))
        ranked.sort(key=lambda each: each[0])
        return [each for _, each in ranked]

    def forget(self, keys: Iterable[Key]) -> None:
        """Tell that keys have left the external cache by themselves: deleted, expired, evicted."""
        gone = list(keys)
        for key in gone:
            _check_key(key)
        with self._lock:
            for key in gone:
                self._shadow.delete(key)
                self._to_evict.pop(key, None)

    def stats(self) -> AdvisorStats:
        """Return what it has seen so far."""
        with self._lock:
            return AdvisorStats(
                accesses=self._accesses,
                hits=self._hits,
                told=self._told,
                told_hits=self._told_hits,
                entries=len(self._shadow),
                weight=self._shadow.weight,
                to_evict=len(self._to_evict),
                keys_known=len(self._next),
            )

    def close(self) -> None:
        """Stop learning in the background. Advice goes on as it is."""
        if self._shadow.learner is not None:
            self._shadow.learner.close()

    def _left(self, at: int) -> str:
        ago = self._accesses - at
        return f"{self.policy} evicted it {f'{ago:,} accesses ago' if ago else 'just now'}"

    def _kept(self, place: int) -> str:
        entries = len(self._shadow)
        if place >= entries:
            return "asked for a moment ago"
        return f"{place + 1:,} of {entries:,} in the order of {self.policy}"


def _check(access: Access) -> None:
    _check_key(access.key)
    _check_size(access.size)
    if access.time is not None and not 0 <= access.time < _LATEST:
        raise ConfigurationError(
            f"time must be seconds since 1970, or None, not {shown(access.time)}"
        )


def _check_size(size: object) -> None:
    check_integer("size", size, least=0)
    if isinstance(size, int) and size > _LARGEST:
        raise ConfigurationError(f"size must be at most 2**62 bytes, not {shown(size)}")


def _check_key(key: object) -> None:
    # Exactly these: their hashes run no code, and nothing they refer to is kept alive.
    if type(key) not in {str, bytes, int}:
        raise ConfigurationError(f"a key must be text, bytes or an integer, not {shown(key)}")
