"""Reuses what models have computed: outputs by row, and what lies on the way to them."""

from augury.inference.batching import Batcher
from augury.inference.layers import CachedLayers
from augury.inference.model import CachedModel, InferenceStats
from augury.inference.parameters import load_parameters, save_parameters
from augury.inference.pipeline import CachedPipeline

__all__ = [
    "Batcher",
    "CachedLayers",
    "CachedModel",
    "CachedPipeline",
    "InferenceStats",
    "load_parameters",
    "save_parameters",
]
