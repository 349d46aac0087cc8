"""Finds answers: by the very text, or by the nearest one that the cache holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from augury.cache import Cache
from augury.inference.semantic.answer import Answer, Neighbour, Origin, SemanticExplanation
from augury.inference.semantic.audit import Audit
from augury.inference.semantic.calibration import Same
from augury.inference.semantic.embedding import normalised
from augury.inference.semantic.index import Entry, Index
from augury.loading import NOTHING

V = TypeVar("V")

_CANDIDATES = 8  # entries looked at first; the nearest may just be leaving

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Rule:
    """What decides whether a similar text will do. Another calibration is another rule."""

    threshold: float | None
    audit: Audit

    @property
    def applies(self) -> bool:
        """Whether anything is answered by similarity."""
        return self.threshold is not None and not self.audit.suspended


class Vetoed(Exception):  # noqa: N818
    """The guard did not let the nearest text pass."""


class Lookup(Generic[V]):
    """A cache and the index of what is in it."""

    def __init__(self, cache: Cache[str, Any], same: Same | None, *, normalise: bool) -> None:
        self._cache: Cache[str, Entry[V]] = cache
        self._same = same
        self._normalise = normalise
        self._index: Index[V] = Index()

    def key(self, text: str) -> str:
        """Return what a text is looked up by."""
        return normalised(text) if self._normalise else text

    def entry(self, text: str, value: V, vector: Vector) -> Entry[V]:
        """Return what to store in the cache.

        It is in the index before it is in the cache, and leaves both together, whenever that is.
        """
        entry = Entry(text, value)
        self._index.add(entry, vector)
        return entry

    def exact(self, text: str) -> Answer[V] | None:
        """Return the answer to this very text, if there is one."""
        entry = self._cache.get(self.key(text))
        if not isinstance(entry, Entry):
            return None
        return Answer(entry.value, Origin.EXACT, entry.text, 1.0)

    def similar(self, rule: Rule, text: str, vector: Vector) -> Answer[V] | None:
        """Return the answer to the nearest text, if that is similar enough.

        Raises
        ------
        Vetoed
            If it is, but the guard does not let it pass.
        """
        for similarity, entry in self._alive(vector, _CANDIDATES):
            if rule.threshold is None or similarity < rule.threshold:
                return None
            if self._same is not None and not self._same(text, entry.text):
                raise Vetoed
            # This tells the policy. The entry may have left only just now: then the next is it.
            if self._cache.get(self.key(entry.text)) is entry:
                return Answer(entry.value, Origin.SIMILAR, entry.text, similarity)
        return None

    def explain(
        self, rule: Rule, text: str, vector: Vector, neighbours: int
    ) -> SemanticExplanation:
        """Tell why a question is answered or not."""
        near = self._alive(vector, max(neighbours, 1))
        origin, reason = self._verdict(rule, text, near)
        named = (Neighbour(entry.text, similarity) for similarity, entry in near[:neighbours])
        return SemanticExplanation(text, origin, reason, tuple(named))

    def _verdict(
        self, rule: Rule, text: str, near: list[tuple[float, Entry[V]]]
    ) -> tuple[Origin | None, str]:
        if self.key(text) in self._cache:
            return Origin.EXACT, "the cache has this very text"
        if rule.audit.suspended:
            return None, "similarity is suspended: an audit found too many false hits"
        if rule.threshold is None:
            return None, "similarity is not in use: there is no calibrated threshold"
        if not near:
            return None, "the cache has no text"
        similarity, entry = near[0]
        if similarity < rule.threshold:
            return None, f"similarity {similarity:.3f} is below the threshold {rule.threshold:.3f}"
        if self._same is not None and not self._same(text, entry.text):
            return None, f"vetoed, though similarity {similarity:.3f} would be enough"
        return Origin.SIMILAR, f"similarity {similarity:.3f}, of {rule.threshold:.3f} needed"

    def _alive(self, vector: Vector, count: int) -> list[tuple[float, Entry[V]]]:
        """Return what is in the cache, the most similar first: up to so many."""
        while True:
            found = self._index.nearest(vector, count)
            alive = [pair for pair in found if self._holds(pair[1])]
            if alive or len(found) < count:
                return alive
            count *= 4

    def _holds(self, entry: Entry[V]) -> bool:
        return self._cache.peek(self.key(entry.text), NOTHING) is entry
