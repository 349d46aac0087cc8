"""Levels of storage behind one contract, and `Tiers`, which orders them in front of a source."""

from augury.tiers.chain import Tiers
from augury.tiers.consistency import Consistency
from augury.tiers.contract import Health, Tier, Tracking
from augury.tiers.disk import Disk
from augury.tiers.entry import ABSENT, Entry, Lease
from augury.tiers.memcached import Memcached
from augury.tiers.memory import Memory
from augury.tiers.placement import Placement, Predicted, SeenBefore
from augury.tiers.redis import Redis

__all__ = [
    "ABSENT",
    "Consistency",
    "Disk",
    "Entry",
    "Health",
    "Lease",
    "Memcached",
    "Memory",
    "Placement",
    "Predicted",
    "Redis",
    "SeenBefore",
    "Tier",
    "Tiers",
    "Tracking",
]
