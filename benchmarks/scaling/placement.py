"""Which node a key is on: a ring with virtual nodes, jump hashing, a ring with bounded loads.

D. Karger et al., *Consistent Hashing and Random Trees*, STOC 1997; J. Lamping, E. Veach, *A Fast,
Minimal Memory, Consistent Hash Algorithm*, 2014; V. Mirrokni et al., *Consistent Hashing with
Bounded Loads*, SODA 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Nodes = NDArray[np.int64]


def hashed(numbers: Keys) -> Keys:
    """Splitmix64's finaliser: hashes of numbers, all bits as good as random."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


@dataclass(frozen=True)
class Ring:
    """Nodes at points of a circle; a key belongs to the next one."""

    nodes: tuple[int, ...]
    virtual: int = 100
    """Points of a node."""

    def points(self) -> tuple[Keys, Nodes]:
        """Return the points in order, and whose they are."""
        owners = np.repeat(np.array(self.nodes), self.virtual)
        replicas = np.tile(np.arange(self.virtual), len(self.nodes))
        places = hashed((owners.astype(np.uint64) << np.uint64(32)) | replicas.astype(np.uint64))
        order = np.argsort(places)
        return places[order], owners[order]

    def place(self, keys: Keys) -> Nodes:
        """Return the node of each key."""
        places, owners = self.points()
        return owners[np.searchsorted(places, hashed(keys)) % len(places)]

    def copies(self, keys: Keys, many: int) -> Nodes:
        """Return the first `many` different nodes from each key on, by key and copy."""
        places, owners = self.points()
        after = np.empty((len(places), many), np.int64)
        for start in range(len(places)):
            found: list[int] = []
            for owner in np.roll(owners, -start).tolist():
                if owner not in found:
                    found.append(owner)
                    if len(found) == many:
                        break
            after[start] = found
        return after[np.searchsorted(places, hashed(keys)) % len(places)]

    def place_bounded(self, keys: Keys, slack: float) -> Nodes:
        """Return nodes of which none has more than `slack` times the mean; who is late goes on."""
        places, owners = self.points()
        at = np.searchsorted(places, hashed(keys)) % len(places)
        room = dict.fromkeys(self.nodes, int(np.ceil(slack * len(keys) / len(self.nodes))))
        placed = np.full(len(keys), -1, np.int64)
        waiting = np.arange(len(keys))
        while len(waiting):
            for node in self.nodes:
                taken = waiting[owners[at[waiting]] == node][: room[node]]
                placed[taken] = node
                room[node] -= len(taken)
            waiting = waiting[placed[waiting] < 0]
            at[waiting] = (at[waiting] + 1) % len(places)
        return placed


def jump(keys: Keys, nodes: int) -> Nodes:
    """Return the node of each key, from 0 up to `nodes`; only the last node can be taken away."""
    state = hashed(keys)
    found = np.zeros(len(keys), np.int64)
    following = np.zeros(len(keys))
    moving = np.arange(len(keys))
    while len(moving):
        found[moving] = following[moving].astype(np.int64)
        state[moving] = state[moving] * np.uint64(2862933555777941757) + np.uint64(1)
        draw = ((state[moving] >> np.uint64(33)) + np.uint64(1)).astype(np.float64)
        following[moving] = np.floor((found[moving] + 1) * ((1 << 31) / draw))
        moving = moving[following[moving] < nodes]
    return found


def imbalance(placed: Nodes, weights: NDArray[np.float64] | None = None) -> float:
    """Return what the fullest node has, as a multiple of the mean of those that have anything."""
    load = np.bincount(placed, weights=weights)
    load = load[load > 0]
    return float(load.max() / load.mean())


def compare(keys: int, nodes: int, seed: int) -> list[dict[str, object]]:
    """Return balance, and what moves when a node comes, of each way to place keys."""
    numbers = np.random.default_rng(seed).integers(0, 2**63, keys).astype(np.uint64)
    rows: list[dict[str, object]] = []
    for virtual in (1, 10, 100, 1000):
        before, after = (Ring(tuple(range(n)), virtual).place(numbers) for n in (nodes, nodes + 1))
        rows.append(_row(f"ring, {virtual} points a node", before, after))
    rows.append(_row("jump", jump(numbers, nodes), jump(numbers, nodes + 1)))
    for slack in (1.25, 1.05):
        before, after = (
            Ring(tuple(range(n))).place_bounded(numbers, slack) for n in (nodes, nodes + 1)
        )
        rows.append(_row(f"bounded loads, {slack:g} of the mean", before, after))
    rows.append(
        _row(
            "modulo",
            (hashed(numbers) % np.uint64(nodes)).astype(np.int64),
            (hashed(numbers) % np.uint64(nodes + 1)).astype(np.int64),
        )
    )
    return rows


def _row(name: str, before: Nodes, after: Nodes) -> dict[str, object]:
    nodes = len(np.unique(after))
    return {
        "placement": name,
        "fullest_node": imbalance(before),
        "moved": float(np.mean(before != after)),
        "least_moved": 1 / nodes,
    }
