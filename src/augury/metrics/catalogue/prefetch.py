"""Metrics of prefetchers."""

from __future__ import annotations

from augury.metrics.metric import Metric, field


def _prefetch(name: str, help: str, reading: str) -> Metric:
    return Metric(
        f"prefetch.{name}",
        "counter",
        "",
        help,
        reading,
        "prefetchers",
        ("prefetcher",),
        field(name),
    )


METRICS = (
    _prefetch("fetched", "Keys fetched ahead.", "What prefetching asks of the source."),
    _prefetch(
        "used", "Of these, asked for while they waited.", "Over fetched it is the precision."
    ),
    _prefetch("unused", "Of these, gone before anyone asked.", "What was fetched in vain."),
    _prefetch(
        "late", "Keys asked for while they were fetched; misses.", "Many: the source is too slow."
    ),
    Metric(
        "prefetch.paused",
        "gauge",
        "",
        "1 while nothing is fetched ahead, as it was paused.",
        "Somebody has paused it.",
        "prefetchers",
        ("prefetcher",),
        field("paused"),
    ),
)
