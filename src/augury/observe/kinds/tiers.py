"""How the tiers are, asked in threads of their own, since one that hangs must hold up nobody."""

from __future__ import annotations

import threading
import time
from typing import Any

from augury.observe.views import TiersView, TierView
from augury.observe.watch import Watch
from augury.tiers import Tiers
from augury.tiers.contract import Health, Tier

_EVERY = 5.0  # seconds between two questions to a tier
_PATIENCE = 1.0  # seconds after which one that has not answered counts as unhealthy


class _Asked:
    """What one tier last said, and whether it owes an answer."""

    def __init__(self) -> None:
        self._health: Health | None = None
        self._since: float | None = None  # when it was asked what it has not answered yet
        self._next = 0.0

    def ask(self, tier: Tier, now: float) -> None:
        """Ask it how it is, unless it was asked lately, or still owes an answer."""
        if self._since is not None or now < self._next:
            return
        self._since, self._next = now, now + _EVERY
        threading.Thread(
            target=self._listen, args=(tier,), name="augury-observe-tier", daemon=True
        ).start()

    def _listen(self, tier: Tier) -> None:
        try:
            self._health = tier.health()
        except Exception as error:  # a tier of a user's own
            self._health = Health(up=False, reason=" ".join(str(error).split()))
        finally:
            self._since = None

    def tell(self, name: str, hits: int, now: float) -> TierView:
        """Return what is known."""
        since, health = self._since, self._health
        if since is not None and now - since > _PATIENCE:
            reason = f"has not answered for {now - since:.0f} s"
            return TierView(name=name, healthy=False, reason=reason, hits=hits)
        if health is None:
            return TierView(name=name, healthy=True, hits=hits)  # not asked yet
        return TierView(
            name=name,
            healthy=health.up,
            reason=health.reason or None,
            hits=hits,
            latency=health.seconds,
            entries=health.entries,
            bytes=health.bytes,
        )


class TiersWatch(Watch[Tiers[Any, Any]]):
    """Watches an `augury.Tiers`."""

    SECTION = "tiers"

    def __init__(self, name: str, observed: Tiers[Any, Any], keep: int) -> None:
        super().__init__(name, observed, keep)
        self._tiers = len(observed._operations.tiers)
        self.begin_anew()

    @classmethod
    def handles(cls, observed: object) -> bool:
        """Return whether it is one."""
        return isinstance(observed, Tiers)

    def begin_anew(self) -> None:
        """Forget who was asked."""
        self._asked = [_Asked() for _ in range(self._tiers)]

    def sample(self, observed: Tiers[Any, Any], at: float) -> None:  # noqa: ARG002
        """Ask those who were not asked lately."""
        now = time.monotonic()
        for tier, asked in zip(observed._operations.tiers, self._asked, strict=True):
            asked.ask(tier, now)

    def tell(self, observed: Tiers[Any, Any]) -> TiersView:
        """Return what they have done, and how they were when last asked."""
        stats = observed.stats()
        now = time.monotonic()
        return TiersView(
            name=self.name,
            tiers=[
                asked.tell(tier.name, stats.hits.get(tier.name, 0), now)
                for tier, asked in zip(observed._operations.tiers, self._asked, strict=True)
            ],
            loads=stats.loads,
            load_failures=stats.load_failures,
            joined=stats.joined,
            refreshes=stats.refreshes,
            waiting=stats.waiting,
            faults={str(trouble): count for trouble, count in stats.faults.items()},
        )


WATCH = TiersWatch
