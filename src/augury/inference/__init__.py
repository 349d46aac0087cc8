"""Reuses what models have computed: outputs by row, and what lies on the way to them."""

from augury.inference.layers import CachedLayers
from augury.inference.model import CachedModel, InferenceStats
from augury.inference.prefix import PrefixCache, PrefixStats

__all__ = ["CachedLayers", "CachedModel", "InferenceStats", "PrefixCache", "PrefixStats"]
