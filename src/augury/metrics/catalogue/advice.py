"""Metrics of advisors of external caches."""

from __future__ import annotations

from augury.metrics.metric import Kind, Metric, Read, Samples, field
from augury.observe.views import AdviceView


def _advice(name: str, kind: Kind, read: Read, help: str, reading: str, *labels: str) -> Metric:
    return Metric(f"advice.{name}", kind, "", help, reading, "advisors", ("advisor", *labels), read)


def _shadow(view: AdviceView) -> Samples:
    return [(("hit",), view.hits), (("miss",), view.accesses - view.hits)]


def _told(view: AdviceView) -> Samples:
    return [(("hit",), view.told_hits), (("miss",), view.told - view.told_hits)]


METRICS = (
    _advice(
        "accesses",
        "counter",
        _shadow,
        "Accesses of the external cache, by what came of them in the advisor's shadow cache.",
        "The hit ratio that following the advice could reach.",
        "result",
    ),
    _advice(
        "reported",
        "counter",
        _told,
        "Those of the accesses that said what came of them in the external cache.",
        "Its own hit ratio: the advice is worth the difference.",
        "result",
    ),
    _advice(
        "to_evict",
        "gauge",
        field("to_evict"),
        "Keys that the advisor would have evicted by now and was not asked for.",
        "Rising: nobody asks what to evict.",
    ),
)
