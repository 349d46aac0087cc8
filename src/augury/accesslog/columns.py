"""Finds which of a table's columns are the key, the size, the time and the session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from augury.errors import TraceError

# Those that can mean nothing else come first: where there is a `url`, `id` numbers the row.
USUAL: dict[str, tuple[str, ...]] = {
    "key": (
        *("key", "cache_key", "obj_id", "object_id", "objectid", "object", "obj", "item_id"),
        *("item", "url", "uri", "path", "block", "lbn", "address", "id"),
    ),
    "size": (
        *("size", "obj_size", "object_size", "size_bytes", "bytes", "value_size", "length"),
        *("body_bytes_sent", "content_length"),
    ),
    "time": ("time", "timestamp", "ts", "clock_time", "unix_time", "datetime", "seconds"),
    "session": (
        *("session", "session_id", "user", "user_id", "client", "client_id", "client_ip"),
        *("visitor", "connection", "remote_addr", "remote_host", "ip"),
    ),
}
"""The names by which a column is known, best first; in lower case, with ``_`` between words."""


def find_columns(path: Path, names: Sequence[str], wanted: Mapping[str, str]) -> dict[str, int]:
    """Return the position of each column that is wanted or known by its name; of the key always.

    Parameters
    ----------
    path
        The file, for errors.
    names
        The columns' names, in the file's order.
    wanted
        The names of some columns by role: ``"key"``, ``"size"``, ``"time"``, ``"session"``. A
        column that has a role by this gets no other by its name.

    Raises
    ------
    TraceError
        If there is no such column, or two of one name.

    Examples
    --------
    >>> find_columns(Path("x.csv"), ["Time", "obj id", "host"], {})
    {'key': 1, 'time': 0}
    """
    simple = [plain(name) for name in names]
    taken = set(map(plain, wanted.values()))
    found: dict[str, int] = {}
    for role, usual in USUAL.items():
        known, candidates = simple, tuple(name for name in usual if name not in taken)
        if role in wanted:
            exact = wanted[role] in names
            known = list(names) if exact else simple
            candidates = (wanted[role] if exact else plain(wanted[role]),)
        column = next((name for name in candidates if name in known), None)
        if column is not None:
            if (count := known.count(column)) > 1:
                raise TraceError(f"{path}: has {count} columns {column!r}; rename one")
            found[role] = known.index(column)
        elif role in wanted or role == "key":
            name = f" {wanted[role]!r}" if role in wanted else ", or no header line"
            raise TraceError(
                f"{path}: has no {role} column{name}; its columns are: {_list(names)}; "
                f"say which is the {role} (columns={{{role!r}: ...}})"
            )
    return found


def plain(name: str) -> str:
    """Return a column's name as `USUAL` spells it."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _list(names: Sequence[str]) -> str:
    shown = [ascii(name[:40]) for name in names[:20]]
    return ", ".join(shown + ["..."] * (len(names) > 20))
