"""What a forked process finds: open locks, whoever held them, and nobody else's work."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Locked(Protocol):
    """Something with a lock; what it guards must be whole whenever Python code can be forked."""

    _lock: threading.RLock


_owners: weakref.WeakSet[Locked] = weakref.WeakSet()


def open_in_child(owner: Locked) -> None:
    """Give `owner` a new lock in each process forked from this one, and call its `after_fork`."""
    _owners.add(owner)


def _open_all() -> None:
    for owner in list(_owners):
        owner._lock = threading.RLock()
        if (after := getattr(owner, "after_fork", None)) is not None:
            after()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)
