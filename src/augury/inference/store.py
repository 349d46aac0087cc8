"""Where outputs lie: entries of a `Cache` or of `Tiers`, a row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from augury import _native
from augury.cache import Cache
from augury.errors import ConfigurationError
from augury.tiers import Tiers

Found = tuple[NDArray[np.int64], NDArray[np.int64]]


class Store(Protocol):
    """Finds and stores outputs of rows by the digests of these."""

    remote: bool
    """Whether that may take as long as asking a server."""

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

    def form(self, space: bytes) -> bytes | None:
        """Return what outputs of this space look like, if that is there."""

    def put_form(self, space: bytes, form: bytes) -> None:
        """Store what outputs of this space look like."""


class CacheStore:
    """A `Cache` of this process: rows are found natively, a batch at a time."""

    remote = False

    def __init__(self, cache: Cache[Any, Any], ttl: float | None) -> None:
        self._cache = cache
        self._ttl = ttl

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
        _native.store_rows(
            self._cache, space, digests, missing, outputs, rows, ttl=self._ttl, cost=cost
        )

    def form(self, space: bytes) -> bytes | None:
        """Return what outputs of this space look like, if that is there."""
        held = self._cache.get(space)
        return held if isinstance(held, bytes) else None

    def put_form(self, space: bytes, form: bytes) -> None:
        """Store what outputs of this space look like."""
        if self._ttl is None:
            self._cache.set(space, form)
        else:
            self._cache.set(space, form, ttl=self._ttl)


class TiersStore:
    """`Tiers`, which other processes may share."""

    remote = True

    def __init__(self, tiers: Tiers[Any, Any], ttl: float | None) -> None:
        self._tiers = tiers
        self._options: dict[str, Any] = {} if ttl is None else {"ttl": ttl}

    def find(
        self,
        space: bytes,
        digests: NDArray[np.uint64],
        out: NDArray[np.uint8],
        rows: NDArray[np.uint8] | None,
    ) -> Found:
        """Fill lines of `out` with what is found; tell what is missing."""
        keys = _keys(space, digests)
        held = self._tiers.get_many(list(dict.fromkeys(keys)))
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
        keys = _keys(space, digests)
        self._tiers.set_many(
            {
                keys[at]: line.tobytes() + (b"" if rows is None else rows[at].tobytes())
                for at, line in zip(missing.tolist(), outputs, strict=True)
            },
            **self._options,
        )

    def form(self, space: bytes) -> bytes | None:
        """Return what outputs of this space look like, if that is there."""
        held = self._tiers.get(space)
        return held if isinstance(held, bytes) else None

    def put_form(self, space: bytes, form: bytes) -> None:
        """Store what outputs of this space look like."""
        self._tiers.set(space, form, **self._options)


def _keys(space: bytes, digests: NDArray[np.uint64]) -> Sequence[bytes]:
    raw = digests.tobytes()
    return [space + raw[at : at + 16] for at in range(0, len(raw), 16)]


def store_in(cache: Any, ttl: float | None) -> Store:
    """Return where outputs lie in a cache.

    Raises
    ------
    ConfigurationError
        If it is neither a `Cache` nor `Tiers`.
    """
    if isinstance(cache, Cache):
        return CacheStore(cache, ttl)
    if isinstance(cache, Tiers):
        return TiersStore(cache, ttl)
    raise ConfigurationError(f"cache must be a Cache or Tiers, not {type(cache).__name__}")
