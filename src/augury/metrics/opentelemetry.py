"""What is observed, and spans of what takes long, for OpenTelemetry."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from augury.errors import MissingExtraError
from augury.metrics.catalogue import CATALOGUE
from augury.metrics.metric import Metric
from augury.spans import begin_by

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Observation
except ImportError:
    raise MissingExtraError("opentelemetry-api", "opentelemetry") from None

if TYPE_CHECKING:
    from augury.observe import Observer, Snapshot

_UNITS = {"seconds": "s", "bytes": "By", "ratio": "1", "": "1"}
_SHARED = 0.1  # seconds for which one snapshot serves the instruments, all of one collection
_CLIENT = ("tier.", "tiers.")


def export_metrics(observer: Observer, provider: metrics.MeterProvider | None = None) -> None:
    """Tell OpenTelemetry what is observed: an observable instrument for each metric.

    Their names follow redis-py's of its cache (``redis.client.csc.requests`` with its ``result``,
    ``evictions`` with their ``reason``, ``items``): ``augury.cache.requests`` and so on. Nothing is
    read but when somebody collects, and nothing is told any more once the observer is gone.

    Parameters
    ----------
    observer
        What observes.
    provider
        Where to; by default the global one.

    Raises
    ------
    MissingExtraError
        If opentelemetry-api is not installed: when this module is imported.
    """
    meter = metrics.get_meter("augury", meter_provider=provider)
    read = _Shared(observer)
    for metric in CATALOGUE:
        create = (
            meter.create_observable_counter
            if metric.kind == "counter"
            else meter.create_observable_gauge
        )
        create(
            metric.opentelemetry,
            callbacks=[_callback(metric, read)],
            unit=_UNITS[metric.unit],
            description=metric.help,
        )


def export_spans(provider: trace.TracerProvider | None = None) -> None:
    """Begin spans wherever something is waited for: loads, questions to tiers, runs of models.

    They are ``augury.cache.load``, ``augury.tiers.load``, ``augury.tier.*``, one a question, and
    ``augury.inference.run``. No key is ever in one, and of an exception its type only. There is one
    tracer in a process; `stop_spans` ends it.

    Parameters
    ----------
    provider
        Whose spans; by default of the global one.
    """
    tracer = trace.get_tracer("augury", tracer_provider=provider)

    @contextmanager
    def begin(name: str, attributes: dict[str, str | int]) -> Iterator[None]:
        with tracer.start_as_current_span(
            f"augury.{name}",
            kind=trace.SpanKind.CLIENT if name.startswith(_CLIENT) else trace.SpanKind.INTERNAL,
            attributes={f"augury.{label}": value for label, value in attributes.items()},
            # The text of an exception is the application's: a KeyError has the key.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(trace.Status(trace.StatusCode.ERROR))
                raise

    begin_by(begin)


def stop_spans() -> None:
    """Begin no more spans."""
    begin_by(None)


class _Shared:
    """Snapshots that the instruments share, as one collection reads them all."""

    def __init__(self, observer: Observer) -> None:
        self._observer = weakref.ref(observer)
        self._last: tuple[float, Snapshot] | None = None

    def __call__(self) -> Snapshot | None:
        observer, last, now = self._observer(), self._last, time.monotonic()
        if observer is None:
            return None
        if last is None or now - last[0] > _SHARED:
            last = self._last = now, observer.snapshot()
        return last[1]


def _callback(
    metric: Metric, read: Callable[[], Snapshot | None]
) -> Callable[[CallbackOptions], Iterator[Observation]]:
    first, *others = metric.labels
    names = [f"augury.{first}.name", *(f"augury.{label}" for label in others)]

    def observe(_: CallbackOptions) -> Iterator[Observation]:
        snapshot = read()
        if snapshot is None:
            return
        for labels, value in metric.samples(snapshot):
            yield Observation(value, dict(zip(names, labels, strict=True)))

    return observe
