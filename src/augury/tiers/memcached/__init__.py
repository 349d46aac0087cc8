"""A tier in one or several Memcached servers."""

from augury.tiers.memcached.tier import Memcached

__all__ = ["Memcached"]
