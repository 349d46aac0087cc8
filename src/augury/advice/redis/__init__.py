"""Advice for a Redis or Valkey server as it is, without a change of code."""

from augury.advice.redis.advice import RedisAdvice
from augury.advice.redis.advising import advise

__all__ = ["RedisAdvice", "advise"]
