"""Where spans of a trace begin: nowhere, until somebody wants them.

Loads, questions to tiers and runs of models take long enough to be worth a span. What begins one is
given from outside, so that none of them knows who traces.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

T = TypeVar("T")

Begin = Callable[[str, dict[str, str | int]], AbstractContextManager[object]]
"""Begins a span of a name, with attributes; the end of the context ends it."""

_begin: Begin | None = None
_NONE: AbstractContextManager[object] = nullcontext()


def span(name: str, **attributes: str | int) -> AbstractContextManager[object]:
    """Return a context that is a span, if anybody wants one."""
    return _NONE if _begin is None else _begin(name, attributes)


def within(name: str, function: Callable[[], T]) -> Callable[[], T]:
    """Return a function that runs in a span; where nobody wants one, the function itself."""
    if _begin is None:
        return function

    def run() -> T:
        with span(name):
            return function()

    return run


def begin_by(begin: Begin | None) -> None:
    """Have spans begun by this from now on; None: have none."""
    global _begin  # noqa: PLW0603
    _begin = begin
