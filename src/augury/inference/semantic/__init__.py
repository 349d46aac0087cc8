"""A cache keyed by what a text means: a question asked in other words finds the same answer."""

from augury.inference.semantic.answer import (
    Answer,
    Neighbour,
    Origin,
    SemanticExplanation,
    SemanticStats,
)
from augury.inference.semantic.cache import SemanticCache
from augury.inference.semantic.calibration import Calibration, calibrate

__all__ = [
    "Answer",
    "Calibration",
    "Neighbour",
    "Origin",
    "SemanticCache",
    "SemanticExplanation",
    "SemanticStats",
    "calibrate",
]
