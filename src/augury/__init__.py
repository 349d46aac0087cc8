"""A key-value cache that infers what to keep, and a simulator that shows what it would save."""

import logging as _logging

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

__all__ = [
    "Artefact",
    "AuguryError",
    "Cache",
    "CacheInfo",
    "CachedFunction",
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
