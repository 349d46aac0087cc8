"""Metrics of answers."""

from __future__ import annotations

from augury.metrics.metric import Kind, Metric, Read, Samples, Unit, each
from augury.observe.views import AnswersView


def _origins(view: AnswersView) -> Samples:
    for query in view.queries:
        for origin, count in query.origins.items():
            yield (query.query, origin), count


def _answers(
    name: str,
    kind: Kind,
    unit: Unit,
    read: Read,
    help: str,
    reading: str,
    *labels: str,
) -> Metric:
    return Metric(
        f"answers.{name}", kind, unit, help, reading, "answers", ("answers", "query", *labels), read
    )


METRICS = (
    _answers(
        "answered",
        "counter",
        "",
        _origins,
        "Answers, by where they came from.",
        "Those not from the database are what is saved.",
        "origin",
    ),
    _answers(
        "examples",
        "gauge",
        "",
        each("queries", "query", "examples"),
        "Executed queries that the model in use was learned from.",
        "0: there is none, and nothing is inferred.",
    ),
    _answers(
        "audits",
        "gauge",
        "",
        each("queries", "query", "audits"),
        "Inferred answers checked, of late.",
        "At most 500.",
    ),
    _answers(
        "coverage",
        "gauge",
        "ratio",
        each("queries", "query", "coverage"),
        "Share of these whose interval held the true answer.",
        "Below the confidence agreed: the model is about to be taken away.",
    ),
    _answers(
        "error",
        "gauge",
        "ratio",
        each("queries", "query", "error"),
        "Median relative error of these.",
        "How far off an inferred answer is.",
    ),
)
