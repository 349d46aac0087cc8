"""Reuses what models have computed: outputs by row, and what lies on the way to them."""

from augury.inference.batching import Batcher
from augury.inference.layers import CachedLayers
from augury.inference.model import CachedModel
from augury.inference.parameters import load_parameters, save_parameters
from augury.inference.pipeline import CachedPipeline
from augury.inference.prefix import PrefixCache, PrefixStats
from augury.inference.stats import InferenceStats

__all__ = [
    "Batcher",
    "CachedLayers",
    "CachedModel",
    "CachedPipeline",
    "InferenceStats",
    "PrefixCache",
    "PrefixStats",
    "load_parameters",
    "save_parameters",
]
