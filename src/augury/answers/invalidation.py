"""What has been reported of changes in tables, and so how far kept answers are to be trusted.

A change that says nothing of its size makes all earlier answers void: each table has a generation,
which is part of the keys. A change of at most so many rows leaves counts of a single table known
within so many: these age, and all others are void.
"""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from augury.errors import ConfigurationError
from augury.forks import renew_in_child
from augury.parameters import check_instance, shown

_REPORTS = 10_000
"""Of how many changes the times are known, for a table."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What has been reported of some tables until now."""

    whole: tuple[Any, ...]
    """Another one after each change that makes all answers void."""
    any: tuple[Any, ...]
    """Another one after each change."""
    void_before: float
    """Seconds since 1970 before which nothing that was read, or learned, is right."""
    changed: float
    """Seconds since 1970 of the last change."""
    reports: tuple[tuple[str, int], ...]
    """Tables with reported numbers of rows, and their sums."""


def same_table(one: str, other: str) -> bool:
    """Tell whether two names may mean one table: with the schema or without.

    Examples
    --------
    >>> same_table("public.flights", "Flights"), same_table("a.flights", "b.flights")
    (True, False)
    """
    one, other = one.lower(), other.lower()
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


class Changes:
    """Reported changes of tables. Safe to share among threads."""

    def __init__(self) -> None:
        self.begin_anew()
        renew_in_child(self)
        self._whole: dict[str, int] = {}
        self._void: dict[str, float] = {}
        self._versions: dict[str, str] = {}
        self._times: dict[str, list[float]] = {}
        self._rows: dict[str, list[int]] = {}
        self._checks: list[Callable[[], bool]] = []
        self.epoch = 0
        """Grows with each report."""

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.Lock()

    def report(self, table: str, rows: int | None = None) -> None:
        """Take down that a table has changed, in at most so many rows.

        Raises
        ------
        ConfigurationError
            If `table` is no name, or `rows` no number of rows.
        """
        check_instance("table", table, str)
        if rows is not None and (type(rows) is not int or not 0 <= rows < 2**53):
            raise ConfigurationError(f"rows must be a number of rows, not {shown(rows)}")
        if rows == 0:
            return
        table = table.lower()
        with self._lock:
            now = time.time()
            if rows is None:
                self._whole[table] = self._whole.get(table, 0) + 1
                self._void[table] = now
            else:
                times, sums = self._times.setdefault(table, []), self._rows.setdefault(table, [0])
                times.append(max(now, times[-1] if times else now))
                sums.append(sums[-1] + rows)
                if len(times) > _REPORTS:  # every other one is taken for as late as the next
                    del times[:-1:2], sums[1:-1:2]
            self.epoch += 1

    def version(self, table: str, version: str) -> bool:
        """Take down what a table's version is, and return whether it was another one before."""
        table = table.lower()
        with self._lock:
            before = self._versions.get(table)
            if before == version:
                return False
            self._versions[table] = version
            if before is not None:
                self._void[table] = time.time()
            self.epoch += 1
            return before is not None

    def generation(self, tables: Iterable[str], *, shared: bool) -> Generation:
        """Return what has been reported of tables.

        Parameters
        ----------
        tables
            Their names.
        shared
            Whether results lie in tiers: then what makes them void is their tag there, since no
            other process counts as this one does.
        """
        names = tuple(tables)

        def of(reported: Iterable[str]) -> list[str]:
            return sorted(r for r in reported if any(same_table(r, name) for name in names))

        with self._lock:
            versions = tuple((name, self._versions[name]) for name in of(self._versions))
            counts = () if shared else tuple((n, self._whole[n]) for n in of(self._whole))
            reports = tuple((name, self._rows[name][-1]) for name in of(self._times))
            void = max((self._void[name] for name in of(self._void)), default=-math.inf)
            last = max((self._times[name][-1] for name, _ in reports), default=-math.inf)
        whole = (*versions, *counts)
        return Generation(
            whole, whole if shared else (*whole, *reports), void, max(void, last), reports
        )

    def rows_since(self, generation: Generation, since: float) -> int:
        """Return how many rows have changed at most since then."""
        found = 0
        with self._lock:
            for table, _ in generation.reports:
                sums = self._rows[table]
                found += sums[-1] - sums[bisect_left(self._times[table], since)]
        return found

    def watch(self, check: Callable[[], bool]) -> None:
        """Call this before each answer, to hear whether changes would have been reported."""
        self._checks.append(check)

    def trusted(self) -> bool:
        """Return whether changes until now, or a stated time ago, have been reported."""
        return all(check() for check in self._checks)


class Version:
    """Asks for a table's version, at most every so many seconds.

    Parameters
    ----------
    changes
        What is told.
    table
        Name of the table.
    ask
        Returns the version.
    every
        Seconds for which an answer counts.
    changed
        Called after the version has changed.
    """

    def __init__(
        self,
        changes: Changes,
        table: str,
        ask: Callable[[], Any],
        every: float,
        changed: Callable[[], None],
    ) -> None:
        self._changes = changes
        self._table = table
        self._ask = ask
        self._every = every
        self._changed = changed
        self._due = 0.0
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child: whoever holds the lock may be in the parent."""
        self._lock = threading.Lock()

    def __call__(self) -> bool:
        """Ask if it is time to; who comes meanwhile waits for the answer."""
        if time.monotonic() < self._due:
            return True
        with self._lock:
            if time.monotonic() >= self._due:
                begun = time.monotonic()
                if self._changes.version(self._table, repr(self._ask())):
                    self._changed()
                self._due = begun + self._every
        return True
