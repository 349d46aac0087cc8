"""What Prometheus is told is well-formed, named as it wants, and what the snapshot says."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from augury.metrics import CATALOGUE
from augury.metrics.prometheus import ObserverCollector, exposition
from augury.observe import Observer, Snapshot
from tests.unit.observed import one_of_each

UNITS = {"seconds", "bytes", "ratio"}
NOT_BASE = re.compile(
    r"_(milliseconds|microseconds|minutes|hours|kilobytes|mebibytes|percent|ms|us)(_|$)"
)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    with one_of_each() as observer:
        return observer.snapshot()


@pytest.fixture(scope="module")
def families(snapshot: Snapshot) -> dict[str, Metric]:
    text, content_type = exposition(snapshot)
    assert content_type.startswith("text/plain")
    return {family.name: family for family in parse(text.decode())}


def test_names_are_as_promtool_wants_them(families: dict[str, Metric]) -> None:
    """The rules of `promtool check metrics`."""
    assert families
    for name, family in families.items():
        assert re.fullmatch(r"augury_[a-z][a-z_]*[a-z]", name), name
        assert not NOT_BASE.search(name), f"{name}: not a base unit"
        assert family.documentation, name
        assert family.type in ("counter", "gauge"), name
        for sample in family.samples:
            assert sample.name == (f"{name}_total" if family.type == "counter" else name)
            assert not sample.name.endswith(("_count", "_sum", "_bucket", "_info")), sample.name
            assert not re.search(r"_(counter|gauge)(_|$)", sample.name)
            assert all(re.fullmatch(r"[a-z]+", label) for label in sample.labels)
            assert not {"le", "quantile", "key", "job", "instance"} & set(sample.labels)


def test_units_are_at_the_end_of_names() -> None:
    for metric in CATALOGUE:
        words = metric.prometheus.removesuffix("_total").split("_")
        assert not UNITS & set(words[:-1]), metric.prometheus
        assert (words[-1] in UNITS) == bool(metric.unit), metric.prometheus


def test_every_metric_is_documented_once_and_has_labels() -> None:
    names = [metric.prometheus for metric in CATALOGUE]
    assert len(set(names)) == len(names)
    for metric in CATALOGUE:
        assert metric.help.endswith(".")
        assert metric.reading.endswith(".")
        assert metric.labels


def test_values_are_those_of_the_snapshot(families: dict[str, Metric], snapshot: Snapshot) -> None:
    cache = snapshot.caches[0]
    requests = families["augury_cache_requests"].samples
    assert {sample.labels["result"]: sample.value for sample in requests} == {
        "hit": cache.hits,
        "miss": cache.misses,
    }
    assert {sample.labels["cache"] for sample in requests} == {'users "of" \\ Köln\n'}
    (up,) = families["augury_tier_up"].samples
    assert (up.labels, up.value) == ({"tiers": "tiers", "tier": "memory"}, 1.0)
    origins = families["augury_answers_answered"].samples
    assert {sample.labels["origin"]: sample.value for sample in origins}["database"] == 1.0
    rows = families["augury_inference_rows"].samples
    assert {sample.labels["result"]: sample.value for sample in rows} == {
        "hit": 0.0,
        "duplicate": 3.0,
        "computed": 1.0,
    }
    for name, hits in {"augury_advice_accesses": 1.0, "augury_advice_reported": 1.0}.items():
        told = {sample.labels["result"]: sample.value for sample in families[name].samples}
        assert told == {"hit": hits, "miss": 1.0}
    assert [sample.value for sample in families["augury_prefetch_paused"].samples] == [0.0]


def test_nothing_observed_is_an_empty_scrape() -> None:
    with Observer() as observer:
        assert exposition(observer.snapshot())[0] == b""


def test_openmetrics_where_it_is_asked_for(snapshot: Snapshot) -> None:
    text, content_type = exposition(snapshot, "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    families = list(parse_openmetrics(text.decode()))  # type: ignore[no-untyped-call]
    assert len(families) > 20


def test_a_registry_reads_anew_at_each_scrape() -> None:
    registry = CollectorRegistry()
    with one_of_each() as observer:
        registry.register(ObserverCollector(observer.snapshot))
        labels = {"tiers": "tiers", "result": "success"}
        assert registry.get_sample_value("augury_tiers_loads_total", labels) == 20.0
    assert registry.get_sample_value("augury_tiers_loads_total", labels) is None
