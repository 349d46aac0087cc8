"""What each size of a cache costs, in memory and in misses, and which is the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, pairwise
from typing import TYPE_CHECKING

import numpy as np

from augury.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.sizing.curve import Curve

GIB = 2**30
MONTH = 365.25 / 12 * 86_400
"""Seconds."""

_CHOICES = {1: 1_000, 2: 160, 3: 40}  # sizes of each tier to try, by how many tiers there are


@dataclass(frozen=True, slots=True)
class Tier:
    """Where entries are kept, and what that costs.

    Raises
    ------
    ConfigurationError
        If a figure is negative or not a number.
    """

    name: str = "memory"
    """Its name."""
    gib_month: float = 0.0
    """Money for a GiB during a month."""
    latency: float = 0.0
    """Seconds that a hit takes."""

    def __post_init__(self) -> None:
        check_figure(f"the price of {self.name}", self.gib_month)
        check_figure(f"the latency of {self.name}", self.latency)


@dataclass(frozen=True, slots=True)
class Miss:
    """What is behind the cache, and how often it is asked.

    Raises
    ------
    ConfigurationError
        If a figure is negative or not a number.
    """

    cost: float = 0.0
    """Money for a miss."""
    latency: float = 0.0
    """Seconds that a miss takes."""
    requests_per_second: float = 0.0
    """Of the whole load, hits included."""

    def __post_init__(self) -> None:
        check_figure("the cost of a miss", self.cost)
        check_figure("the latency of a miss", self.latency)
        check_figure("requests a second", self.requests_per_second)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a size has to reach; the cheapest that does is the best.

    Raises
    ------
    ConfigurationError
        If a figure makes no sense.
    """

    latency: float | None = None
    """Mean seconds a request, at most."""
    hit_ratio: float | None = None
    """Share of the requests that hit in some tier, at least."""
    budget: float | None = None
    """Bytes of all tiers together, at most."""

    def __post_init__(self) -> None:
        if self.latency is not None:
            check_figure("the target latency", self.latency)
        if self.hit_ratio is not None and not 0.0 <= self.hit_ratio <= 1.0:
            raise ConfigurationError(
                f"the target hit ratio must be from 0 to 1, not {self.hit_ratio:g}"
            )
        if self.budget is not None and not (self.budget > 0 and math.isfinite(self.budget)):
            raise ConfigurationError(f"the budget must be more than 0 bytes, not {self.budget:g}")


@dataclass(frozen=True, slots=True)
class Sized:
    """One size of each tier, and what comes of it."""

    tiers: tuple[str, ...]
    """Their names, the first asked first."""
    capacities: tuple[int, ...]
    """Of each tier, as the curve's."""
    bytes: tuple[int, ...] | None
    """Of each tier; None if nobody knows what an entry takes."""
    hit_ratios: tuple[float, ...]
    """Share of the requests that each tier answers."""
    miss_ratio: float
    """Share of the requests that no tier answers."""
    error: float
    """Half the width of the 95% confidence interval of the miss ratio."""
    latency: float
    """Mean seconds a request."""
    storage_cost: float
    """Money a month for the tiers."""
    miss_cost: float
    """Money a month for the misses."""

    @property
    def cost(self) -> float:
        """Money a month in all."""
        return self.storage_cost + self.miss_cost

    def as_dict(self) -> dict[str, object]:
        """Return what `augury plan --json` prints."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "cost": self.cost}


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The best size, the knee, and what more would buy."""

    best: Sized
    why: str
    """``"cost"``: the cheapest; ``"goal"``: the cheapest that reaches the goal; ``"knee"``: nothing
    has a price and there is no goal."""
    knee: Sized
    """The whole knee in the first tier."""
    next_gib: Sized | None
    """The best, with a GiB more in the first tier; None if nobody knows what an entry takes."""

    @property
    def next_gib_saves(self) -> float | None:
        """Money a month that the next GiB saves in misses, less what it costs itself."""
        return None if self.next_gib is None else self.best.cost - self.next_gib.cost

    def as_dict(self) -> dict[str, object]:
        """Return what `augury plan --json` prints."""
        return {
            "why": self.why,
            "best": self.best.as_dict(),
            "knee": self.knee.as_dict(),
            "next_gib": None if self.next_gib is None else self.next_gib.as_dict(),
            "next_gib_saves": self.next_gib_saves,
        }


def check_figure(what: str, value: float) -> None:
    """Raise a `ConfigurationError` unless this is a finite number, 0 or more."""
    if not (value >= 0 and math.isfinite(value)):
        raise ConfigurationError(f"{what} must be a finite number, 0 or more, not {value:g}")


