"""Reuses what models have computed: outputs by row, and what lies on the way to them."""

from augury.inference.batching import Batcher
from augury.inference.model import CachedModel, InferenceStats

__all__ = ["Batcher", "CachedModel", "InferenceStats"]
