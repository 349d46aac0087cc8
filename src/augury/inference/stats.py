"""What cached models count."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class InferenceStats:
    """What a `CachedModel` has done so far.

    Examples
    --------
    >>> stats = InferenceStats()
    >>> stats.add(1_000, hits=850, duplicates=50, computed=100, model=0.2, cache=0.001)
    >>> print(stats)
    1,000 rows in 1 batch: 850 hits, 50 duplicates, 100 computed; hit ratio 90.0%
    model 200.0 ms, cache 1.0 ms, saved 1,799.0 ms
    >>> stats.as_dict()["hit_ratio"]
    0.9
    """

    batches: int = 0
    """Calls with rows."""
    rows: int = 0
    """Rows asked about."""
    hits: int = 0
    """Rows whose output was in the cache."""
    duplicates: int = 0
    """Rows equal to another one of their batch that the model was run on."""
    computed: int = 0
    """Rows that the model was run on."""
    skipped: int = 0
    """Those of them that were not looked up, because that did not pay."""
    model_seconds: float = 0.0
    """Time in the model."""
    cache_seconds: float = 0.0
    """Time for reading rows, digests, looking up and storing."""
    _lock: threading.Lock = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """In a forked child, where a thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    @property
    def hit_ratio(self) -> float:
        """Rows that the model was not run on, per row; 0.0 without rows."""
        return (self.hits + self.duplicates) / self.rows if self.rows else 0.0

    @property
    def saved_seconds(self) -> float:
        """An estimate: what the rows not computed would have taken, less the cache's own time.

        It takes them to cost what the computed ones did on average: 0.0 until one was computed,
        negative where the cache has cost more than it has saved.
        """
        if not self.computed:
            return 0.0
        each = self.model_seconds / self.computed
        return each * (self.hits + self.duplicates) - self.cache_seconds

    def add(
        self,
        rows: int,
        *,
        hits: int = 0,
        duplicates: int = 0,
        computed: int = 0,
        skipped: int = 0,
        model: float = 0.0,
        cache: float = 0.0,
    ) -> None:
        """Count a batch, or with no rows more of one.

        Parameters
        ----------
        rows
            Rows of the batch.
        hits, duplicates, computed, skipped
            Of these, those that were found, were equal to another of the batch, were computed, or
            were computed without having been looked up.
        model, cache
            Seconds that the model and the cache took.
        """
        with self._lock:
            self.batches += rows > 0
            self.rows += rows
            self.hits += hits
            self.duplicates += duplicates
            self.computed += computed
            self.skipped += skipped
            self.model_seconds += model
            self.cache_seconds += cache

    def as_dict(self) -> dict[str, int | float]:
        """Return all figures by name, those derived included, all of one moment; times in seconds.

        They only ever grow, but for `hit_ratio` and `saved_seconds`.
        """
        with self._lock:
            return {
                "batches": self.batches,
                "rows": self.rows,
                "hits": self.hits,
                "duplicates": self.duplicates,
                "computed": self.computed,
                "skipped": self.skipped,
                "hit_ratio": self.hit_ratio,
                "model_seconds": self.model_seconds,
                "cache_seconds": self.cache_seconds,
                "saved_seconds": self.saved_seconds,
            }

    def __str__(self) -> str:
        skipped = f" ({self.skipped:,} not looked up)" if self.skipped else ""
        return (
            f"{self.rows:,} rows in {self.batches:,} batch{'es' * (self.batches != 1)}: "
            f"{self.hits:,} hits, {self.duplicates:,} duplicates, {self.computed:,} computed"
            f"{skipped}; hit ratio {self.hit_ratio:.1%}\n"
            f"model {self.model_seconds * 1e3:,.1f} ms, cache {self.cache_seconds * 1e3:,.1f} ms, "
            f"saved {self.saved_seconds * 1e3:,.1f} ms"
        )
