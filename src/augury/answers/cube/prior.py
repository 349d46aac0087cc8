"""What cells are expected to hold: a factor of each category, times one of each bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 30
_LEAST = 1e-3  # rows that are expected in a cell: below this they are not told apart


@dataclass(frozen=True, eq=False)
class Prior:
    """Expected rows as a product of factors."""

    categories: list[NDArray[np.float64]]
    """Of each dimension of categories, a factor of each value."""
    bins: list[NDArray[np.float64]]
    """Of each axis, a factor of each bin."""

    @classmethod
    def of(
        cls,
        labels: NDArray[np.int64],
        sizes: Sequence[int],
        shares: Sequence[NDArray[np.float64]],
        rows: NDArray[np.float64],
    ) -> Prior:
        """Return the factors under which the rows of boxes are likeliest.

        By expectation maximisation, as if rows were drawn at random (a Poisson process).

        Parameters
        ----------
        labels
            Of each box, the number of each category.
        sizes
            How many values each dimension of categories has.
        shares
            Of each axis, the share of each bin that lies in each box.
        rows
            Of each box.
        """
        categories: list[NDArray[np.float64]] = [np.ones(size) for size in sizes]
        bins: list[NDArray[np.float64]] = [np.ones(each.shape[1]) for each in shares]
        total = float(rows.sum())
        cells = np.prod([len(each) for each in (*categories, *bins)], dtype=np.float64)
        least = max(1e-6 * total / cells, 1e-12)
        prior = cls(categories, bins)
        for _ in range(_ROUNDS):
            for at, factors in enumerate(categories):
                fitted = prior.rows(labels, shares)
                up = _sums(labels[:, at], rows, len(factors))
                down = _sums(labels[:, at], fitted, len(factors))
                categories[at] = _better(factors, up, down, least)
            for at, factors in enumerate(bins):
                inside: NDArray[np.float64] = np.maximum(shares[at] @ factors, 1e-300)
                fitted = prior.rows(labels, shares)
                up = factors * ((rows / inside) @ shares[at])
                down = factors * ((fitted / inside) @ shares[at])
                bins[at] = _better(factors, up, down, least)
        return prior

    def rows(
        self, labels: NDArray[np.int64], shares: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Return the expected rows of boxes."""
        product = np.ones(len(labels))
        for at, factors in enumerate(self.categories):
            product = product * factors[labels[:, at]]
        for factors, share in zip(self.bins, shares, strict=True):
            product = product * (share @ factors)
        return product

    def cells(self, key: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the expected rows of each cell of one combination of categories."""
        product = np.ones(1)
        for factors, number in zip(self.categories, key, strict=True):
            product = product * factors[number]
        for factors in self.bins:
            product = np.outer(product, factors).ravel()
        return np.maximum(product, _LEAST)

    def cut(
        self, labels: NDArray[np.int64], shares: Sequence[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Return the variance of boxes' rows for bins that they cut: nobody knows on which side."""
        fitted = self.rows(labels, shares)
        variance = np.zeros(len(labels))
        for factors, share in zip(self.bins, shares, strict=True):
            inside = np.maximum(share @ factors, 1e-300)
            variance += (share * (1 - share)) @ factors**2 * (fitted / inside) ** 2
        return variance


def _sums(labels: NDArray[np.int64], values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    return np.bincount(labels, values, size).astype(np.float64, copy=False)


def _better(
    factors: NDArray[np.float64],
    up: NDArray[np.float64],
    down: NDArray[np.float64],
    least: float,
) -> NDArray[np.float64]:
    improved: NDArray[np.float64] = np.clip(factors * (up + least) / (down + least), 1e-12, 1e18)
    return improved
