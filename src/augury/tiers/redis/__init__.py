"""A tier in Redis or Valkey: one server, one that sentinels watch, or a cluster."""

from augury.tiers.redis.tier import Redis

__all__ = ["Redis"]
