"""What is told of everything that is observed: frozen records that turn into JSON as they are.

One definition for the dashboard, `augury top`, the HTTP API and the metrics. Ratios and shares are
from 0 to 1, times are in seconds, `at` is seconds since 1970. What is not known is None.
"""

from __future__ import annotations

from typing import Annotated

import msgspec


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What all views share."""

    name: str
    """As it was given to `Observer.add`."""


class Point(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One interval of a cache's history; in JSON a list in this order."""

    at: float
    """When the interval ended."""
    requests: int
    """Reads in it."""
    hit_ratio: float | None
    """Of these reads; None if there were none."""
    lru: float | None
    """The hit ratio of LRU of the same capacity over the same reads: a shadow cache."""
    optimum: float | None
    """The same of Belady's MIN, estimated over a sample of the past reads."""


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """Who decides, and why."""

    policy: str
    """As the cache was made with it: ``"auto"``."""
    ruling: str
    """What decides at present: ``"s3fifo"``, ``"lru"`` …; `policy` itself if it never changes."""
    reason: str
    """Why, in one line."""
    candidates: dict[str, float] = {}
    """Expected hit ratio of each candidate, where the policy compares some."""


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """What the model in use has learned, and how well it predicts."""

    kind: str | None
    """Its kind, ``"gbm"`` …; None while the cache learns and none is in use."""
    version: int | None = None
    """In its registry."""
    trained_at: float | None = None
    importance: dict[str, float] = {}
    """Share of each feature in its decisions, the largest first; sums to 1."""
    calibration: list[tuple[float, float, int]] = []
    """Predicted and observed share of keys that came again, and how many keys, a bin each."""
    drift: float | None = None
    """Error at present over the error in training: 1 is no drift. None before the learner has
    compared its predictions with what came."""
    drifted: bool = False
    """Whether the errors of this very model were found to have grown, and nothing was decided
    since."""
    events: list[tuple[float, str]] = []
    """When the learner did what: the last ones, the newest first."""


class CurveView(msgspec.Struct, frozen=True, kw_only=True):
    """Miss ratio by capacity, measured on a sample of the reads."""

    capacities: list[int]
    """In the unit of the cache's capacity, ascending."""
    miss_ratios: list[float]
    present: int
    """The capacity that the cache has."""


class CacheView(View, frozen=True, kw_only=True):
    """A `augury.Cache`."""

    capacity: int
    weight: int
    entries: int
    hits: int
    misses: int
    insertions: int
    evictions: int
    expirations: int
    rejections: int
    loads: int
    load_failures: int
    load_seconds: float
    hit_ratio: float
    """Since it was made."""
    saved_seconds: float
    """Estimate: what its hits would have taken in the source, at the mean time of a load."""
    policy: PolicyView
    model: ModelView | None = None
    curve: CurveView | None = None
    history: list[Point] = []
    """The last intervals, the oldest first."""


class TierView(msgspec.Struct, frozen=True, kw_only=True):
    """One tier."""

    name: str
    healthy: bool
    reason: str | None = None
    """Why it is not, in one line."""
    hits: int = 0
    latency: float | None = None
    """Of the last question how it is."""
    entries: int | None = None
    bytes: int | None = None


class TiersView(View, frozen=True, kw_only=True):
    """A `augury.Tiers`."""

    tiers: list[TierView]
    loads: int
    load_failures: int
    joined: int
    refreshes: int
    waiting: int
    faults: dict[str, int] = {}


class PrefetchView(View, frozen=True, kw_only=True):
    """A `augury.Prefetcher`."""

    fetched: int
    used: int
    unused: int
    late: int
    precision: float
    recall: float
    paused: bool
    by_predictor: dict[str, tuple[int, int]] = {}
    """Fetched and used."""


class QueryView(msgspec.Struct, frozen=True, kw_only=True):
    """One registered query of a `augury.Answers`."""

    query: str
    origins: dict[str, int]
    """Answers from the cache, a roll-up, inferred and from the database."""
    model: str | None = None
    examples: int = 0
    audits: int = 0
    coverage: float | None = None
    """Share of the last audited answers whose interval held the true one."""
    error: float | None = None
    """Median relative error of these."""


class AnswersView(View, frozen=True, kw_only=True):
    """A `augury.Answers`."""

    queries: list[QueryView]


class InferenceView(View, frozen=True, kw_only=True):
    """A `augury.CachedModel`, or whatever else counts `InferenceStats`."""

    rows: int
    hits: int
    duplicates: int
    computed: int
    hit_ratio: float
    model_seconds: float
    cache_seconds: float
    saved_seconds: float


class AdviceView(View, frozen=True, kw_only=True):
    """A `augury.advice.Advisor`, as it was when it was sampled last."""

    policy: str
    capacity: int
    """Of the external cache."""
    entries: int
    """Keys that the shadow cache holds."""
    accesses: int
    hits: int
    """Those of the accesses that the shadow cache had."""
    hit_ratio: float
    """Of the shadow cache: what the external one could reach."""
    told: int
    """Accesses that said whether they hit the external cache,"""
    told_hits: int
    """and that did."""
    to_evict: int
    """Keys to evict that nobody has asked for yet."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is observed, at one moment."""

    at: Annotated[float, msgspec.Meta(ge=0, le=1e11)]
    """Seconds since 1970."""
    process: str
    """Host name and process number."""
    uptime: Annotated[float, msgspec.Meta(ge=0, le=1e11)]
    """Seconds since the observer began."""
    caches: list[CacheView] = []
    """By name, as the others."""
    tiers: list[TiersView] = []
    """Each `Tiers`."""
    prefetchers: list[PrefetchView] = []
    """Each `Prefetcher`."""
    answers: list[AnswersView] = []
    """Each `Answers`."""
    models: list[InferenceView] = []
    """Each `CachedModel`, and what else has `InferenceStats`."""
    advisors: list[AdviceView] = []
    """Each `Advisor`."""
