"""What subcommands print with: figures for machines on stdout, the rest for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from augury.errors import ConfigurationError

# Rich respects NO_COLOR, and leaves colours and bars out where nobody looks on.
console = Console()
notes = Console(stderr=True)


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
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def writable(path: Path) -> Path:
    """Check, before long work, that a file can be written where the user wants it.

    Raises
    ------
    ConfigurationError
        If its folder does not exist, or it is a folder.
    """
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else "is in a folder that does not exist"
        raise ConfigurationError(f"cannot write {path}: it {what}")
    return path
