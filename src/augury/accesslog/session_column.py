"""Sessions of live requests to a column of a file, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury import keys
from augury.accesslog import digest
from augury.accesslog.chunk import NOBODY

SESSION = "session"
"""The column's name; files of earlier releases have none."""


def session_column(pa: Any, sessions: Sequence[str | bytes | int | None], secret: bytes) -> Any:
    """Return the column: numbers of 64 bits, null where it is not known who asked.

    Parameters
    ----------
    pa
        The module pyarrow.
    sessions
        What `augury.session` was told.
    secret
        If it is not empty the numbers are made of digests keyed with it.
    """
    numbers = {who: _number(who, secret) for who in set(sessions)}
    return pa.array([numbers[who] for who in sessions], pa.uint64())


def _number(who: str | bytes | int | None, secret: bytes) -> int | None:
    if who is None:
        return None
    if not secret:
        return digest.session_number(who)
    text = who.encode("utf-8", "surrogatepass") if isinstance(who, str) else who
    return int.from_bytes(keys.digest(text, secret=secret)[:8], "little")


def sessions_in(table: Any) -> NDArray[np.uint64]:
    """Return the sessions of a table's rows; `NOBODY` where they are not known."""
    if SESSION not in table.column_names:
        return np.full(len(table), NOBODY, np.uint64)
    numbers: NDArray[np.uint64] = table[SESSION].cast("uint64").fill_null(NOBODY).to_numpy()
    return numbers
