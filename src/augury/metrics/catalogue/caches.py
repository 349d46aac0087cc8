"""Metrics of caches."""

from __future__ import annotations

from typing import Any

from augury.metrics.metric import Kind, Metric, Read, Samples, Unit, field, fields, loads
from augury.observe.views import Point


def _last(view: Any) -> Samples:
    point: Point | None = next((each for each in reversed(view.history) if each.requests), None)
    if point is not None:
        yield ("cache",), point.hit_ratio
        yield ("lru",), point.lru
        yield ("optimum",), point.optimum


def _ruling(view: Any) -> Samples:
    yield (view.policy.policy, view.policy.ruling), 1


def _model(name: str) -> Read:
    return lambda view: [] if view.model is None else [((), getattr(view.model, name))]


def _cache(
    name: str,
    kind: Kind,
    unit: Unit,
    read: Read,
    help: str,
    reading: str,
    *labels: str,
) -> Metric:
    return Metric(f"cache.{name}", kind, unit, help, reading, "caches", ("cache", *labels), read)


METRICS = (
    _cache(
        "requests",
        "counter",
        "",
        fields(hit="hits", miss="misses"),
        "Reads.",
        "Hits over all of them is the hit ratio: take the rates of both.",
        "result",
    ),
    _cache(
        "interval.hit",
        "gauge",
        "ratio",
        _last,
        "Hit ratio of the last interval with reads: of the cache, and estimates of what LRU and "
        "the best there can be (Belady's MIN) would have had.",
        "Below lru: another policy would do better. Near optimum: only a larger cache, or "
        "fetching ahead, helps.",
        "of",
    ),
    _cache(
        "insertions",
        "counter",
        "",
        field("insertions"),
        "Writes of keys that were not there.",
        "Near the misses, where each miss is stored.",
    ),
    _cache(
        "evictions",
        "counter",
        "",
        fields(full="evictions", expiry="expirations"),
        "Entries that left: to make room, or as their time to live had passed.",
        "None to make room: the cache is larger than it need be.",
        "reason",
    ),
    _cache(
        "rejections",
        "counter",
        "",
        field("rejections"),
        "Writes of entries heavier than the whole cache.",
        "Any at all: the weigher or the capacity is wrong.",
    ),
    _cache("items", "gauge", "", field("entries"), "Entries.", "Grows until the cache is full."),
    _cache(
        "weight",
        "gauge",
        "",
        field("weight"),
        "Sum of the weights of the entries, in the unit of the capacity.",
        "Never above the capacity.",
    ),
    _cache(
        "capacity",
        "gauge",
        "",
        field("capacity"),
        "How much the cache holds: entries, or the sum of their weights.",
        "Changes when it is resized.",
    ),
    _cache(
        "loads",
        "counter",
        "",
        loads,
        "Calls of loaders that have ended.",
        "Failures: the source is in trouble.",
        "result",
    ),
    _cache(
        "load",
        "counter",
        "seconds",
        field("load_seconds"),
        "Time spent in loaders.",
        "Its rate over that of the loads is the mean time of a load.",
    ),
    _cache(
        "saved",
        "gauge",
        "seconds",
        field("saved_seconds"),
        "Estimate of what the hits would have taken in the source.",
        "What the cache is worth.",
    ),
    _cache(
        "ruling",
        "gauge",
        "",
        _ruling,
        "1 for what decides now.",
        "Changes all the time: the workload changes, too.",
        "policy",
        "ruling",
    ),
    _cache(
        "model.drift",
        "gauge",
        "ratio",
        _model("drift"),
        "Error of the model in use at present over its error in training.",
        "Far above 1: it predicts worse than it did, and is to be trained again.",
    ),
)
