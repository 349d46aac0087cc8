"""The nearest of the entries that are alive."""

from __future__ import annotations

import operator
import threading
import weakref
from collections import deque
from itertools import islice
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from augury.errors import MissingExtraError

V = TypeVar("V")

_FEW = 2_048  # entries compared one by one, which takes no longer than a graph does
_EXPANSION = 128  # entries of a graph looked at in a search
_MOVED = 4  # entries moved to a fresh graph with each that is added


class Entry(Generic[V]):
    """What the cache keeps of a text. It is found by similarity for as long as somebody holds it.

    Attributes
    ----------
    text
        As it was first asked.
    value
        Its answer.
    """

    __slots__ = ("__weakref__", "text", "value")

    def __init__(self, text: str, value: V) -> None:
        self.text = text
        self.value = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r}, {self.value!r})"


class _Held(weakref.ref[Entry[V]]):
    """A reference that knows the number of its entry in the index."""

    __slots__ = ("number",)
    number: int


class Index(Generic[V]):
    """Finds entries by their vectors.

    It refers to entries weakly: an entry that the cache lets go, for whatever reason, takes its
    vector along, so that neither side has to tell the other. Whoever finds an entry has to look
    whether the cache has it: it may be on its way in or out.

    Few entries are compared one by one; among many, a graph finds the nearest (Y. Malkov,
    D. Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical
    navigable small world graphs", TPAMI 2018). Parts of a graph that loses and gains entries for
    long get out of reach, so all are moved to a fresh one from time to time, a few with each that
    is added.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._graphs: list[_Graph[V]] = []  # that which grows, and perhaps the one before it
        # Filled wherever the last reference to an entry goes, with whatever lock held there.
        self._gone: deque[_Held[V]] = deque()
        self._next = 0

    def __len__(self) -> int:
        with self._lock:
            self._sweep()
            return sum(len(graph.held) for graph in self._graphs)

    def add(self, entry: Entry[V], vector: NDArray[np.float32]) -> None:
        """Add an entry with its vector, which has length one."""
        held = _Held(entry, self._gone.append)
        with self._lock:
            self._sweep()
            if not self._graphs:
                self._graphs = [_Graph(len(vector))]
            young = self._graphs[0]
            if len(self._graphs) == 2:
                self._graphs[1].move_to(young, _MOVED)
                if not self._graphs[1].held:
                    self._graphs.pop()
            elif young.removed > max(_FEW, 2 * len(young.held)):
                young = _Graph(len(vector))
                self._graphs.insert(0, young)
            held.number = self._next
            self._next += 1
            young.add(held, vector)

    def nearest(self, vector: NDArray[np.float32], count: int) -> list[tuple[float, Entry[V]]]:
        """Return up to so many entries and their cosine similarities, the nearest first."""
        with self._lock:
            self._sweep()
            found = [pair for graph in self._graphs for pair in graph.nearest(vector, count)]
        found.sort(key=operator.itemgetter(0), reverse=True)
        alive = [(similarity, held()) for similarity, held in found[:count]]
        return [(similarity, entry) for similarity, entry in alive if entry is not None]

    def _sweep(self) -> None:
        while self._gone:
            number = self._gone.popleft().number
            for graph in self._graphs:
                graph.discard(number)


class _Graph(Generic[V]):
    """The vectors of some entries."""

    def __init__(self, dimensions: int) -> None:
        try:
            from usearch.index import Index as Graph
        except ImportError as error:
            raise MissingExtraError("usearch", "semantic") from error
        self._graph = Graph(ndim=dimensions, metric="ip", dtype="f32", expansion_search=_EXPANSION)
        self.held: dict[int, _Held[V]] = {}
        self.removed = 0

    def add(self, held: _Held[V], vector: NDArray[np.float32]) -> None:
        self._graph.add(held.number, vector)
        self.held[held.number] = held

    def discard(self, number: int) -> None:
        if self.held.pop(number, None) is not None:
            self._graph.remove(number)
            self.removed += 1

    def move_to(self, other: _Graph[V], count: int) -> None:
        for number in list(islice(self.held, count)):
            other.add(self.held[number], self._graph.get(number))
            self.discard(number)

    def nearest(self, vector: NDArray[np.float32], count: int) -> list[tuple[float, _Held[V]]]:
        if not self.held:
            return []
        few = len(self.held) <= _FEW
        found = self._graph.search(vector, min(count, len(self.held)), exact=few)
        pairs = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        return [(min(1.0, 1.0 - away), self.held[number]) for number, away in pairs]
