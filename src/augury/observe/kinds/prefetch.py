"""What fetching ahead is worth."""

from __future__ import annotations

from typing import Any

from augury.observe.views import PrefetchView
from augury.observe.watch import Watch
from augury.prefetch import Prefetcher


class PrefetchWatch(Watch[Prefetcher[Any, Any]]):
    """Watches an `augury.Prefetcher`."""

    SECTION = "prefetchers"

    @classmethod
    def handles(cls, observed: object) -> bool:
        """Return whether it is one."""
        return isinstance(observed, Prefetcher)

    def tell(self, observed: Prefetcher[Any, Any]) -> PrefetchView:
        """Return what came of its guesses."""
        report = observed.report()
        return PrefetchView(
            name=self.name,
            fetched=report.fetched,
            used=report.used,
            unused=report.unused,
            late=report.late,
            precision=report.precision,
            recall=report.recall,
            paused=observed.paused,
            by_predictor={each.name: (each.fetched, each.used) for each in report.by_predictor},
        )


WATCH = PrefetchWatch
