"""What is observed, for Prometheus to scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from augury.errors import MissingExtraError
from augury.metrics.catalogue import CATALOGUE

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError:
    raise MissingExtraError("prometheus-client", "metrics") from None

if TYPE_CHECKING:
    from augury.observe import Snapshot

Family = CounterMetricFamily | GaugeMetricFamily


class ObserverCollector(Collector):
    """Tells a registry of prometheus-client what is observed, read anew at each scrape.

    Parameters
    ----------
    snapshot
        Returns what to tell: `augury.observe.Observer.snapshot`.

    Examples
    --------
    >>> import augury
    >>> from augury.observe import Observer
    >>> from prometheus_client import CollectorRegistry
    >>> registry = CollectorRegistry()
    >>> cache = augury.Cache(100)
    >>> with Observer() as observer:
    ...     observer.add("users", cache)
    ...     registry.register(ObserverCollector(observer.snapshot))
    ...     registry.get_sample_value("augury_cache_capacity", {"cache": "users"})
    100.0
    """

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        """Yield the metrics that there are values of."""
        snapshot = self._snapshot()
        for metric in CATALOGUE:
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.prometheus, metric.help, labels=metric.labels)
            for labels, value in metric.samples(snapshot):
                family.add_metric(labels, value)
            if family.samples:
                yield family

    def describe(self) -> list[Family]:
        """Return nothing: which metrics there are depends on what is observed."""
        return []


def exposition(snapshot: Snapshot, accept: str = "") -> tuple[bytes, str]:
    """Return a snapshot as a scrape's answer.

    Parameters
    ----------
    snapshot
        From `augury.observe.Observer.snapshot`.
    accept
        The ``Accept`` of the request: OpenMetrics is written where it asks for that.

    Returns
    -------
    bytes, str
        The text, and its content type.
    """
    registry = CollectorRegistry()
    registry.register(ObserverCollector(lambda: snapshot))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
