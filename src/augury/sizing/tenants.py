"""One budget split between several caches, by their curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from augury.errors import ConfigurationError
from augury.sizing.money import check_figure

if TYPE_CHECKING:
    from augury.sizing.curve import Curve


@dataclass(frozen=True, slots=True)
class Tenant:
    """One of those who share a budget.

    Raises
    ------
    ConfigurationError
        If a figure makes no sense.
    """

    name: str
    """Its name."""
    curve: Curve
    """Its miss ratios by capacity."""
    weight: float | None = None
    """How much its misses count: requests a second, say, or these times the cost of a miss; by
    default the requests of its trace."""
    unit: float = 1.0
    """What a unit of its curve's capacity takes of the budget: bytes an entry, say."""

    def __post_init__(self) -> None:
        if self.weight is not None:
            check_figure(f"the weight of {self.name}", self.weight)
        if not 0 < self.unit < float("inf"):
            raise ConfigurationError(
                f"a unit of {self.name} must take more than 0, not {self.unit:g}"
            )

    @property
    def misses_count(self) -> float:
        """What its misses would count if all its requests missed."""
        return float(self.curve.requests) if self.weight is None else self.weight


@dataclass(frozen=True, slots=True)
class Share:
    """What a tenant gets."""

    name: str
    """The tenant's."""
    capacity: int
    """As its curve's."""
    size: float
    """Of the budget."""
    miss_ratio: float
    """With this capacity."""
    even_miss_ratio: float
    """If all had got alike."""

    def as_dict(self) -> dict[str, object]:
        """Return what `augury plan --json` prints."""
        return {name: getattr(self, name) for name in self.__slots__}


def split(tenants: Sequence[Tenant], budget: float) -> list[Share]:
    """Split a budget so that the fewest weighted misses are left.

    The next unit goes where it saves most. A curve may be flat and then fall, so what counts is not
    the next step but the lower convex hull, along which savings only sink; and for convex curves
    that greedy choice is the best there is (H. Stone, J. Turek, J. Wolf, "Optimal partitioning of
    cache memory", IEEE Transactions on Computers 41(9), 1992). Where the budget ends on a hull
    beneath a curve, the last tenant gets the rest of it and the miss ratio is its curve's.

    Parameters
    ----------
    tenants
        At least one.
    budget
        More than 0, in the tenants' units.

    Returns
    -------
    list of Share
        One a tenant, in their order.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.

    Examples
    --------
    >>> from augury.sizing import curve
    >>> scan, hot = curve([*range(100)] * 2), curve([1, 2, 3, 4] * 50)
    >>> [(s.name, s.capacity) for s in split([Tenant("scan", scan), Tenant("hot", hot)], 20)]
    [('scan', 16), ('hot', 4)]
    """
    if not tenants:
        raise ConfigurationError("name at least one tenant")
    if not 0 < budget < float("inf"):
        raise ConfigurationError(f"the budget must be more than 0, not {budget:g}")
    steps = sorted(
        (
            (-saved / taken, number, at, taken)
            for number, tenant in enumerate(tenants)
            for at, (taken, saved) in enumerate(_steps(tenant))
        ),
    )
    sizes = [0.0] * len(tenants)
    left = budget
    for _, number, _, taken in steps:
        part = min(taken, left)
        sizes[number] += part
        left -= part
        if left <= 0:
            break
    even = budget / len(tenants)
    return [
        Share(
            name=tenant.name,
            capacity=int(size / tenant.unit + 1e-9),
            size=size,
            miss_ratio=tenant.curve.at(size / tenant.unit),
            even_miss_ratio=tenant.curve.at(even / tenant.unit),
        )
        for tenant, size in zip(tenants, sizes, strict=True)
    ]


def _steps(tenant: Tenant) -> list[tuple[float, float]]:
    """Return the steps along the lower convex hull: what each takes, and what it saves."""
    curve = tenant.curve
    hull = [(0.0, 1.0)]
    for size, ratio in zip(curve.capacities.tolist(), curve.miss_ratios.tolist(), strict=True):
        while len(hull) > 1 and _above(hull[-2], hull[-1], (size, ratio)):
            hull.pop()
        hull.append((size, ratio))
    found = np.diff(np.array(hull), axis=0)
    return [
        (size * tenant.unit, -fall * tenant.misses_count)
        for size, fall in found.tolist()
        if fall < 0
    ]


def _above(
    first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]
) -> bool:
    """Tell whether the middle point lies on the line between the others, or above it."""
    return (middle[1] - first[1]) * (last[0] - first[0]) >= (last[1] - first[1]) * (
        middle[0] - first[0]
    )
