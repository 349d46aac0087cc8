"""The traces of one folder by name: all that clients can have read from the file system."""

from __future__ import annotations

from pathlib import Path

import msgspec

from augury.accesslog.record import SUFFIX
from augury.service.problems import Problem


class TraceFile(msgspec.Struct, frozen=True, kw_only=True):
    """A trace, or the recorded requests of a cache."""

    name: str
    """As jobs are told it."""
    recorded: bool
    """Whether a cache of this service, or of another process, has recorded it."""
    bytes: int
    """On disk."""
    modified: float
    """When it was last written: seconds since 1970."""


class Traces:
    """Lists the traces of a folder, and finds them by the names that it lists.

    A client's text is compared with those names, and is never made part of a path. Hidden files
    and links that lead out of the folder are not listed.

    Parameters
    ----------
    folder
        Where they are; None: nowhere.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder.resolve()

    def all(self) -> list[TraceFile]:
        """Return what there is, by name."""
        return [_described(path) for path in self._paths()]

    def path(self, name: str) -> Path:
        """Return where a trace is.

        Raises
        ------
        Problem
            404 if there is none of that name.
        """
        for path in self._paths():
            if path.name == name:
                return path
        raise Problem(404, "there is no such trace; /v1/training/traces lists them")

    def without_paths(self, text: str) -> str:
        """Return a text for clients: names in place of paths of this folder."""
        return text if self._folder is None else text.replace(f"{self._folder}/", "")

    def _paths(self) -> list[Path]:
        folder = self._folder
        if folder is None or not folder.is_dir():
            return []
        return sorted(
            each
            for each in folder.iterdir()
            if not each.name.startswith(".")
            and each.resolve().is_relative_to(folder)
            and (each.is_file() or any(each.glob(f"*{SUFFIX}")))
        )


def _described(path: Path) -> TraceFile:
    files = [path] if path.is_file() else list(path.glob(f"*{SUFFIX}"))
    known = []
    for each in files:
        try:
            known.append(each.stat())
        except FileNotFoundError:
            continue  # rotated away meanwhile
    return TraceFile(
        name=path.name,
        recorded=path.is_dir(),
        bytes=sum(stat.st_size for stat in known),
        modified=max((stat.st_mtime for stat in known), default=0.0),
    )
