"""Levels of storage behind one contract, and `Tiers`, which orders them in front of a source."""

from augury.tiers.contract import Health, Tier
from augury.tiers.entry import ABSENT, Entry, Lease
from augury.tiers.memory import Memory

__all__ = ["ABSENT", "Entry", "Health", "Lease", "Memory", "Tier"]
