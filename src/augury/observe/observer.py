"""Knows what is observed, by name, and takes snapshots of it."""

from __future__ import annotations

from augury.observe.views import Snapshot


class Observer:
    """Collects what is to be known of caches, tiers, answers, models and prefetchers.

    It samples them once an interval in a thread of its own, and keeps the history of the last
    ones. What it observes may go: it holds weak references.

    Parameters
    ----------
    interval
        Seconds between two samples (default 1).
    keep
        How many samples are kept (default 600).
    """

    def __init__(self, *, interval: float = 1.0, keep: int = 600) -> None:
        self._interval = interval
        self._keep = keep

    def add(self, name: str, observed: object) -> None:
        """Observe something from now on, under a name that is unique among its kind."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Observe it no more."""
        raise NotImplementedError

    def snapshot(self) -> Snapshot:
        """Return what is known at this moment."""
        raise NotImplementedError

    def close(self) -> None:
        """Stop sampling."""
        raise NotImplementedError
