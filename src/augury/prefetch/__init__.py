"""Fetches what will be asked next: predictors, what they are worth, and the live prefetcher."""

from augury.prefetch.options import PrefetchOptions
from augury.prefetch.predictors import Predictor, predictors
from augury.prefetch.prefetcher import Prefetcher
from augury.prefetch.report import PredictorReport, PrefetchReport
from augury.prefetch.simulation import PrefetchResult, simulate_prefetch

__all__ = [
    "Predictor",
    "PredictorReport",
    "PrefetchOptions",
    "PrefetchReport",
    "PrefetchResult",
    "Prefetcher",
    "predictors",
    "simulate_prefetch",
]
