"""What subcommands print with: figures for machines on stdout, the rest for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from augury.errors import ConfigurationError, MissingExtraError

# Rich respects NO_COLOR, and leaves colours and bars out where nobody looks on.
console = Console()
notes = Console(stderr=True)

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def print_json(figures: object) -> None:
    """Print figures for machines."""
    json.dump(figures, sys.stdout, indent=2)
    print()


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], None]]:
    """Show a progress bar on stderr while the block runs.

    Yields
    ------
    callable
        To be told the share done, from 0.0 to 1.0.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def printable(text: str) -> str:
    r"""Return text without what a terminal would obey: names may be anybody's.

    Examples
    --------
    >>> printable("a\x1b[2Jb")
    'a�[2Jb'
    """
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def readable_bytes(count: float) -> str:
    """Return bytes as people read them: 1.5 MiB."""
    scaled, unit = float(count), _BINARY[0]
    for unit in _BINARY:
        if scaled < 1024 or unit == _BINARY[-1]:
            break
        scaled /= 1024
    return f"{scaled:,.1f} {unit}"


def writable(path: Path) -> Path:
    """Check, before long work, that a plot can be drawn and written where the user wants it.

    Raises
    ------
    ConfigurationError
        If its folder does not exist, it is a folder, or its name is none of a PNG.
    MissingExtraError
        If matplotlib is not installed.
    """
    return _writable(path, (".png",), "a plot is a PNG; end its name in .png")


def writable_page(path: Path) -> Path:
    """Check the same of a page with a plot, whose name is one of HTML."""
    return _writable(path, (".html", ".htm"), "a page is HTML; end its name in .html")


def writable_text(path: Path) -> Path:
    """Check the same of a file of any name."""
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else "is in a folder that does not exist"
        raise ConfigurationError(f"cannot write {path}: it {what}")
    return path


def _writable(path: Path, suffixes: tuple[str, ...], why: str) -> Path:
    writable_text(path)
    if path.suffix.lower() not in suffixes:
        raise ConfigurationError(f"cannot write {path}: {why}")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "plot")
    return path
