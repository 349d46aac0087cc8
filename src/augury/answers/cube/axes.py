"""The bins of ordered dimensions: cells are made of one of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_UNITS = 1024  # whole numbers of a range that get a bin each


@dataclass(frozen=True, eq=False)
class Axis:
    """The half-open bins of one ordered dimension.

    Examples
    --------
    >>> axis = Axis(np.array([0.0, 10.0, 20.0]), whole=True)
    >>> axis.shares(np.array([[0, 9], [5, 19]]))
    array([[1. , 0. ],
           [0.5, 1. ]])
    """

    edges: NDArray[np.float64]
    """Where bins begin, and where the last one ends; the outer ones may be infinite."""
    whole: bool
    """Whether the dimension holds whole numbers only."""

    def __len__(self) -> int:
        return len(self.edges) - 1

    def holds(self, sides: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which intervals do not reach beyond the bins."""
        low, after = half_open(sides, self.whole)
        inside: NDArray[np.bool_] = (low >= self.edges[0]) & (after <= self.edges[-1])
        return inside

    def shares(self, sides: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of each bin that lies in each interval, shape (intervals, bins)."""
        low, after = (self._places(each)[:, None] for each in half_open(sides, self.whole))
        bins = np.arange(len(self))
        shares: NDArray[np.float64] = np.clip(after - bins, 0, 1) - np.clip(low - bins, 0, 1)
        return shares

    def _places(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return bins before points, and the share of its bin before each; infinite ones: half."""
        at = (np.searchsorted(self.edges, points, side="right") - 1).clip(0, len(self) - 1)
        begin, end = self.edges[at], self.edges[at + 1]
        with np.errstate(invalid="ignore", over="ignore"):
            share = (points - begin) / (end - begin)
        share[~np.isfinite(end - begin)] = 0.5
        share[points <= begin] = 0.0
        share[points >= end] = 1.0
        places: NDArray[np.float64] = at + share
        return places

    @classmethod
    def of(cls, sides: NDArray[np.float64], whole: bool) -> tuple[Axis, NDArray[np.float64]]:
        """Return a bin for each end point of intervals, and how often each edge is one.

        Where these are whole numbers of no large range, there is a bin for each.
        """
        edges, uses = np.unique(np.concatenate(half_open(sides, whole)), return_counts=True)
        finite = edges[np.isfinite(edges)]
        weights = uses.astype(np.float64)
        if whole and len(finite) and finite[-1] - finite[0] <= _UNITS:
            every = np.union1d(edges, np.arange(finite[0], finite[-1] + 1))
            weights = np.ones(len(every))
            weights[np.searchsorted(every, edges)] += uses
            edges = every
        return cls(edges, whole), weights

    def merged(self, weights: NDArray[np.float64], most: int) -> Axis:
        """Return an axis of so many bins at most; the edges that weigh most are kept."""
        if len(self) <= most:
            return self
        before = np.cumsum(weights)
        wanted = np.linspace(0, before[-1], most + 1)[1:-1]
        kept = {0, len(self), *np.searchsorted(before, wanted).tolist()}
        return Axis(self.edges[sorted(kept)], self.whole)


def half_open(
    sides: NDArray[np.float64], whole: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where closed intervals begin, and what comes next after them."""
    low, high = sides[..., 0], sides[..., 1]
    after = np.nextafter(high, np.inf)
    if whole:
        return np.ceil(low), np.maximum(np.floor(high) + 1, after)
    return low, after


def axes_of(sides: Sequence[NDArray[np.float64]], wholes: Sequence[bool], most: int) -> list[Axis]:
    """Return axes for the sides of boxes, which make so many cells at most."""
    found = [Axis.of(each, whole) for each, whole in zip(sides, wholes, strict=True)]
    axes = [axis for axis, _ in found]
    for left, at in enumerate(sorted(range(len(axes)), key=lambda at: len(axes[at]))):
        limit = int(most ** (1 / (len(axes) - left)) + 1e-9)
        axes[at] = axes[at].merged(found[at][1], max(limit, 1))
        most //= len(axes[at])
    return axes
