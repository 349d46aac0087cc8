"""Every metric that Augury tells: one file a kind of observed thing, found by discovery.

Both exporters and docs/metrics.md are made from it. No label is a key, or anything else of which
there may be more and more: names given in the program, and words from these files.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from augury.metrics.metric import Metric

CATALOGUE: tuple[Metric, ...] = tuple(
    metric
    for module in iter_modules(__path__)
    for metric in import_module(f"{__name__}.{module.name}").METRICS
)
"""All metrics, in the order in which they are told and documented."""
