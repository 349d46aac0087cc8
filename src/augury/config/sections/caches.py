"""``[caches.NAME]``: a cache in this process, or several tiers that look like one."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from augury.config.policy import PolicyName
from augury.config.quantities import Capacity, Seconds
from augury.config.sections.section import LocalPath, Section
from augury.config.sections.tiers import MemoryTier, TierSection


class CacheSection(Section):
    """A cache in this process: ``[caches.NAME]``."""

    capacity: Capacity = 100_000
    """Entries, or bytes of values with a unit."""
    policy: PolicyName = "auto"
    """Who leaves when there is no room."""
    ttl: Seconds | None = None
    """Default time to live; none: for ever."""
    model: LocalPath | None = None
    """What decides, with a policy that learns: a file of `augury learn`."""
    registry: bool = False
    """Whether models come from `registry`, now and whenever another one becomes current."""
    learn: bool = True
    """Whether a policy that learns trains models from the cache's own requests."""
    record: bool = False
    """Whether a sample of the requests is recorded in `training.folder`."""

    @model_validator(mode="after")
    def _has_one_origin_of_models(self) -> Self:
        if self.model is not None and self.registry:
            raise ValueError("give model or registry, not both")
        return self


class TiersSection(Section):
    """Several tiers that look like one cache: ``[caches.NAME]`` with `tiers`."""

    tiers: Annotated[tuple[TierSection, ...], Field(min_length=1)]
    """From the nearest to the last one, which holds everything."""
    ttl: Seconds | None = None
    """How long an entry is fresh; none: for ever."""
    near_ttl: Seconds | None = None
    """How long a copy above the last tier may be served; none: as long as the entry."""
    consistency: Literal["ttl", "tracked", "validated"] = "ttl"
    """What a read promises about writes by other processes; see docs/tiers.md."""
    stale: Seconds | None = None
    """How long after `ttl` an entry is served while a new one is loaded; none: not at all."""
    namespace: str | None = None
    """Keeps caches that share a tier apart; none: the cache's name."""
    write: Literal["through", "behind"] = "through"
    """Whether a write is done when the call returns, or later."""
    outage: Literal["drop", "queue"] = "drop"
    """What becomes of a write that the last tier does not take."""
    queue: Annotated[int, Field(ge=1)] = 10_000
    """How many keys may wait to be written."""
    lease: Seconds = 10.0
    """How long a load or a write may take before others go on without it."""

    @model_validator(mode="after")
    def _has_memory_first(self) -> Self:
        if any(isinstance(tier, MemoryTier) for tier in self.tiers[1:]):
            raise ValueError("a tier of kind 'memory' can only be the first: nothing is nearer")
        return self


def _kind(given: Any) -> str:
    has = "tiers" in given if isinstance(given, dict) else hasattr(given, "tiers")
    return "(tiers)" if has else "(cache)"


AnyCache = Annotated[
    Annotated[CacheSection, Tag("(cache)")] | Annotated[TiersSection, Tag("(tiers)")],
    Discriminator(_kind),
]
"""Either."""
