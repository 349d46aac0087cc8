"""The noise of one query's answers.

Laplace rather than Gaussian noise, since an answer is one or two numbers, or a number a group, of
which a person changes few: there it is the smaller at the same loss, and needs no delta (Canonne,
Kamath and Steinke, *The Discrete Gaussian for Differential Privacy*, NeurIPS 2020, compare them).
"""

from __future__ import annotations

from collections.abc import Mapping

from augury.answers.privacy.policy import Privacy
from augury.noise import laplace, opendp, thresholded


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
        assert privacy.epsilon is not None
        share = privacy.epsilon if reach is None else privacy.epsilon / 2
        rows = privacy.contribution
        self.count_scale, self._counts = laplace(rows, share)
        """Of the noise of counts; its standard deviation is about 1.4 times as much."""
        self.sum_scale = 0.0
        """Of the noise of sums, in steps."""
        if reach is not None:
            self.sum_scale, self._sums = laplace(rows * reach, share)
        self.threshold = 0
        """The least noisy count of a group that is shown."""
        if groups:
            self.threshold, self._shown = thresholded(rows, share, privacy.delta, self.count_scale)

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
        return float(opendp().discrete_laplacian_scale_to_accuracy(scale, alpha))
