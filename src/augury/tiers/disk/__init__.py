"""A tier on disk, shared by the processes of a machine."""

from augury.tiers.disk.tier import Disk

__all__ = ["Disk"]
