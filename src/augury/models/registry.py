"""A folder of models: numbered versions, one of them current, back to the one before."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from augury.errors import ArtefactError, ConfigurationError
from augury.models.artefact import Artefact, load_model
from augury.models.container import UNFINISHED

_NAME = re.compile(r"(?P<number>\d{6,})\.augury")
_UNFINISHED = ".current-"  # of the pointer while it is written


class Saved(Protocol):
    """What a registry keeps: an `Artefact`, or any other file."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file as a whole or not at all."""


@dataclass(frozen=True, slots=True)
class Version:
    """One model of a registry."""

    number: int
    """From 1, in the order of publication; never given twice while the file is there."""
    path: Path
    """Its file."""
    current: bool
    """Whether it is the one in use."""


class Registry:
    """Models in a folder, for processes that share it.

    The current version is named by the last line of a small file that is replaced as a whole, so
    that a reader sees the old version or the new one and waits for nobody; its other lines are the
    versions that were current before, for `rollback`. Writers take turns by a lock on a file.

    Parameters
    ----------
    folder
        Made if it does not exist.

    Raises
    ------
    ConfigurationError
        If `folder` is a file.

    Examples
    --------
    >>> import tempfile
    >>> registry = Registry(tempfile.mkdtemp())
    >>> registry.versions()
    []
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        """Where the models are."""
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigurationError(f"{folder} is a file; a registry is a folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._pointer = self.folder / "current"

    def __repr__(self) -> str:
        return f"Registry({str(self.folder)!r})"

    @property
    def place(self) -> str:
        """What errors and events call it."""
        return str(self.folder)

    def publish(self, artefact: Saved, *, activate: bool = True) -> Version:
        """Add a model, or a set of them, and make it the current one; both happen, or neither.

        Parameters
        ----------
        artefact
            What to save.
        activate
            Whether it becomes the current version; if not, `activate` makes it that later.

        Returns
        -------
        Version
            The new one.
        """
        with self._writing():
            number = max((*self._numbers(), *self._history()), default=0) + 1
            artefact.save(self._path(number))
            if activate:
                self._point([*self._history(), number])
        return Version(number, self._path(number), activate)

    def activate(self, number: int) -> Version:
        """Make a version the current one, and return it; `rollback` leads back to the one before.

        Raises
        ------
        ArtefactError
            If there is none of that number.
        """
        with self._writing():
            if not self._path(number).exists():
                raise ArtefactError(f"{self.place}: has no version {number}")
            if self._current() != number:
                self._point([*self._history(), number])
        return Version(number, self._path(number), True)

    def versions(self) -> list[Version]:
        """Return what there is, from the oldest."""
        current = self._current()
        return [Version(n, self._path(n), n == current) for n in self._numbers()]

    def current(self) -> Version | None:
        """Return the version in use; None if nothing was published."""
        number = self._current()
        return None if number is None else Version(number, self._path(number), True)

    def load(self, number: int | None = None) -> Artefact:
        """Return version `number`, which is one model; by default the current one.

        Others are read from `Version.path` by what wrote them.

        Raises
        ------
        ArtefactError
            If there is none, or its file cannot be used.
        """
        chosen = self._current() if number is None else number
        if chosen is None:
            raise ArtefactError(f"{self.place}: has no model yet; publish one")
        try:
            return load_model(self._path(chosen))
        except FileNotFoundError:
            raise ArtefactError(f"{self.place}: has no version {chosen}") from None

    def rollback(self) -> Version:
        """Make the version current that was before this one, and return it.

        Raises
        ------
        ArtefactError
            If there is none before that still has its file.
        """
        with self._writing():
            history = self._history()[:-1]
            while history and not self._path(history[-1]).exists():
                history.pop()
            if not history:
                raise ArtefactError(f"{self.place}: no version was current before this one")
            self._point(history)
        return Version(history[-1], self._path(history[-1]), True)

    def prune(self, keep: int = 5) -> list[int]:
        """Delete old versions, but neither the current one nor the one that it would roll back to.

        What writers that were killed have left half-written goes, too.

        Parameters
        ----------
        keep
            How many of the newest stay, at least 1.

        Returns
        -------
        list of int
            The numbers of those deleted.

        Raises
        ------
        ConfigurationError
            If `keep` is less than 1.
        """
        if keep < 1:
            raise ConfigurationError(f"keep must be at least 1, not {keep}")
        with self._writing():
            history = self._history()
            gone = [n for n in self._numbers()[:-keep] if n not in history[-2:]]
            for number in gone:
                self._path(number).unlink(missing_ok=True)
            self._point([n for n in history if n not in gone])
            for pattern in (f"{UNFINISHED}*", f"{_UNFINISHED}*"):  # nobody else writes now
                for each in self.folder.glob(pattern):
                    each.unlink(missing_ok=True)
        return gone

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.augury"

    def _numbers(self) -> list[int]:
        found = (_NAME.fullmatch(each.name) for each in self.folder.iterdir())
        return sorted(int(match["number"]) for match in found if match)

    def _history(self) -> list[int]:
        try:
            return [int(line) for line in self._pointer.read_text("ascii").split()]
        except FileNotFoundError:
            return []
        except ValueError:
            raise ArtefactError(f"{self._pointer}: is damaged; delete it, and publish") from None

    def _current(self) -> int | None:
        return next(reversed(self._history()), None)

    def _point(self, history: list[int]) -> None:
        if not history:
            return
        handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=_UNFINISHED)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.writelines(f"{number}\n" for number in history)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, self._pointer)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with (self.folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released as the file closes
            yield
