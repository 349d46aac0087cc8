"""Whether looking rows up pays, by what it has cost and saved."""

from __future__ import annotations

from augury import _native

_ROWS = 512  # between two decisions, at least
_REMEMBERED = 1 << 17  # rows that a glance may find again
_MEMORY = 0.7  # of what was measured before
_GLANCES = 0.0025  # of the model's time, that looking out for repeats may take
_SELDOMEST = 256  # batches from one glance to the next, at most


class Bypass:
    """Looks rows up as long as that pays, and at a sample of batches for whether it would.

    Looking up costs a digest of each row, a search and a store. Where hits save less than that,
    rows are only glanced at: those that may have been seen before are looked up, the others go to
    the model, and are not stored. Where even that costs more than a quarter of a percent of the
    model's time, only every second batch is glanced at, then every fourth, and so on. Times are of
    the clock on the wall: they are compared, never promised.
    """

    def __init__(self) -> None:
        self.looks_up = True
        """Whether all rows are looked up; else they are glanced at."""
        self._doorkeeper: _native.Doorkeeper | None = None
        self._every = 1  # batches from one glance to the next
        self._batch = 0
        self._reset()
        self._row_seconds = 0.0  # of the model, a row
        self._search_seconds = 0.0  # of looking up, a row

    def _reset(self) -> None:
        self._rows = self._hits = 0
        self._searched = 0
        self._search = self._model = self._glance = 0.0
        self._computed = 0

    @property
    def doorkeeper(self) -> _native.Doorkeeper:
        """What remembers the rows glanced at."""
        if self._doorkeeper is None:
            self._doorkeeper = _native.Doorkeeper(_REMEMBERED)
        return self._doorkeeper

    def glances(self) -> bool:
        """Return whether to look at the next batch at all."""
        self._batch += 1
        return self._batch % self._every == 0

    def note(
        self,
        rows: int,
        *,
        searched: int = 0,
        hits: int = 0,
        computed: int = 0,
        search: float = 0.0,
        model: float = 0.0,
        glance: float = 0.0,
    ) -> None:
        """Take note of a batch.

        Parameters
        ----------
        rows, searched, hits, computed
            How many rows there were, were looked up, were found, and went to the model.
        search, model, glance
            Seconds for looking up and storing, in the model, and for glancing.
        """
        self._rows += rows
        self._searched += searched
        self._hits += hits
        self._computed += computed
        self._search += search
        self._model += model
        self._glance += glance
        # Of whole periods only: in part of one there may have been no glance.
        if self._rows >= _ROWS and self._batch % self._every == 0:
            self._decide()

    def _decide(self) -> None:
        if self._computed:
            self._row_seconds = _blend(self._row_seconds, self._model / self._computed)
        if self._searched:
            self._search_seconds = _blend(self._search_seconds, self._search / self._searched)
        gain = self._hits * self._row_seconds
        if self.looks_up:
            if gain < self._search:
                self.looks_up = False
                self._every = 1
        elif self._searched and gain * self._every > self._rows * self._search_seconds:
            self.looks_up = True  # the batches not glanced at would have gained as much each
        elif self._model and self._glance > _GLANCES * self._model:
            self._every = min(2 * self._every, _SELDOMEST)
        elif self._every > 1 and self._glance < _GLANCES * self._model / 4:
            self._every //= 2
        self._reset()


def _blend(before: float, now: float) -> float:
    return now if before == 0.0 else _MEMORY * before + (1 - _MEMORY) * now
