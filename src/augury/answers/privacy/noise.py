"""Noise by OpenDP: discrete Laplace noise on integers, which is exact, unlike that on floats.

Laplace rather than Gaussian noise, since an answer is one or two numbers, or a number a group, of
which a person changes few: there it is the smaller at the same loss, and needs no delta (Canonne,
Kamath and Steinke, *The Discrete Gaussian for Differential Privacy*, NeurIPS 2020, compare them).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from augury.answers.privacy.policy import Privacy
from augury.errors import MissingExtraError

_MOST = 2**62


class Noise:
    """Makes the counts and sums of one query noisy, to one privacy loss in all.

    Parameters
    ----------
    privacy
        With an epsilon, of which a query that needs counts and sums uses half for either; and a
        delta, if it groups.
    reach
        How much a row adds to a sum at most, to either side. None if only counts are needed.
    groups
        Whether there is a count (and a sum) a group. A group is shown if its noisy count is so
        large that a person who makes it up alone shows with a probability of delta at most.

    Raises
    ------
    MissingExtraError
        If OpenDP is not installed.
    """

    def __init__(self, privacy: Privacy, reach: int | None, *, groups: bool) -> None:
        dp = _opendp()
        assert privacy.epsilon is not None
        share = privacy.epsilon if reach is None else privacy.epsilon / 2
        rows = privacy.contribution
        self.count_scale, self._counts = _laplace(rows, share)
        """Of the noise of counts; its standard deviation is about 1.4 times as much."""
        self.sum_scale = 0.0
        """Of the noise of sums, in steps."""
        if reach is not None:
            self.sum_scale, self._sums = _laplace(rows * reach, share)
        self.threshold = 0
        """The least noisy count of a group that is shown."""
        if groups:
            numbers = dp.atom_domain(T="i64")
            maps = (
                dp.map_domain(numbers, numbers),
                dp.l01inf_distance(dp.absolute_distance(T="i64")),
            )

            def shown(threshold: int) -> Any:
                return dp.m.make_laplace_threshold(
                    *maps, scale=self.count_scale, threshold=threshold
                )

            def hides(threshold: int) -> bool:
                # At worst each row of a person is in a group of its own, or all are in one.
                epsilon, delta = shown(threshold).map((rows, rows, rows))
                return bool(epsilon <= share and delta <= privacy.delta)

            self.threshold = (
                rows if hides(rows) else dp.binary_search(hides, bounds=(rows, _MOST), T="i64")
            )
            self._shown = shown(self.threshold)

    def count(self, rows: int) -> int:
        """Return a noisy count."""
        return int(self._counts([rows])[0])

    def counts(self, rows: Mapping[int, int]) -> dict[int, int]:
        """Return noisy counts of those groups that may be shown, by their number."""
        return {group: int(count) for group, count in self._shown(dict(rows)).items()}

    def sums(self, steps: list[int]) -> list[int]:
        """Return noisy sums, in steps."""
        return [int(each) for each in self._sums(steps)]

    def error(self, scale: float, alpha: float) -> float:
        """Return what noise of this scale exceeds, to either side, with this probability."""
        return float(_opendp().discrete_laplacian_scale_to_accuracy(scale, alpha))


def _laplace(distance: int, epsilon: float) -> tuple[float, Any]:
    """Return the least scale of which OpenDP proves the loss, and what makes the noise."""
    dp = _opendp()
    vectors = (dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64"))
    scale = distance / epsilon
    while (noisy := dp.m.make_laplace(*vectors, scale=scale)).map(distance) > epsilon:
        scale = math.nextafter(scale, math.inf)
    return scale, noisy


def _opendp() -> ModuleType:
    try:
        import opendp.prelude as dp
    except ModuleNotFoundError:
        raise MissingExtraError("opendp", "privacy") from None
    dp.enable_features("contrib")
    return dp  # type: ignore[no-any-return]
