"""A key-value cache that infers what to keep, and a simulator that shows what it would save."""

import logging as _logging
from typing import TYPE_CHECKING as _CHECKED

from augury.accesslog import Trace, read_trace, session
from augury.cache import Cache
from augury.cached import CachedFunction, CacheInfo, cached
from augury.errors import AuguryError
from augury.events import Cause, Stats
from augury.learning import learn
from augury.models import Artefact, load_model
from augury.policies import Policy
from augury.prefetch import Prefetcher
from augury.simulation import SimulationResult, simulate, simulate_many
from augury.tiers import Tiers

if _CHECKED:
    from augury.answers import Answers
    from augury.inference import CachedModel

__all__ = [
    "Answers",
    "Artefact",
    "AuguryError",
    "Cache",
    "CacheInfo",
    "CachedFunction",
    "CachedModel",
    "Cause",
    "Policy",
    "Prefetcher",
    "SimulationResult",
    "Stats",
    "Tiers",
    "Trace",
    "cached",
    "learn",
    "load_model",
    "read_trace",
    "session",
    "simulate",
    "simulate_many",
]

_logging.getLogger("augury").addHandler(_logging.NullHandler())


def __getattr__(name: str) -> object:
    """Return a name whose package is imported as soon as somebody asks for it."""
    if name == "CachedModel":
        from augury.inference import CachedModel

        return CachedModel
    if name == "Answers":
        from augury.answers import Answers

        return Answers
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
