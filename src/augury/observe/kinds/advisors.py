"""What advisors of external caches have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augury.observe.views import AdviceView
from augury.observe.watch import Watch, is_a

if TYPE_CHECKING:
    from augury.advice import Advisor


class AdvisorWatch(Watch["Advisor"]):
    """Watches an `augury.advice.Advisor`."""

    SECTION = "advisors"

    def __init__(self, name: str, observed: Advisor, keep: int) -> None:
        super().__init__(name, observed, keep)
        self.sample(observed, 0.0)

    @classmethod
    def handles(cls, observed: object) -> bool:
        """Return whether it is one."""
        return is_a(observed, "augury.advice.advisor.Advisor")

    def sample(self, observed: Advisor, at: float) -> None:  # noqa: ARG002
        """Ask it, as it may be amid a batch of accesses, which whoever tells must not wait for."""
        stats = observed.stats()
        self._view = AdviceView(
            name=self.name,
            policy=str(observed.policy),
            capacity=observed.capacity,
            entries=stats.entries,
            accesses=stats.accesses,
            hits=stats.hits,
            hit_ratio=stats.hit_ratio,
            told=stats.told,
            told_hits=stats.told_hits,
            to_evict=stats.to_evict,
        )

    def tell(self, observed: Advisor) -> AdviceView:  # noqa: ARG002
        """Return what it said when it was sampled last."""
        return self._view


WATCH = AdvisorWatch
