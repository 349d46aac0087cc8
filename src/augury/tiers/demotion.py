"""Entries that memory has no room for, on their way to the tier below."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from typing import Any

import msgspec

from augury.events import Trouble
from augury.forks import renew_in_child
from augury.tiers.contract import Key
from augury.tiers.entry import Entry
from augury.tiers.levels import Faults, Level
from augury.tiers.placement import Placement
from augury.tiers.ways import BLOCKING, run

_MOST_WAITING = 10_000
_BATCH = 256
_IDLE = 1.0  # seconds without work after which the thread ends


class Demotion:
    """Writes entries to a tier in a thread of its own, as long as it keeps up.

    What comes while too many wait is not demoted: no reader waits for a disk that it does not read.

    Parameters
    ----------
    level
        Where they go.
    placement
        Which of them.
    faults
        Where to report.
    """

    def __init__(self, level: Level, placement: Placement, faults: Faults) -> None:
        self._level = level
        self._placement = placement
        self._faults = faults
        self._closed = False
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """Begin without entries and without a thread."""
        self._lock = threading.RLock()
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        """Offers, and functions to be called in their order; None is the end."""
        self._thread: threading.Thread | None = None
        self.dropping: Counter[Key] = Counter()
        """Keys whose entries in the tier may be older than they ought to be, for a moment."""

    def offer(self, key: Key, outer: Key, entry: Entry, expires: float) -> None:
        """Have an entry written, if that pays; it is served until `expires`."""
        if self._closed or self._waiting.qsize() >= _MOST_WAITING:
            return
        self._put((key, outer, entry, expires))

    def _put(self, item: Any) -> None:
        self._waiting.put(item)
        if self._thread is None:
            with self._lock:
                if self._thread is None and not self._closed:
                    self._thread = threading.Thread(
                        target=self._run, args=(self._waiting,), name="augury-demotion", daemon=True
                    )
                    self._thread.start()

    def drop(self, outer: list[Key]) -> None:
        """Have keys deleted that may be among those that wait, once these are written."""
        if self._thread is None and self._waiting.empty():
            return
        with self._lock:
            self.dropping.update(outer)
        self._put(lambda: self._drop(outer))

    def _drop(self, outer: list[Key]) -> None:
        try:
            run(self._level.ask(BLOCKING, "delete_many", outer))
        finally:
            with self._lock:
                self.dropping -= Counter(outer)

    def _first(self, waiting: queue.SimpleQueue[Any]) -> Any:
        """Return what waits; None if that is nothing for a while."""
        while True:
            try:
                return waiting.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    mine, self._thread = self._thread, None
                    if waiting.empty():  # who offers from now on begins another thread
                        return None  # this one would keep these tiers for ever
                    self._thread = mine

    def _run(self, waiting: queue.SimpleQueue[Any]) -> None:
        while (first := self._first(waiting)) is not None:
            batch: dict[Key, Entry] = {}
            while not callable(first):
                self._consider(batch, *first)
                if len(batch) >= _BATCH or waiting.empty():
                    first = None
                    break
                first = waiting.get()
                if first is None:
                    waiting.put(None)  # the end, once this is written
                    break
            try:
                if batch:
                    run(self._level.store(BLOCKING, "set_many", batch))
                if first is not None:
                    first()
            except Exception as error:  # a value that no codec takes; the next one may be taken
                self._faults.report(Trouble.DROPPED, self._level.name, repr(error))

    def _consider(
        self, batch: dict[Key, Entry], key: Key, outer: Key, entry: Entry, expires: float
    ) -> None:
        try:
            if self._placement.goes_down(key):
                batch[outer] = msgspec.structs.replace(entry, expires=expires)
        except Exception as error:  # of a placement that is not ours
            self._faults.report(Trouble.DROPPED, self._level.name, repr(error))

    def close(self) -> None:
        """Write what waits, and stop."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()
