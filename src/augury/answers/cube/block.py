"""The cells of one combination of categories, given the sums of boxes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augury.answers.cube.kernel import Kernel, Sums

SAMPLES = 32
"""Draws from what is possible, which say how far off a sum of cells may be."""

_NEWEST = 2048  # boxes of one block that are looked at: more say little that is new


@dataclass(frozen=True, eq=False)
class Cells:
    """What is known of the cells of a block."""

    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    """Samples of how far off the means may be, shape (cells, `SAMPLES`)."""

    @classmethod
    def known(cls, means: NDArray[np.float64]) -> Cells:
        """Return cells of which the means are right."""
        return cls(means, np.zeros((len(means), SAMPLES)))

    def times(self, factor: float) -> Cells:
        """Return the cells in another unit."""
        return Cells(self.means * factor, self.deviations * factor)

    def given(self, kernel: Kernel, sums: Sums, generator: np.random.Generator) -> Cells:
        """Return these cells plus a Gaussian of the kernel that has the sums of its boxes.

        Samples by Matheron's rule: draws from the prior, moved to where the sums put them.
        """
        drawn = kernel.draw(sums.scale, SAMPLES, generator)
        if not len(sums.residuals):
            return Cells(self.means, self.deviations + drawn)
        from scipy.linalg import cho_solve

        off = np.sqrt(sums.variances)[:, None] * generator.standard_normal(
            (len(sums.residuals), SAMPLES)
        )
        wanted = np.column_stack([sums.residuals, -(sums.cells @ drawn) - off])
        across, among = sums.covariance(kernel)
        root = np.linalg.cholesky(among)
        moved = across @ cho_solve((root, True), wanted, check_finite=False)
        return Cells(self.means + moved[:, 0], self.deviations + drawn + moved[:, 1:])


def cells_of(shares: Sequence[NDArray[np.float64]], boxes: int) -> NDArray[np.float64]:
    """Return the share of each cell that lies in each box, of the shares of bins of each axis."""
    cells = np.ones((boxes, 1))
    for share in shares:
        cells = (cells[:, :, None] * share[:, None, :]).reshape(boxes, -1)
    return cells


def independent(cells: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return which boxes are no combination of others; of such, the more exact ones.

    By a QR decomposition with pivoting.
    """
    from scipy.linalg import qr

    first = max(len(cells) - _NEWEST, 0)
    some = np.flatnonzero(cells[first:].any(axis=1)) + first
    if len(some) < 2:
        return some
    weighed = cells[some] / np.sqrt(variances[some, None] / variances.min())
    triangle, order = qr(weighed.T, mode="r", pivoting=True, check_finite=False)
    diagonal = np.abs(np.diag(triangle))
    rank = int((diagonal > 1e-8 * diagonal[0]).sum())
    return np.sort(some[order[:rank]])
