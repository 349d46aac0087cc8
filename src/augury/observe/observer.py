"""Knows what is observed, by name, and takes snapshots of it."""

from __future__ import annotations

import os
import socket
import time
import weakref
from typing import Any

from augury.closing import Closing
from augury.errors import ConfigurationError
from augury.observe.sampling import Sampling
from augury.observe.views import Snapshot


class Observer(Closing):
    """Collects what is to be known of caches, tiers, answers, models, prefetchers and advisors.

    It samples them once an interval in a thread of its own, and keeps the history of the last
    ones. What it observes may go: it holds weak references. What is not observed costs nothing.

    Parameters
    ----------
    interval
        Seconds between two samples (default 1).
    keep
        How many samples are kept (default 600).

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.

    Examples
    --------
    >>> import augury
    >>> cache = augury.Cache(100, policy="lru")
    >>> with Observer() as observer:
    ...     observer.add("users", cache)
    ...     cache["ann"] = 1
    ...     found = cache["ann"]
    ...     view = observer.snapshot().caches[0]
    >>> view.name, view.entries, view.hit_ratio
    ('users', 1, 1.0)
    """

    def __init__(self, *, interval: float = 1.0, keep: int = 600) -> None:
        if not isinstance(interval, int | float) or not 0.01 <= interval <= 86_400:
            raise ConfigurationError(f"interval must be from 0.01 to 86400 seconds: {interval!r}")
        if not isinstance(keep, int) or not 1 <= keep <= 1_000_000:
            raise ConfigurationError(f"keep must be from 1 to 1000000 samples, not {keep!r}")
        self._sampling = Sampling(float(interval), keep)
        self._began = time.monotonic()
        weakref.finalize(self, self._sampling.stop_soon).atexit = False

    def add(self, name: str, observed: object) -> None:
        """Observe something from now on, under a name that is unique among its kind.

        Parameters
        ----------
        name
            What it is called wherever it is shown.
        observed
            An `augury.Cache`, `augury.Tiers`, `augury.Prefetcher`, `augury.Answers`,
            `augury.CachedModel`, `augury.advice.Advisor`, or whatever else has `InferenceStats` as
            its `stats`.

        Raises
        ------
        ConfigurationError
            If the name is taken, or it is nothing that can be observed.
        """
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"a name is text, not {name!r}")
        self._sampling.add(name, observed)

    def remove(self, name: str) -> None:
        """Observe what has this name no more.

        Raises
        ------
        ConfigurationError
            If there is nothing of this name.
        """
        if not self._sampling.remove(name):
            raise ConfigurationError(f"nothing is observed as {name!r}")

    def sample(self) -> None:
        """Take a sample now, besides those of the thread."""
        self._sampling.sample()

    def snapshot(self) -> Snapshot:
        """Return what is known at this moment; nothing is waited for."""
        sections: dict[str, list[Any]] = {}
        for watch, observed in self._sampling.watches():
            sections.setdefault(watch.SECTION, []).append(watch.tell(observed))
        return Snapshot(
            at=time.time(),
            process=f"{socket.gethostname()}:{os.getpid()}",
            uptime=time.monotonic() - self._began,
            **sections,
        )

    def close(self) -> None:
        """Stop sampling, and observe nothing more. May be repeated."""
        self._sampling.close()

    def __repr__(self) -> str:
        return f"<Observer of {len(self._sampling.watches())} things>"
