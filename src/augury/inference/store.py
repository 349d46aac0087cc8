"""Where outputs lie: entries of a `Cache` or of `Tiers`, a row each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from augury import _native
from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.tiers import Tiers

Found = tuple[NDArray[np.int64], NDArray[np.int64]]


C = TypeVar("C", bound=Cache[Any, Any] | Tiers[Any, Any])


class Store(ABC, Generic[C]):
    """Finds and stores outputs of rows by the digests of these."""

    remote: bool
    """Whether that may take as long as asking a server."""

    def __init__(self, cache: C, ttl: float | None) -> None:
        self._cache = cache
        self._options: dict[str, Any] = {} if ttl is None else {"ttl": ttl}

    @abstractmethod
    def find(
        self,
        space: bytes,
        digests: NDArray[np.uint64],
        out: NDArray[np.uint8],
        rows: NDArray[np.uint8] | None,
    ) -> Found:
        """Fill lines of `out` with what is found; tell which rows the model is to be run on.

        Returns
        -------
        missing
            The first row of each digest that is not there.
        source
            For each row its place in `missing`, or -1 if its line has been filled.
        """

    @abstractmethod
    def put(
        self,
        space: bytes,
        digests: NDArray[np.uint64],
        missing: NDArray[np.int64],
        outputs: NDArray[np.uint8],
        rows: NDArray[np.uint8] | None,
        cost: float,
    ) -> None:
        """Store the outputs of the missing rows, each of which took so many milliseconds.

        None without a byte: they would be found before it is known that there is no more to them.
        """

    def form(self, space: bytes) -> bytes | None:
        """Return what outputs of this space look like, if that is there."""
        held = self._cache.get(space)
        return held if isinstance(held, bytes) else None

    def put_form(self, space: bytes, form: bytes) -> None:
        """Store what outputs of this space look like."""
        self._cache.set(space, form, **self._options)


class CacheStore(Store[Cache[Any, Any]]):
    """A `Cache` of this process: rows are found natively, a batch at a time."""

    remote = False

    def find(
        self,
        space: bytes,
        digests: NDArray[np.uint64],
        out: NDArray[np.uint8],
        rows: NDArray[np.uint8] | None,
    ) -> Found:
        """Fill lines of `out` with what is found; tell what is missing."""
        return _native.find_rows(self._cache, space, digests, out, rows)

    def put(
        self,
        space: bytes,
        digests: NDArray[np.uint64],
        missing: NDArray[np.int64],
        outputs: NDArray[np.uint8],
        rows: NDArray[np.uint8] | None,
        cost: float,
    ) -> None:
        """Store the outputs of the missing rows, each of which took so many milliseconds."""
        if outputs.shape[1] == 0:
            return
        _native.store_rows(
            self._cache, space, digests, missing, outputs, rows, cost=cost, **self._options
        )


class TiersStore(Store[Tiers[Any, Any]]):
    """`Tiers`, which other processes may share."""

    remote = True

    def find(
        self,
        space: bytes,
        digests: NDArray[np.uint64],
        out: NDArray[np.uint8],
        rows: NDArray[np.uint8] | None,
    ) -> Found:
        """Fill lines of `out` with what is found; tell what is missing."""
        keys = _keys(space, digests)
        held = self._cache.get_many(list(dict.fromkeys(keys)))
        place: dict[tuple[bytes, bytes], int] = {}
        missing: list[int] = []
        source = np.full(len(keys), -1, np.int64)
        width = out.shape[1]
        for at, key in enumerate(keys):
            value = held.get(key)
            row = b"" if rows is None else rows[at].tobytes()
            if isinstance(value, bytes) and value[width:] == row and len(value) >= width:
                out[at] = np.frombuffer(value, np.uint8, width)
                continue
            if (key, row) not in place:
                place[key, row] = len(missing)
                missing.append(at)
            source[at] = place[key, row]
        return np.array(missing, np.int64), source

    def put(
        self,
        space: bytes,
        digests: NDArray[np.uint64],
        missing: NDArray[np.int64],
        outputs: NDArray[np.uint8],
        rows: NDArray[np.uint8] | None,
        cost: float,  # noqa: ARG002
    ) -> None:
        """Store the outputs of the missing rows, each of which took so many milliseconds."""
        if outputs.shape[1] == 0:
            return
        keys = _keys(space, digests)
        self._cache.set_many(
            {
                keys[at]: line.tobytes() + (b"" if rows is None else rows[at].tobytes())
                for at, line in zip(missing.tolist(), outputs, strict=True)
            },
            **self._options,
        )


def _keys(space: bytes, digests: NDArray[np.uint64]) -> Sequence[bytes]:
    raw = digests.tobytes()
    return [space + raw[at : at + 16] for at in range(0, len(raw), 16)]


T = TypeVar("T")


def by_kind(
    cache: Any,
    ttl: float | None,
    of_cache: Callable[[Any, float | None], T],
    of_tiers: Callable[[Any, float | None], T],
) -> T:
    """Return what keeps things in a `Cache`, or what keeps them in `Tiers`.

    Raises
    ------
    ConfigurationError
        If it is neither.
    """
    if isinstance(cache, Cache):
        return of_cache(cache, ttl)
    if isinstance(cache, Tiers):
        return of_tiers(cache, ttl)
    raise ConfigurationError(f"cache must be a Cache or Tiers, not {type(cache).__name__}")


def store_in(cache: Any, ttl: float | None) -> Store[Any]:
    """Return where outputs lie in a cache, or raise a `ConfigurationError` if it is none."""
    return by_kind(cache, ttl, CacheStore, TiersStore)
