"""How alike cells are expected to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_EVALUATIONS = 100


@dataclass(frozen=True, eq=False)
class Kernel:
    """Covariance of the cells of one block, which a scale for each cell stretches.

    ``cov(i, j) = variance scale_i scale_j prod_d C_d(i, j) + noise scale_i [i = j]`` with
    ``C_d(i, j) = shared_d + (1 - shared_d) near_d ** |i - j|``, where i and j are numbers of bins.
    """

    shape: tuple[int, ...]
    """How many bins each axis has."""
    shared: tuple[float, ...]
    near: tuple[float, ...]
    variance: float
    noise: float

    @classmethod
    def start(cls, shape: tuple[int, ...], shared: float, near: float, variance: float) -> Kernel:
        """Return one whose axes are all alike, and whose noise is 1."""
        return cls(shape, (shared,) * len(shape), (near,) * len(shape), variance, 1.0)

    @cached_property
    def factors(self) -> list[NDArray[np.float64]]:
        """The correlations along each axis."""
        found: list[NDArray[np.float64]] = []
        for bins, shared, near in zip(self.shape, self.shared, self.near, strict=True):
            at = np.arange(bins)
            found.append(shared + (1 - shared) * near ** np.abs(at[:, None] - at))
        return found

    def times(self, scale: NDArray[np.float64], cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the covariance times columns of cells, shape (cells, columns)."""
        stretched = scale[:, None] * cells
        smooth = self.variance * scale[:, None] * _kronecker(self.factors, stretched)
        return smooth + self.noise * stretched

    def draw(
        self, scale: NDArray[np.float64], samples: int, generator: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return cells drawn from the prior, shape (cells, samples)."""
        roots: list[NDArray[np.float64]] = [
            np.asarray(np.linalg.cholesky(each + 1e-10 * np.eye(len(each))), np.float64)
            for each in self.factors
        ]
        smooth, own = generator.standard_normal((2, len(scale), samples))
        smooth = np.sqrt(self.variance) * scale[:, None] * _kronecker(roots, smooth)
        drawn: NDArray[np.float64] = smooth + np.sqrt(self.noise * scale)[:, None] * own
        return drawn


@dataclass(frozen=True, eq=False)
class Sums:
    """Boxes of one block, and what is left of their sums when the expected is taken away."""

    cells: NDArray[np.float64]
    """The share of each cell that lies in each box, shape (boxes, cells)."""
    residuals: NDArray[np.float64]
    variances: NDArray[np.float64]
    """How far off each residual may be, squared; 0 of what is exact."""
    floor: float
    """What counts as no difference."""
    scale: NDArray[np.float64]
    """Of the cells."""

    def newest(self, most: int) -> Sums:
        """Return so many of the boxes at most."""
        few = slice(-most, None)
        return replace(
            self,
            cells=self.cells[few],
            residuals=self.residuals[few],
            variances=self.variances[few],
        )

    def covariance(self, kernel: Kernel) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the covariance of the cells with the boxes, and of the boxes with each other."""
        across = kernel.times(self.scale, self.cells.T)
        among = self.cells @ across
        diagonal = np.diag_indices_from(among)
        # A little more than nothing, or rounding would make what hardly differs contradict itself.
        among[diagonal] += self.variances + (0.1 * self.floor) ** 2 + 1e-10 * among[diagonal]
        return across, among


def tuned(start: Kernel, blocks: Sequence[Sums]) -> Kernel:
    """Return the kernel under which the residuals of blocks are likeliest.

    A weak prior holds it near the start. By the method of Nelder and Mead (Computer Journal, 1965).
    """
    from scipy.linalg import solve_triangular
    from scipy.optimize import minimize

    middle = _packed(start)

    def loss(point: NDArray[np.float64]) -> float:
        kernel = _unpacked(start, point)
        lost = 0.02 * float(((point - middle) ** 2).sum())
        for block in blocks:
            try:
                root = np.linalg.cholesky(block.covariance(kernel)[1])
            except np.linalg.LinAlgError:
                return 1e30
            white = solve_triangular(root, block.residuals, lower=True, check_finite=False)
            lost += float(0.5 * white @ white + np.log(root.diagonal()).sum())
        return lost

    simplex = np.vstack([middle, middle + np.eye(len(middle))])
    best = minimize(
        loss,
        middle,
        method="Nelder-Mead",
        options={"maxfev": _EVALUATIONS, "initial_simplex": simplex, "fatol": 1.0},
    )
    return _unpacked(start, best.x)


def _packed(kernel: Kernel) -> NDArray[np.float64]:
    odds = np.array([*kernel.shared, *kernel.near])
    return np.concatenate([np.log(odds / (1 - odds)), np.log([kernel.variance, kernel.noise])])


def _unpacked(kernel: Kernel, point: NDArray[np.float64]) -> Kernel:
    chances = np.clip(1 / (1 + np.exp(-np.clip(point[:-2], -30, 30))), 1e-4, 0.9999).tolist()
    axes = len(kernel.shape)
    variance, noise = np.exp(np.clip(point[-2:], -30, 30)).tolist()
    return replace(
        kernel,
        shared=tuple(chances[:axes]),
        near=tuple(chances[axes:]),
        variance=variance,
        noise=noise,
    )


def _kronecker(
    factors: Sequence[NDArray[np.float64]], cells: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the Kronecker product of the factors times columns of cells."""
    columns = cells.shape[1]
    for factor in factors:
        # The first axis goes to the end, so that after all of them the order is the old one.
        turned = (factor @ cells.reshape(len(factor), -1)).reshape(len(factor), -1, columns)
        cells = np.ascontiguousarray(turned.transpose(1, 0, 2)).reshape(-1, columns)
    return cells
