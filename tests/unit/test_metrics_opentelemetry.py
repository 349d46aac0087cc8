"""OpenTelemetry is told what the snapshot says, and begins a span where something is waited for."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint, Sum
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import augury
from augury.metrics import CATALOGUE
from augury.metrics.opentelemetry import export_metrics, export_spans, stop_spans
from augury.observe import Observer
from augury.tiers import Disk, Memory
from tests.unit.observed import one_of_each


def collected(reader: InMemoryMetricReader) -> dict[str, Any]:
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    export_spans(provider)
    yield exporter
    stop_spans()


def named(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    (span,) = (each for each in exporter.get_finished_spans() if each.name == name)
    return span


def test_instruments_tell_what_the_snapshot_says() -> None:
    reader = InMemoryMetricReader()
    with one_of_each() as observer:
        export_metrics(observer, MeterProvider([reader]))
        metrics = collected(reader)
        cache = observer.snapshot().caches[0]
    requests = metrics["augury.cache.requests"]
    assert isinstance(requests.data, Sum)
    assert requests.data.is_monotonic
    points = {
        point.attributes["augury.result"]: point.value
        for point in requests.data.data_points
        if isinstance(point, NumberDataPoint) and point.attributes
    }
    assert points == {"hit": cache.hits, "miss": cache.misses}
    assert {"augury.cache.name": cache.name, "augury.result": "hit"} in [
        point.attributes for point in requests.data.data_points
    ]
    assert metrics["augury.cache.load"].unit == "s"
    assert metrics["augury.tier.up"].data.data_points[0].attributes == {
        "augury.tiers.name": "tiers",
        "augury.tier": "memory",
    }
    assert metrics.keys() <= {metric.opentelemetry for metric in CATALOGUE}


def test_an_observer_that_is_gone_tells_nothing_more() -> None:
    reader = InMemoryMetricReader()
    observer = Observer(interval=3600)
    cache: augury.Cache[int, int] = augury.Cache(1)
    observer.add("cache", cache)
    export_metrics(observer, MeterProvider([reader]))
    assert collected(reader)
    del observer
    gc.collect()
    assert not [metric for metric in collected(reader).values() if metric.data.data_points]


def test_loads_are_spans(spans: InMemorySpanExporter) -> None:
    cache: augury.Cache[str, int] = augury.Cache(10)
    cache.get_or_load("private", len)
    cache.get_or_load("private", len)
    span = named(spans, "augury.cache.load")
    assert span.kind is SpanKind.INTERNAL
    assert "private" not in span.to_json()


def test_loads_of_coroutines_are_spans(spans: InMemorySpanExporter) -> None:
    async def load(key: str) -> int:
        return len(key)

    asyncio.run(augury.Cache[str, int](10).aget_or_load("private", load))
    assert named(spans, "augury.cache.load").status.status_code is StatusCode.UNSET


def test_a_load_that_fails_is_a_span_with_an_error(spans: InMemorySpanExporter) -> None:
    def fail(key: str) -> int:
        raise KeyError(key)

    with pytest.raises(KeyError):
        augury.Cache[str, int](10).get_or_load("private", fail)
    span = named(spans, "augury.cache.load")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes == {"error.type": "KeyError"}
    assert "private" not in span.to_json()


def test_questions_to_tiers_and_sources_are_spans(
    spans: InMemorySpanExporter, tmp_path: Path
) -> None:
    disk = Disk(tmp_path, "64MiB")
    with augury.Tiers[str, int]([Memory(10), disk], source=len, ttl=60) as tiers:
        tiers.get("private")
    source = named(spans, "augury.tiers.load")
    assert source.kind is SpanKind.CLIENT
    assert source.attributes == {"augury.keys": 1}
    questions = [each for each in spans.get_finished_spans() if each.name[:12] == "augury.tier."]
    assert questions
    assert all(each.attributes and "augury.tier" in each.attributes for each in questions)
    assert not any("private" in each.to_json() for each in spans.get_finished_spans())


def test_runs_of_models_are_spans(spans: InMemorySpanExporter) -> None:
    model = augury.CachedModel(lambda rows: rows.sum(axis=1), augury.Cache(100))
    model(np.arange(6.0).reshape(3, 2))
    assert named(spans, "augury.inference.run").attributes == {"augury.rows": 3}


def test_no_spans_where_nobody_wants_them(spans: InMemorySpanExporter) -> None:
    stop_spans()
    augury.Cache[str, int](10).get_or_load("a", len)
    assert not spans.get_finished_spans()
