"""LMDB, and how to tell that one of its databases is damaged or of somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from augury.errors import MissingExtraError
from augury.tiers.disk_records import PAGE


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
        | package.VersionMismatchError
        | package.IncompatibleError
        | package.NotFoundError
        | package.BadTxnError,
    )


def check_size(file: Path) -> None:
    """Refuse what LMDB would take for a new database, or read beyond the end of."""
    if file.exists() and 0 < file.stat().st_size < 2 * PAGE:
        raise DamagedError("its file is too short")


def check_length(file: Path, env: Any) -> None:
    """Refuse a file that was cut: whoever reads what is missing is ended by the kernel."""
    pages = env.info()["last_pgno"] + 1
    if file.stat().st_size < pages * PAGE and pages > 2:
        raise DamagedError(f"its file ends before page {pages - 1}")
