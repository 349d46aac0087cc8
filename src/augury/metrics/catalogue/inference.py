"""Metrics of cached models."""

from __future__ import annotations

from augury.metrics.metric import Kind, Metric, Read, Unit, field, fields


def _inference(
    name: str,
    kind: Kind,
    unit: Unit,
    read: Read,
    help: str,
    reading: str,
    *labels: str,
) -> Metric:
    return Metric(
        f"inference.{name}", kind, unit, help, reading, "models", ("model", *labels), read
    )


METRICS = (
    _inference(
        "rows",
        "counter",
        "",
        fields(hit="hits", duplicate="duplicates", computed="computed"),
        "Rows asked about: found, equal to another one of their batch, or computed.",
        "All but the computed are saved.",
        "result",
    ),
    _inference(
        "model",
        "counter",
        "seconds",
        field("model_seconds"),
        "Time in the model.",
        "Its rate over that of the computed rows is the cost of a row.",
    ),
    _inference(
        "cache",
        "counter",
        "seconds",
        field("cache_seconds"),
        "Time for reading rows, digests, looking up and storing.",
        "What caching costs.",
    ),
    _inference(
        "saved",
        "gauge",
        "seconds",
        field("saved_seconds"),
        "Estimate of what the rows not computed would have taken, less the cache's own time.",
        "Negative: caching costs more than it saves.",
    ),
)
