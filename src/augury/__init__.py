"""A key-value cache that infers: what to keep, what to fetch next, and what the answer will be."""

import logging as _logging

from augury.cache import Cache
from augury.cached import CachedFunction, CacheInfo, cached
from augury.errors import AuguryError
from augury.events import Cause, Stats
from augury.policies import Policy

__all__ = [
    "AuguryError",
    "Cache",
    "CacheInfo",
    "CachedFunction",
    "Cause",
    "Policy",
    "Stats",
    "cached",
]

_logging.getLogger("augury").addHandler(_logging.NullHandler())
