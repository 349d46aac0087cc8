"""When the learner of a cache looks at its requests, and when it trains, counted in requests."""

from __future__ import annotations

LEAST = 20_000
"""Requests of the shortest window: fewer are too few rows to learn from and to judge by."""
MOST = 1 << 21
"""Requests of the longest window: 32 MB."""
_STAYS = 8  # half of it to learn from, and half of that to tell times apart up to twice a stay
_MOST_STAYS = 32
_LONGEST_REST = 8  # windows
_LONGEST_PATIENCE = 256  # windows


class Schedule:
    """Looks seldom and trains more seldom as long as nothing changes, and at once when it does."""

    def __init__(self, window: int | None = None) -> None:
        self.start_at = 0
        """Served requests at which the next window begins."""
        self.train_at = 0
        """Served requests from which a window is trained on, whatever it shows."""
        self._fixed = window
        self._stays = _STAYS
        self._rest = 0
        self._patience = 0

    def limit(self, capacity: int) -> int:
        """Return the most requests of a window."""
        return self._fixed or min(MOST, max(LEAST, 4 * _MOST_STAYS * capacity))

    def is_settled(self, served: int, inserted: int, entries: int, capacity: int) -> bool:
        """Tell whether a cache holds what its policy wants to keep.

        What it does before says little of any policy, and favours those that are quick to fill.
        Parameters as of `is_enough`, since the cache was made.
        """
        if self._fixed or served >= self.limit(capacity):
            return True
        return inserted >= _STAYS * max(entries, 1)

    def is_enough(self, recorded: int, inserted: int, entries: int, capacity: int) -> bool:
        """Tell whether a window may end.

        A model is worth what it knows of times that entries stay in the cache, so a window lasts
        until they have changed several times over.

        Parameters
        ----------
        recorded
            Requests in it so far.
        inserted
            Entries that came meanwhile.
        entries
            How many there are.
        capacity
            Of the cache.
        """
        if recorded >= self.limit(capacity):
            return True
        return not self._fixed and recorded >= LEAST and inserted >= self._stays * max(entries, 1)

    def restart(self) -> None:
        """Note that the served requests are counted anew."""
        self.start_at = self.train_at = 0

    def looked(self, served: int, window: int) -> None:
        """Note that a window showed nothing new."""
        self._rest = min(max(2 * self._rest, window), _LONGEST_REST * window)
        self.start_at = served + self._rest

    def trained(self, served: int, window: int, *, idle: bool) -> None:
        """Note that a model was trained on a window, and did not win.

        Parameters
        ----------
        idle
            Whether no model is in use, so that there is nothing to look at until the next training.
        """
        self._patience = min(max(2 * self._patience, window), _LONGEST_PATIENCE * window)
        self._stays = min(2 * self._stays, _MOST_STAYS)
        self.train_at = served + self._patience
        self.looked(served, window)
        if idle:
            self.start_at = self.train_at

    def changed(self, served: int, window: int) -> None:
        """Note that something has changed: what decides, or what is asked for."""
        self._rest = 0
        self._patience = window
        self._stays = _STAYS
        self.start_at = served
        self.train_at = served + self._patience
