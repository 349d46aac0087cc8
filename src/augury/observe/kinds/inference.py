"""What cached models have saved."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from augury.observe.views import InferenceView
from augury.observe.watch import Watch, is_a


class _Stats(Protocol):
    def as_dict(self) -> dict[str, int | float]: ...


class _Counting(Protocol):
    @property
    def stats(self) -> _Stats: ...


class InferenceWatch(Watch[_Counting]):
    """Watches an `augury.CachedModel`, or whatever else counts `InferenceStats`."""

    SECTION = "models"

    @classmethod
    def handles(cls, observed: Any) -> bool:
        """Return whether it counts so."""
        if isinstance(observed, type):
            return False
        stats = getattr(observed, "stats", None)
        return is_a(stats, "augury.inference.stats.InferenceStats")

    def tell(self, observed: _Counting) -> InferenceView:
        """Return what it has counted."""
        return msgspec.convert({"name": self.name, **observed.stats.as_dict()}, InferenceView)


WATCH = InferenceWatch
