"""What a semantic cache says: answers, counts and reasons."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


class Origin(enum.StrEnum):
    """Where an answer comes from."""

    EXACT = "exact"
    """The cache has an answer to this very text."""
    SIMILAR = "similar"
    """The cache has an answer to a text that is similar enough."""
    LOADED = "loaded"
    """The loader was asked."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[V]):
    """An answer, and where it comes from."""

    value: V
    """The answer itself."""
    origin: Origin
    """Where it comes from."""
    matched: str
    """The text that it was stored for, as it was asked then."""
    similarity: float
    """Cosine similarity of the question and that text, up to 1.0."""


@dataclass(frozen=True, slots=True)
class SemanticStats:
    """What a semantic cache has done since it was made."""

    exact: int
    """Answers to the very text asked."""
    similar: int
    """Answers to a similar one."""
    misses: int
    """Questions without either; with a loader, those that it answered."""
    vetoed: int
    """Similar texts that the guard did not let pass."""
    audited: int
    """Answers by similarity that were compared with what the loader says; since calibration."""
    false_hits: int
    """Those of them that were wrong."""
    false_hit_bounds: tuple[float, float]
    """Between what the share of false hits lies, with 95% confidence at all times."""
    suspended: bool
    """Whether nothing is answered by similarity any more, since too many audited were wrong."""

    @property
    def requests(self) -> int:
        """Questions asked."""
        return self.exact + self.similar + self.misses

    @property
    def hit_ratio(self) -> float:
        """Share of the questions that the cache answered; 0.0 before the first."""
        return (self.exact + self.similar) / self.requests if self.requests else 0.0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A text in the cache that is near the question."""

    text: str
    """As it was asked."""
    similarity: float
    """Cosine similarity, up to 1.0."""


@dataclass(frozen=True, slots=True)
class SemanticExplanation:
    """Why a question is answered by the cache, or not."""

    question: str
    """What was asked."""
    origin: Origin | None
    """Where its answer would come from; None if the cache has none."""
    reason: str
    """Why, in one line."""
    neighbours: tuple[Neighbour, ...]
    """What is in the cache, the most similar first."""

    def __str__(self) -> str:
        near = [f"{each.similarity:6.3f}  {each.text!r}" for each in self.neighbours]
        return "\n".join([f"{self.question!r}: {self.reason}", *near])
