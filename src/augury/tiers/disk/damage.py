"""LMDB, and how to tell that one of its databases is damaged or of somebody else."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

from augury.errors import MissingExtraError
from augury.tiers.disk.records import PAGE

MAP_SIZE = 1 << 40
"""Addresses, not memory: no process ever has to map more because another has written more."""
_HEADER = struct.pack("=IIQQ", 0xBEEFC0DE, 1, 0, MAP_SIZE)
"""What the first two pages say: LMDB's magic number, its version, no address, and the size."""


def lmdb() -> Any:
    """Return the package."""
    try:
        import lmdb as package
    except ImportError:
        raise MissingExtraError("lmdb", "disk") from None
    return package


class DamagedError(Exception):
    """A database that is not Augury's, or not whole."""


def is_damage(error: BaseException) -> bool:
    """Return whether an error says that the database has to begin anew."""
    package = lmdb()
    return isinstance(
        error,
        DamagedError
        | package.CorruptedError
        | package.InvalidError
        | package.PageNotFoundError
        | package.PageFullError
        | package.CursorFullError
        | package.VersionMismatchError
        | package.IncompatibleError
        | package.NotFoundError
        | package.BadTxnError,
    )


def check_header(file: Path) -> None:
    """Refuse what LMDB would take for a new database, or for one of another of its versions."""
    with contextlib.suppress(FileNotFoundError), file.open("rb") as opened:
        pages = opened.read(2 * PAGE)
        if pages and any(pages[at : at + len(_HEADER)] != _HEADER for at in (16, PAGE + 16)):
            raise DamagedError("its file does not begin as one of LMDB")


def check_length(file: Path, env: Any) -> None:
    """Refuse a file that was cut: whoever reads what is missing is ended by the kernel."""
    pages = env.info()["last_pgno"] + 1
    if file.stat().st_size < pages * PAGE and pages > 2:
        raise DamagedError(f"its file ends before page {pages - 1}")
