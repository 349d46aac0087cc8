"""What every trace format is read into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

LONGEST = 1 << 15
"""The most requests of one chunk."""

NOBODY = 2**64 - 1
"""The session of a request where it is not known who asked."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Chunk:
    """Consecutive requests of a trace."""

    keys: NDArray[np.uint64]
    """The number itself for a key that is an integer from 0 to 2**64 - 1, else a 64-bit digest of
    its text (XXH3), the same in every process."""
    sizes: NDArray[np.uint64] | None = None
    """In bytes; None if the format has none."""
    times: NDArray[np.float64] | None = None
    """In seconds, from an epoch of the trace's own; None if the format has none."""
    names: Sequence[str] | None = None
    """The keys' text, aligned with `keys`; None where every key is a number."""
    sessions: NDArray[np.uint64] | None = None
    """Who asked: a client or user, as a number or a 64-bit digest made as those of keys are, or
    `NOBODY`. None where it is known of no request."""

    def __repr__(self) -> str:
        return f"<Chunk of {len(self):,} requests>"

    def __len__(self) -> int:
        return len(self.keys)

    def split(self) -> Iterator[Chunk]:
        """Yield the same requests in chunks of at most `LONGEST`, and nothing if there are none."""
        if 0 < len(self) <= LONGEST:
            yield self
            return
        for start in range(0, len(self), LONGEST):
            yield self.where(slice(start, start + LONGEST))

    def where(self, chosen: NDArray[np.bool_] | slice) -> Chunk:
        """Return the chosen requests."""
        names = self.names
        if names is not None:
            if isinstance(chosen, slice):
                names = names[chosen]
            else:
                names = [names[at] for at in np.flatnonzero(chosen).tolist()]
        return Chunk(
            self.keys[chosen],
            None if self.sizes is None else self.sizes[chosen],
            None if self.times is None else self.times[chosen],
            names,
            None if self.sessions is None else self.sessions[chosen],
        )


class Chunked(Protocol):
    """What is read in chunks: a trace, or what stands for one."""

    @property
    def path(self) -> Path | None:
        """Its file, if it has one."""

    def chunks(self, *, progress: Callable[[float], object] | None = None) -> Iterator[Chunk]:
        """Yield the requests from the first."""
