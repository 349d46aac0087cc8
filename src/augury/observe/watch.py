"""What looks at one observed thing, and tells of it."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from augury.observe.views import View

T = TypeVar("T")


def is_a(observed: object, name: str) -> bool:
    """Return whether something is of a class, by its full name: nothing is imported for it."""
    return any(f"{kind.__module__}.{kind.__qualname__}" == name for kind in type(observed).__mro__)


class Watch(ABC, Generic[T]):
    """Looks at one observed thing, which it refers to weakly.

    A file of ``augury.observe.kinds`` has one subclass, ``WATCH``.

    Parameters
    ----------
    name
        What it is observed as.
    observed
        The thing.
    keep
        How many samples of its history are kept.
    """

    SECTION: ClassVar[str]
    """The field of `augury.observe.views.Snapshot` that its views are in."""

    def __init__(self, name: str, observed: T, keep: int) -> None:
        self.name = name
        self._observed = weakref.ref(observed)
        self._keep = keep

    @classmethod
    @abstractmethod
    def handles(cls, observed: Any) -> bool:
        """Return whether a thing is of this kind."""

    @abstractmethod
    def tell(self, observed: T) -> View:
        """Return what is known of it at this moment, without waiting for anything."""

    def sample(self, observed: T, at: float) -> None:
        """Look at it; called once an interval, in one thread at a time."""

    def stop(self, observed: T) -> None:
        """Look no more."""

    def begin_anew(self) -> None:
        """Forget the parent's threads and locks: this is a forked child."""

    @property
    def observed(self) -> T | None:
        """The thing; None once it is gone."""
        return self._observed()
