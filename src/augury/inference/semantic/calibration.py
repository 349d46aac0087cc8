"""How similar is similar enough, chosen on some questions and measured on others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError, InputError
from augury.inference.semantic.confidence import (
    clustered_bound,
    effective_trials,
    intraclass_correlation,
)
from augury.inference.semantic.embedding import Embed, Embedding, check_text
from augury.parameters import check_instance, check_integer, check_number

Groups = Mapping[str, Iterable[str]] | Iterable[Iterable[str]]
"""Texts that have one answer, group by group; what a group is called does not matter."""

Pairs = Iterable[tuple[str, str, bool]]
"""A question, another one, and whether the answer of the second is right for the first."""

Same = Callable[[str, str], bool]
"""``same(question, matched)``: whether the answer of the one is right for the other."""

_THRESHOLDS = 1_000  # tried at most
_MARGIN = 1.25  # by which hits may differ between the halves
_TELLING = 10  # false hits that tell how alike those of a group are
_BLOCK = 4_096  # questions compared at a time


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and what was measured with it on questions that had no part in choosing it."""

    threshold: float | None
    """The least cosine similarity that is enough; None if no threshold could be shown to keep the
    rate, so that nothing is to be answered by similarity."""
    false_hit_rate: float
    """What was asked for: of the answers by similarity, how many may be wrong."""
    confidence: float
    """Of the bound."""
    hits: int
    """Held-out requests that were answered by similarity."""
    false_hits: int
    """Those of them whose answer was wrong."""
    bound: float
    """What the share of false hits at this threshold does not exceed, with this confidence. Of the
    choice as a whole the rate asked for is the bound."""
    hit_rate: float
    """Held-out requests answered rightly by similarity, per one that another wording of it could
    answer."""
    reason: str
    """In one line, what came out."""

    @property
    def measured_rate(self) -> float:
        """Share of the held-out hits that were false; 0.0 without hits."""
        return self.false_hits / self.hits if self.hits else 0.0

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class _Trials:
    """Requests: to what they were the nearest, how near, and whether that would have been right."""

    similarity: NDArray[np.float64]
    right: NDArray[np.bool_]
    cluster: NDArray[np.int64]
    answerable: int

    def hits(self, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return false hits and hits of each cluster."""
        of = self.similarity >= threshold
        clusters = int(self.cluster.max(initial=-1)) + 1
        hits = np.bincount(self.cluster[of], minlength=clusters)
        false = np.bincount(self.cluster[of & ~self.right], minlength=clusters)
        return false, hits


def calibrate(
    embed: Embed,
    groups: Groups | None = None,
    *,
    pairs: Pairs | None = None,
    false_hit_rate: float = 0.01,
    confidence: float = 0.95,
    same: Same | None = None,
    seed: int = 0,
) -> Calibration:
    """Choose the least similarity at which answers by similarity are seldom wrong.

    Half of the groups propose thresholds: from the highest that leaves enough hits to show the rate
    down to the least whose bound for the share of false hits is within it. The other half measures
    them in this order, and the last one before the bound of one exceeds the rate is taken; none, if
    already the first does. So one that does not keep the rate is returned with a probability of at
    most ``1 - confidence``. This is fixed-sequence testing: A. Angelopoulos and others, "Learn then
    Test" (2021).

    Parameters
    ----------
    embed
        As of `SemanticCache`.
    groups
        Texts that have one answer, group by group: lists of texts, or a mapping to these. The first
        of a group takes the place of what is in the cache. Each other one is asked twice: of a
        cache with that first one and the first ones of all other groups, and of a cache without its
        own; so half of all requests are new, and each answer to these is false. Include groups that
        are about nearly the same and yet have different answers, as real questions do.
    pairs
        Instead of groups: questions, other ones, and whether these have the same answer. Each pair
        is a request, once; pairs of the same first text are in the same half. A text and itself are
        none, for that is no answer by similarity.
    false_hit_rate
        Of the answers by similarity, how many may be wrong: more than 0, less than 1. To show that
        it is kept takes at least ``log(1 - confidence) / log(1 - false_hit_rate)`` hits among the
        held-out requests: 299 for 0.01, 59 for 0.05.
    confidence
        Of the bound; the requests of one group count as the fewer the more alike they are, which is
        estimated in the other half, where its false hits are many.
    same
        The guard of the cache, if it has one: what it vetoes is no hit.
    seed
        Of the halves.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.
    InputError
        If a text is none, or there are too few groups to make two halves.
    OutputError
        If the embedding cannot be used.

    Notes
    -----
    What holds of these questions holds of others only where these are like them, and where the
    cache holds about as many: among more entries more are similar by chance. An audit of the live
    cache measures what this cannot.
    """
    _check_share("false_hit_rate", false_hit_rate)
    _check_share("confidence", confidence)
    check_integer("seed", seed, least=0)
    if (groups is None) == (pairs is None):
        raise ConfigurationError("calibrate takes either groups or pairs")
    embedding = embed if isinstance(embed, Embedding) else Embedding(embed)
    random = np.random.default_rng(seed)
    if groups is not None:
        proposing, measuring = _halves_of_groups(embedding, _texts_of(groups), same, random)
    else:
        assert pairs is not None
        check_instance("pairs", pairs, Iterable)
        proposing, measuring = _halves_of_pairs(embedding, list(pairs), same, random)
    return _calibrated(proposing, measuring, false_hit_rate, confidence)


def _check_share(name: str, given: float) -> None:
    check_number(name, given, unit="parts")
    if given >= 1:
        raise ConfigurationError(f"{name} must be less than 1, not {given!r}")


def _texts_of(groups: Groups) -> list[list[str]]:
    check_instance("groups", groups, Iterable)
    lists = groups.values() if isinstance(groups, Mapping) else groups
    found = []
    for texts in lists:
        if isinstance(texts, str):
            raise InputError(f"a group is a list of texts, not the text {texts!r}")
        unique = list(dict.fromkeys(texts))
        for text in unique:
            check_text(text)
        if unique:
            found.append(unique)
    if sum(len(texts) > 1 for texts in found) < 4:
        raise InputError("calibration takes at least four groups of two or more texts")
    return found


def _halves_of_groups(
    embedding: Embedding, groups: list[list[str]], same: Same | None, random: np.random.Generator
) -> tuple[_Trials, _Trials]:
    vectors = embedding([text for texts in groups for text in texts])
    starts = np.cumsum([0, *(len(texts) for texts in groups)])
    of = np.repeat(np.arange(len(groups)), [len(texts) for texts in groups])
    asked = np.ones(len(vectors), bool)
    asked[starts[:-1]] = False
    order = random.permutation(len(groups))
    first = np.zeros(len(groups), bool)
    first[order[: len(groups) // 2]] = True
    texts = [text for group in groups for text in group]

    def ask(questions: NDArray[np.int64], stored: NDArray[np.int64]) -> _Trials:
        return _ask(vectors, of, questions, starts[:-1][stored], texts, same)

    return (
        ask(np.flatnonzero(asked & first[of]), np.flatnonzero(first)),
        ask(np.flatnonzero(asked & ~first[of]), np.arange(len(groups))),
    )


def _ask(
    vectors: NDArray[np.float32],
    group: NDArray[np.int64],
    questions: NDArray[np.int64],
    stored: NDArray[np.int64],
    texts: Sequence[str],
    same: Same | None,
) -> _Trials:
    """Ask each question of a cache that holds another wording of it, and of one that does not."""
    held, nearest, similarity, right = vectors[stored], [], [], []
    for start in range(0, len(questions), _BLOCK):
        block = questions[start : start + _BLOCK]
        found = vectors[block] @ held.T
        own = group[block][:, None] == group[stored]
        for visible in (found, np.where(own, -np.inf, found)):
            best = visible.argmax(axis=1)
            lines = np.arange(len(block))
            nearest.append((block, stored[best]))
            similarity.append(visible[lines, best].astype(np.float64))
            right.append(own[lines, best])
    asked = np.concatenate([block for block, _ in nearest])
    matched = np.concatenate([best for _, best in nearest])
    near = np.concatenate(similarity)
    if same is not None:
        for at, (question, other) in enumerate(zip(asked, matched, strict=True)):
            if not same(texts[question], texts[other]):
                near[at] = -np.inf
    return _Trials(near, np.concatenate(right), group[asked], len(questions))


def _halves_of_pairs(
    embedding: Embedding,
    pairs: list[tuple[str, str, bool]],
    same: Same | None,
    random: np.random.Generator,
) -> tuple[_Trials, _Trials]:
    texts: dict[str, int] = {}
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 3:
            raise InputError(f"a pair is (question, other, whether the same), not {pair!r}")
        for text in pair[:2]:
            check_text(text)
            texts.setdefault(text, len(texts))
    pairs = list(dict.fromkeys((a, b, bool(right)) for a, b, right in pairs if a != b))
    clusters = {pair[0]: 0 for pair in pairs}
    if len(clusters) < 4:
        raise InputError("calibration takes pairs of at least four different questions")
    clusters = dict(zip(clusters, random.permutation(len(clusters)).tolist(), strict=True))
    vectors = embedding(list(texts))
    left = vectors[[texts[pair[0]] for pair in pairs]]
    near = np.einsum("ij,ij->i", left, vectors[[texts[pair[1]] for pair in pairs]])
    near = near.astype(np.float64)
    if same is not None:
        near[[not same(pair[0], pair[1]) for pair in pairs]] = -np.inf
    right = np.array([pair[2] for pair in pairs])
    cluster = np.array([clusters[pair[0]] for pair in pairs])

    def part(of: NDArray[np.bool_]) -> _Trials:
        return _Trials(near[of], right[of], cluster[of], int(right[of].sum()))

    first = cluster < len(clusters) // 2
    return part(first), part(~first)


def _calibrated(
    proposing: _Trials, measuring: _Trials, rate: float, confidence: float
) -> Calibration:
    found: Calibration | None = None
    alike = _alike(proposing)
    for level in _proposed(proposing, rate, confidence, alike):
        measured = _measured(measuring, level, rate, confidence, alike)
        if measured.threshold is None:
            return found or measured
        found = measured
    assert found is not None
    return found


def _alike(trials: _Trials) -> float:
    """Return how alike the requests of a group are, seen where false hits are many enough.

    Where there are hardly any, as at the thresholds in question, nobody could tell.
    """
    false = np.sort(trials.similarity[~trials.right & np.isfinite(trials.similarity)])
    if not len(false):
        return 1.0
    return min(1.0, intraclass_correlation(*trials.hits(float(false[-_TELLING:][0]))))


def _proposed(trials: _Trials, rate: float, confidence: float, alike: float) -> list[float]:
    """Return thresholds, from a sure one down to the least that seems to keep the rate."""
    levels = np.unique(trials.similarity[np.isfinite(trials.similarity)])
    if not len(levels):
        return [1.0]
    if len(levels) > _THRESHOLDS:
        levels = levels[np.linspace(0, len(levels) - 1, _THRESHOLDS).astype(np.int64)]
    counted = [trials.hits(level) for level in levels]
    bounds = np.array([clustered_bound(*each, confidence, alike) for each in counted])
    surest = int(bounds.argmin())
    least = int((bounds <= rate).argmax()) if bounds[surest] <= rate else surest
    # As high as leaves the other half hits enough, since the sequence ends at its first failure.
    needed = _MARGIN * _needed(rate, confidence)
    enough = [effective_trials(hits, alike) > needed for _, hits in counted]
    first = max(surest, sum(enough) - 1)
    return [float(level) for level in levels[least : first + 1][::-1]]


def _needed(rate: float, confidence: float) -> int:
    """Return how many hits it takes to show a rate, if none is false."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - rate))


def _measured(
    trials: _Trials, level: float, rate: float, confidence: float, alike: float
) -> Calibration:
    """Return what comes of a threshold; without it, if it cannot be shown to keep the rate."""
    false, hits = trials.hits(level)
    count, wrong = int(hits.sum()), int(false.sum())
    bound = clustered_bound(false, hits, confidence, alike)
    share = (count - wrong) / trials.answerable if trials.answerable else 0.0
    reason = (
        f"{wrong} of {count} held-out hits at {level:.3f} were false: "
        f"at most {bound:.2%}, with {confidence:.0%} confidence"
    )
    if bound <= rate:
        reason = f"threshold {level:.3f} finds {share:.0%} of what is asked again; {reason}"
        return Calibration(level, rate, confidence, count, wrong, bound, share, reason)
    reason = f"no threshold can be shown to keep false hits within {rate:.2%}; {reason}"
    if effective_trials(hits, alike) < _needed(rate, confidence):
        reason += f"; it takes {_needed(rate, confidence)} independent hits without a false one"
    return Calibration(None, rate, confidence, count, wrong, bound, share, reason)
