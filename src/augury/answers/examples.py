"""Executed queries of a family, as what its models are fitted to."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from augury.answers.region import Box, Dimension, boxes_array
from augury.forks import renew_in_child

if TYPE_CHECKING:
    from augury.answers.sample import Sample

Measures: TypeAlias = Mapping[str, float]
"""What a query returned, by name: ``rows``, ``count:x``, ``sum:x``, or of what does not add up
``value`` or ``label``. NaN stands for NULL."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Queries and what the database returned, from the oldest to the newest."""

    dimensions: tuple[Dimension, ...]
    sizes: tuple[int, ...]
    """Of each dimension, how many values the vocabulary has; 0 if it is ordered."""
    boxes: NDArray[np.float64]
    """Shape (examples, dimensions, 2): closed intervals; of categories, twice the number."""
    measures: Mapping[str, NDArray[np.float64]]
    """What each returned, NaN where it did not ask for that."""
    times: NDArray[np.float64]
    """Seconds since 1970 at which each was executed last."""
    sample: Sample | None = None
    """Rows of the table, if that may be read."""
    firsts: NDArray[np.float64] | None = None
    """The same as `times`, but of the first time; None if none was executed twice."""

    def __len__(self) -> int:
        return len(self.boxes)

    def chosen(self, which: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Examples:
        """Return some of them."""
        return Examples(
            self.dimensions,
            self.sizes,
            self.boxes[which],
            {name: array[which] for name, array in self.measures.items()},
            self.times[which],
            self.sample,
            None if self.firsts is None else self.firsts[which],
        )

    def since(self, time: float) -> Examples:
        """Return those of which a model that was fitted by then knows nothing."""
        return self.chosen((self.times if self.firsts is None else self.firsts) > time)

    def after(self, time: float) -> Examples:
        """Return those that were executed, for the last time, after that."""
        return self if (self.times > time).all() else self.chosen(self.times > time)

    def knowing(self, measure: str) -> NDArray[np.bool_]:
        """Return which of them say something of a measure."""
        if measure not in self.measures:
            return np.zeros(len(self), np.bool_)
        return ~np.isnan(self.measures[measure])


class ExampleLog:
    """Takes the executed queries of a family down; the newest of equal ones, and so many at most.

    Safe to share among threads.

    Parameters
    ----------
    dimensions
        Of the family.
    most
        How many are kept. Then the oldest leave.
    """

    def __init__(self, dimensions: Sequence[Dimension], most: int = 50_000) -> None:
        self._dimensions = tuple(dimensions)
        self._most = most
        self.begin_anew()
        renew_in_child(self)
        self._held: dict[Box, tuple[dict[str, float], float, float]] = {}
        self.forgotten = 0
        """How often some have been forgotten."""
        self.noted = 0
        """How many have been taken down, ever."""

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.Lock()

    def note(self, box: Box, measures: Measures, time: float, changed: float = -math.inf) -> None:
        """Take one down; what an equal one returned earlier is replaced.

        Other measures of that one are kept, unless the table has `changed` since.
        """
        with self._lock:
            self.noted += 1
            before = self._held.pop(box, None)
            known = before[0] if before and before[1] > changed else {}
            if known.get("rows") != measures.get("rows"):
                known = {}  # the table has changed in between
            first = before[2] if before else time
            self._held[box] = ({**known, **measures}, time, first)
            if len(self._held) > self._most:
                del self._held[next(iter(self._held))]

    def forget(self, before: float) -> None:
        """Forget what was executed before this time."""
        with self._lock:
            self.forgotten += 1
            self._held = {box: held for box, held in self._held.items() if held[1] >= before}

    def __len__(self) -> int:
        return len(self._held)

    def examples(self, sizes: Sequence[int]) -> Examples:
        """Return what there is, from the oldest."""
        with self._lock:
            held = list(self._held.items())
        names = sorted({name for _, (measures, _, _) in held for name in measures})
        return Examples(
            self._dimensions,
            tuple(sizes),
            boxes_array([box for box, _ in held], len(self._dimensions)),
            {
                name: np.array([m.get(name, np.nan) for _, (m, _, _) in held], np.float64)
                for name in names
            },
            np.array([time for _, (_, time, _) in held], np.float64),
            firsts=np.array([first for _, (_, _, first) in held], np.float64),
        )
