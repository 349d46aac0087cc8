"""Tells what lives in this process when it finds itself in a forked child."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """What has threads, locks or connections that a child must not use."""

    def begin_anew(self) -> None:
        """Forget the threads, locks and connections, which are the parent's; close none."""


_all: weakref.WeakSet[Forked] = weakref.WeakSet()


def renew_in_child(each: Forked) -> None:
    """Have `begin_anew` called in every child that is forked while the object lives."""
    _all.add(each)


def _begin_anew() -> None:
    for each in list(_all):
        each.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
