"""Finds out from a log which keys a policy would hold by now, and loads these from their source."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from augury import _native
from augury.accesslog.chunk import Chunk, Chunked
from augury.errors import ConfigurationError
from augury.loading import DEFAULT, Background, Default, Ttl, check_ttl
from augury.parameters import check_function, check_integer, check_number
from augury.policies import Policy
from augury.sources import Source, as_source

if TYPE_CHECKING:
    from augury.models import Artefact

    class _Cache(_native.Cache[Any, Any]):
        """What warming needs of a cache."""

        @property
        def policy(self) -> Policy: ...
        @property
        def model(self) -> Artefact | None: ...


@dataclass(frozen=True, slots=True)
class WarmReport:
    """What `Cache.warm` has done.

    Examples
    --------
    >>> report = WarmReport(requests=9, held=4, stored=3, present=1, absent=0, unnamed=0, left=0)
    >>> print(report.error)
    None
    """

    requests: int
    """Requests replayed."""
    held: int
    """Keys that the policy would hold after them."""
    stored: int
    """Of these, keys that were loaded and stored."""
    present: int
    """Keys that were in the cache already, or that others were loading or have written."""
    absent: int
    """Keys that the source has not got."""
    unnamed: int
    """Keys of which the log has a digest only, so that they cannot be asked for."""
    left: int
    """Keys that were not asked for: the budget was used up, there was no room, or an error."""
    error: Exception | None = None
    """What the source raised, with which it ended; None if nothing."""


def warm(
    cache: _Cache,
    trace: Chunked,
    source: Source[Any, Any] | Callable[[Any], Any],
    *,
    key: Callable[[int | str], Hashable] | None = None,
    last: int | None = None,
    most: int | None = None,
    seconds: float | None = None,
    batch: int = 256,
    ttl: Ttl | Default = DEFAULT,
    progress: Callable[[float], object] | None = None,
) -> WarmReport:
    """Do what `Cache.warm` does."""
    started = time.monotonic()
    answers = as_source(source)
    for name, function in (("key", key), ("progress", progress)):
        if function is not None:
            check_function(name, function)
    for name, number in (("last", last), ("most", most), ("batch", batch)):
        if number is not None:
            check_integer(name, number)
    if seconds is not None:
        check_number("seconds", seconds)
    check_ttl("ttl", ttl)
    replayed = _replay(cache, trace, key, last)
    keys, _, _, _, hits, memory = replayed.stand_in._contents()
    was_empty = cache.weight == 0
    named = [
        (key, int(hit)) for key, hit in zip(keys, hits, strict=True) if type(key) is not _Unnamed
    ]
    loading = _Loading(cache, answers, {} if ttl is DEFAULT else {"ttl": ttl})
    deadline = None if seconds is None else started + seconds
    wanted = iter(named[: -most - 1 : -1] if most is not None else named[::-1])
    while some := list(islice(wanted, min(batch, len(named)))):
        if deadline is not None and time.monotonic() >= deadline:
            break
        if cache.weight >= cache.capacity or not loading.load(some):
            break
        if progress is not None:
            progress(loading.asked / len(named))
    loading.line_up()
    if was_empty:
        cache._resume(memory)
    return WarmReport(
        requests=replayed.requests,
        held=len(keys),
        stored=len(loading.stored),
        present=loading.present,
        absent=loading.absent,
        unnamed=len(keys) - len(named),
        left=len(named) - loading.asked,
        error=loading.error,
    )


class _Unnamed(str):
    """The digest of a key, which takes up room in the policy as the key did."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Replayed:
    stand_in: _native.Cache[Any, Any]
    requests: int


def _replay(
    cache: _Cache, trace: Chunked, key: Callable[[int | str], Hashable] | None, last: int | None
) -> _Replayed:
    """Send requests to a cache like this one, without values."""
    policy = cache.policy
    stand_in: _native.Cache[Any, Any] = _native.Cache(
        cache.capacity, policy.name, dict(policy.parameters), 1, None, None, None, None, None, 0
    )
    if cache.model is not None:
        stand_in._use_model(cache.model.native, cache.model)
    weighed = cache._weigher is not None
    requests = 0
    for chunk in trace.chunks() if last is None else _tail(trace, last):
        keys = _keys(chunk)
        if key is not None:
            keys = [each if type(each) is _Unnamed else key(each) for each in keys]
        sizes = chunk.sizes if weighed else None
        weights = [1] * len(keys) if sizes is None else sizes.clip(1).tolist()
        for each, weight in zip(keys, weights, strict=True):
            if stand_in.get(each) is None:
                stand_in.set(each, True, size=weight)
        requests += len(keys)
    return _Replayed(stand_in, requests)


def _tail(trace: Chunked, last: int) -> Iterator[Chunk]:
    """Yield the last chunks of a trace that have so many requests, or somewhat more."""
    kept: deque[Chunk] = deque()
    requests = 0
    for chunk in trace.chunks():
        kept.append(chunk)
        requests += len(chunk)
        while requests - len(kept[0]) >= last:
            requests -= len(kept.popleft())
    yield from kept


def _keys(chunk: Chunk) -> list[Any]:
    """Return keys as a cache has them: numbers, texts, and what stands for a digest."""
    numbers: list[Any] = chunk.keys.tolist()
    if chunk.names is None:
        return numbers
    return list(map(_key, chunk.names, numbers))


def _key(name: str, number: int) -> int | str:
    if name.isdecimal() and name.isascii() and int(name) == number:
        return number
    if len(name) == 32 and _begins_with(name, number):
        return _Unnamed(name)
    return name


def _begins_with(name: str, number: int) -> bool:
    """Return whether a name is the digits of a digest that begins with this number."""
    try:
        return int.from_bytes(bytes.fromhex(name)[:8], "little") == number
    except ValueError:
        return False


class _Loading:
    """Loads keys, batch by batch."""

    def __init__(self, cache: _Cache, source: Source[Any, Any], options: Mapping[str, Any]) -> None:
        self._cache = cache
        self._source = source
        self._options = options
        self.stored: list[tuple[Any, int]] = []
        """Keys and their hits, those first that would leave last."""
        self.asked = self.present = self.absent = 0
        self.error: Exception | None = None

    def load(self, some: Sequence[tuple[Any, int]]) -> bool:
        """Load a batch; return whether the source has answered."""
        cache = self._cache
        flights = {}
        for key, _ in some:
            flight = Background()
            if key not in cache and flight.take_off(cache, key):
                flights[key] = flight
        try:
            found = self._source.load_many(list(flights)) if flights else {}
            if not isinstance(found, Mapping):  # what can be iterated once would hold nothing
                raise ConfigurationError(
                    f"{self._source!r} must return a dict of the values that are there, not "
                    f"{type(found).__name__}"
                )
        except Exception as error:  # whatever a driver raises
            self.error = error
            return False
        else:
            for key, hits in some:
                if key not in flights:
                    self.present += 1
                elif key not in found:
                    self.absent += 1
                elif cache._restore(key, found[key], hits, ticket=flights[key], **self._options):
                    self.stored.append((key, hits))
                else:
                    self.present += 1
            self.asked += len(some)
            return True
        finally:
            for key, flight in flights.items():
                flight.land(cache, key)

    def line_up(self) -> None:
        """Give those that were stored the places that they would have.

        They came in the other direction, so that the most valuable ones were there first.
        """
        self.stored.reverse()
        keys = tuple(key for key, _ in self.stored)
        self._cache._line_up(keys, bytes(hits for _, hits in self.stored))
