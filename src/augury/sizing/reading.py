"""A trace, watched while it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from augury.accesslog import Chunk, InMemoryTrace, Trace
from augury.errors import ConfigurationError, TraceError

_MOST_BYTES = 1 << 63  # of all requests together: sums of 64 bits hold them


class Watched:
    """Yields the chunks of a trace, and knows afterwards what there was in all.

    Parameters
    ----------
    trace
        The trace.
    by_bytes
        Whether it needs sizes.
    """

    def __init__(self, trace: Trace | InMemoryTrace, by_bytes: bool) -> None:
        self.path = trace.path
        self.requests = 0
        self.requested_bytes: float | None = None
        """Sum of the sizes of the requests, if the trace has sizes."""
        self._trace = trace
        self._by_bytes = by_bytes
        self._earliest, self._latest = math.inf, -math.inf

    @property
    def seconds(self) -> float | None:
        """From the earliest to the latest request, if the trace says."""
        return self._latest - self._earliest if self._latest >= self._earliest else None

    def chunks(self, *, progress: Callable[[float], object] | None = None) -> Iterator[Chunk]:
        """Yield the requests; as `Trace.chunks` does.

        Raises
        ------
        ConfigurationError
            If there are no sizes and they are needed.
        TraceError
            If the sizes add up to more than 2**63 bytes; or as `Trace.chunks`.
        """
        for chunk in self._trace.chunks(progress=progress):
            self.requests += len(chunk)
            if chunk.sizes is not None:
                total = float(chunk.sizes.sum(dtype=np.float64))
                self.requested_bytes = (self.requested_bytes or 0.0) + total
                if self.requested_bytes > _MOST_BYTES:
                    raise TraceError(
                        f"{self.path or 'the trace'}: its sizes add up to more than "
                        f"{_MOST_BYTES:,} bytes; is this column the size?"
                    )
            elif self._by_bytes:
                raise ConfigurationError("the trace has no sizes; measure by entries, not by bytes")
            if chunk.times is not None:
                self._earliest = min(self._earliest, float(chunk.times.min()))
                self._latest = max(self._latest, float(chunk.times.max()))
            yield chunk
