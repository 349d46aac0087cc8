"""Advice for caches that are not Augury's: Redis, Memcached, one in another language."""

from augury.advice.advisor import Advisor
from augury.advice.records import Access, Admission, AdvisorStats, Eviction, Key, Next

__all__ = ["Access", "Admission", "Advisor", "AdvisorStats", "Eviction", "Key", "Next"]
