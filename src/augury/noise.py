"""Noise of OpenDP that hides what one person adds: to numbers, and to counts of groups.

Discrete Laplace noise on integers, which is exact, unlike that on floats. OpenDP proves the loss of
each; the scales are the least of which it does.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

from augury.errors import MissingExtraError

_MOST = 2**62


def opendp() -> ModuleType:
    """Return OpenDP.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import opendp.prelude as dp
    except ModuleNotFoundError:
        raise MissingExtraError("opendp", "privacy") from None
    dp.enable_features("contrib")
    return dp  # type: ignore[no-any-return]


def laplace(distance: int, epsilon: float) -> tuple[float, Any]:
    """Return the scale of the noise, and what adds it to a list of integers.

    Parameters
    ----------
    distance
        By how much a person changes the integers, summed up.
    epsilon
        The loss in all.
    """
    dp = opendp()
    vectors = (dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64"))
    scale = distance / epsilon
    while (noisy := dp.m.make_laplace(*vectors, scale=scale)).map(distance) > epsilon:
        scale = math.nextafter(scale, math.inf)
    return scale, noisy


def thresholded(rows: int, epsilon: float, delta: float, scale: float) -> tuple[int, Any]:
    """Return the least count that shows a group, and what makes noisy counts of a dict by group.

    It leaves groups out whose noisy count is below that: a person who makes up groups alone shows
    with a probability of `delta` at most.

    Parameters
    ----------
    rows
        How many a person has, at most; at worst each in a group of its own, or all in one.
    epsilon, delta
        The loss in all.
    scale
        Of the noise, from `laplace`.
    """
    dp = opendp()
    numbers = dp.atom_domain(T="i64")
    maps = (dp.map_domain(numbers, numbers), dp.l01inf_distance(dp.absolute_distance(T="i64")))

    def shown(threshold: int) -> Any:
        return dp.m.make_laplace_threshold(*maps, scale=scale, threshold=threshold)

    def hides(threshold: int) -> bool:
        lost, odds = shown(threshold).map((rows, rows, rows))
        return bool(lost <= epsilon and odds <= delta)

    least = rows if hides(rows) else dp.binary_search(hides, bounds=(rows, _MOST), T="i64")
    return least, shown(least)
