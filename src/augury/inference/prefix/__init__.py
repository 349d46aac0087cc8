"""Reuses what a transformer has computed of the beginnings that prompts share."""

from augury.inference.prefix.cache import PrefixCache, PrefixStats

__all__ = ["PrefixCache", "PrefixStats"]
