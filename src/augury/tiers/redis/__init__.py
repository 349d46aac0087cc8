"""What Redis or Valkey does: a tier, a registry of models, an exchange of nodes that learn."""

from augury.tiers.redis.exchange import Exchange
from augury.tiers.redis.registry import RedisRegistry
from augury.tiers.redis.tier import Redis

__all__ = ["Exchange", "Redis", "RedisRegistry"]
