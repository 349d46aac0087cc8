"""The curve of a running cache, in bounded memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from augury import _native
from augury.errors import ConfigurationError
from augury.sizing.stack import depth_curve

if TYPE_CHECKING:
    from augury.accesslog import Chunk
    from augury.sizing.curve import Curve


class LiveCurve:
    """Measures LRU's miss ratios of what a live cache is asked for: SHARDS of fixed size.

    Give it to a `Recorder` as its listener. It tells what LRU of any size would miss of the same
    reads, whichever policy and size the cache has.

    Parameters
    ----------
    name
        Of the cache, as in `Recorder.named`; by default reads of all of them are taken together.
    recorded
        The recorder's `sample`: which share of the keys it is told of, above 0.0 and up to 1.0.
    most_keys
        How many keys it looks at (default 16,384): about 2 MB.
    by_bytes
        Whether an entry takes as much room as its size; otherwise each takes 1.
    seed
        Of the sample.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.

    Examples
    --------
    >>> import augury, tempfile
    >>> from augury.accesslog import Recorder
    >>> live = LiveCurve()
    >>> with Recorder(tempfile.mkdtemp(), sample=1.0, listener=live) as recorder:
    ...     cache = augury.Cache(100, record=recorder)
    ...     for key in [1, 2, 1, 3, 1, 2]:
    ...         found = cache.get(key)
    >>> live.requests, live.curve().miss_ratios.round(3).tolist()
    (6, [1.0, 0.667, 0.5])
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        recorded: float = 1.0,
        most_keys: int = 16_384,
        by_bytes: bool = False,
        seed: int = 1,
    ) -> None:
        if not 0.0 < recorded <= 1.0:
            raise ConfigurationError(f"recorded must be above 0 and up to 1, not {recorded!r}")
        if not 1 <= most_keys < 2**30:
            raise ConfigurationError(f"most_keys must be from 1 to 2**30, not {most_keys!r}")
        self._name = name
        self._recorded = recorded
        self._by_bytes = by_bytes
        self._sized = False
        self._lock = threading.Lock()  # counting gives up the GIL
        self._counted = _native.StackDistances(1.0, most_keys, seed, weighed=by_bytes)

    def __call__(self, name: str, reads: Chunk) -> None:
        """Take reads of a cache into account; a `Recorder` calls it."""
        if self._name is None or name == self._name:
            with self._lock:
                self._sized = reads.sizes is not None
                self._counted.feed(reads.keys, reads.sizes)

    @property
    def requests(self) -> int:
        """Reads so far that it was told of."""
        return self._counted.requests

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        with self._lock:
            return self._counted.bytes

    def curve(self) -> Curve:
        """Return the curve so far.

        Raises
        ------
        ConfigurationError
            If there was no read yet.
        """
        with self._lock:
            if not self._counted.requests:
                raise ConfigurationError("no read was recorded yet; ask again later")
            return depth_curve(
                self._counted, "shards", self._by_bytes, self._sized, None, self._recorded
            )
