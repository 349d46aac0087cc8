"""Learns from a trace when keys are asked for again, and measures what that is worth.

rows (`augury.features`) -> `labels` -> `fits` -> `evaluation` -> artefact (`augury.models`).
"""

from augury.learning.comparison import Comparison, compare
from augury.learning.drift import Drift, Trial, challenge, retrain
from augury.learning.evaluation import Evaluation, evaluate, probability
from augury.learning.explanation import Explanation, explain
from augury.learning.federated import average, federate, refine
from augury.learning.fits import fit_names
from augury.learning.key_explanation import KeyExplanation
from augury.learning.learner import Learner
from augury.learning.lesson import Lesson
from augury.learning.pooled import Pooled, pack, unpack
from augury.learning.private import private_trace
from augury.learning.training import learn, prepare, train

__all__ = [
    "Comparison",
    "Drift",
    "Evaluation",
    "Explanation",
    "KeyExplanation",
    "Learner",
    "Lesson",
    "Pooled",
    "Trial",
    "average",
    "challenge",
    "compare",
    "evaluate",
    "explain",
    "federate",
    "fit_names",
    "learn",
    "pack",
    "prepare",
    "private_trace",
    "probability",
    "refine",
    "retrain",
    "train",
    "unpack",
]