@dataclass(frozen=True, slots=True)
class Prices:
    """A curve with what its sizes cost.

    Parameters
    ----------
    curve
        From `augury.sizing.curve`.
    tiers
        From the fastest on, at most three. Each holds what has been pushed out of those before it,
        so that together they hold what one cache of their sizes does.
    miss
        What is behind them.
    entry_bytes
        What an entry takes, of a curve in entries; by default the mean size of a requested value.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.
    """

    curve: Curve
    tiers: Sequence[Tier] = (Tier(),)
    miss: Miss = field(default_factory=Miss)
    entry_bytes: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.tiers) <= max(_CHOICES):
            raise ConfigurationError(f"name 1 to {max(_CHOICES)} tiers, not {len(self.tiers)}")
        if self.entry_bytes is not None:
            check_figure("what an entry takes", self.entry_bytes)
            if self.entry_bytes == 0:
                raise ConfigurationError("what an entry takes must be more than 0 bytes")

    @property
    def unit(self) -> float | None:
        """Bytes for each unit of capacity, if that is known."""
        if self.curve.by_bytes:
            return 1.0
        if self.entry_bytes is not None:
            return self.entry_bytes
        # Where every size is 1, nobody has told sizes.
        requested = self.curve.requested_bytes
        if requested is not None and requested > self.curve.requests:
            return requested / self.curve.requests
        return None

    def sized(self, capacities: Sequence[int]) -> Sized:
        """Return what comes of these `capacities`, one a tier, as the curve's."""
        ends = np.cumsum(capacities)
        missed = [1.0, *(self.curve.at(float(end)) if end else 1.0 for end in ends)]
        hits = tuple(before - after for before, after in pairwise(missed))
        unit = self.unit
        in_bytes = None if unit is None else tuple(round(size * unit) for size in capacities)
        return Sized(
            tiers=tuple(tier.name for tier in self.tiers),
            capacities=tuple(capacities),
            bytes=in_bytes,
            hit_ratios=hits,
            miss_ratio=missed[-1],
            error=self.curve.error_at(float(ends[-1])),
            latency=self._latency(hits, missed[-1]),
            storage_cost=sum(
                size / GIB * tier.gib_month
                for size, tier in zip(in_bytes or (), self.tiers, strict=in_bytes is not None)
            ),
            miss_cost=missed[-1] * self.miss.requests_per_second * MONTH * self.miss.cost,
        )

    def _latency(self, hits: Sequence[float], missed: float) -> float:
        fast = sum(hit * tier.latency for hit, tier in zip(hits, self.tiers, strict=True))
        return fast + missed * self.miss.latency

    def recommend(self, goal: Goal | None = None) -> Recommendation:
        """Find the best sizes.

        Of those that reach the goal the cheapest, and of equally cheap ones the smallest.

        Returns
        -------
        Recommendation
            The best, the knee of the curve, and what more would buy.

        Raises
        ------
        ConfigurationError
            If no size reaches the goal, or a cost has no rate of requests to go with it.
        """
        goal = goal or Goal()
        if self.miss.cost > 0 and self.miss.requests_per_second == 0:
            raise ConfigurationError(
                "the cost of misses depends on how many there are; say requests a second"
            )
        unit = self.unit
        if unit is None and (goal.budget is not None or any(t.gib_month for t in self.tiers)):
            raise ConfigurationError(
                "the trace has no sizes; say how many bytes an entry takes (entry_bytes)"
            )
        knee = self.sized([self.curve.knee] + [0] * (len(self.tiers) - 1))
        aims = goal.latency is not None or goal.hit_ratio is not None
        if aims or self.miss.cost > 0:
            best, why = self._search(goal), "goal" if aims else "cost"
        else:
            most = min(self._ends(goal)[-1], self.curve.knee)
            best, why = self.sized([most, *knee.capacities[1:]]), "knee"
        following = None
        if unit is not None:
            more = max(1, round(GIB / unit))
            following = self.sized([best.capacities[0] + more, *best.capacities[1:]])
        return Recommendation(best, why, knee, following)

    def _search(self, goal: Goal) -> Sized:
        tried = [self.sized(sizes) for sizes in self._choices(goal)]
        fit = [
            each
            for each in tried
            if (goal.latency is None or each.latency <= goal.latency)
            and (goal.hit_ratio is None or 1.0 - each.miss_ratio >= goal.hit_ratio)
        ]
        if not fit:
            nearest = min(tried, key=lambda each: (each.miss_ratio, each.latency))
            within = "" if goal.budget is None else " within the budget"
            raise ConfigurationError(
                f"no size{within} reaches the goal: at best {1.0 - nearest.miss_ratio:.1%} of the "
                f"requests hit, and a request takes {min(t.latency for t in tried):.3g} s"
            )
        return min(fit, key=lambda each: (each.cost, sum(each.capacities)))

    def _choices(self, goal: Goal) -> list[list[int]]:
        """Return sizes of the tiers to try, none included."""
        ends = self._ends(goal)
        chosen = combinations_with_replacement(ends, len(self.tiers))
        return [np.diff(each, prepend=0).tolist() for each in chosen]

    def _ends(self, goal: Goal) -> list[int]:
        points: NDArray[np.int64] = self.curve.capacities
        most = _CHOICES[len(self.tiers)]
        if len(points) > most:
            points = points[np.linspace(0, len(points) - 1, most).round().astype(np.int64)]
        ends = {0, *points.tolist(), self.curve.knee}
        if goal.budget is not None and self.unit is not None:
            limit = min(int(goal.budget / self.unit), int(self.curve.capacities[-1]))
            ends = {end for end in ends if end <= limit} | {limit}
        return sorted(ends)
