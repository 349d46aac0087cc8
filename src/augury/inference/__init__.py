"""Reuses what models have computed: outputs by row, and what lies on the way to them."""

from augury.inference.layers import CachedLayers
from augury.inference.model import CachedModel
from augury.inference.stats import InferenceStats

__all__ = ["CachedLayers", "CachedModel", "InferenceStats"]
