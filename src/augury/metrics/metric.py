"""What a metric is, and how most of them are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from augury.observe.views import Snapshot, View

Kind = Literal["counter", "gauge"]
Unit = Literal["", "seconds", "bytes", "ratio"]
Samples = Iterable[tuple[tuple[str, ...], float | None]]
"""Values of the labels, and the value; None if it is not known."""
Read = Callable[[Any], Samples]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    """Without prefix and unit, in parts with dots between them, as OpenTelemetry has it."""
    kind: Kind
    """A counter or a gauge."""
    unit: Unit
    """Of its values; empty where they are counts."""
    help: str
    """What it is."""
    reading: str
    """What it says to whoever runs the thing."""
    section: str
    """The field of `augury.observe.Snapshot` that it is read from."""
    labels: tuple[str, ...]
    """The first is the name that something is observed by."""
    read: Read
    """Returns what a view says, by the labels but the first."""

    @property
    def prometheus(self) -> str:
        """Its name there, which ends in its unit, and for a counter in ``_total``."""
        parts = ["augury", self.name.replace(".", "_"), self.unit]
        return "_".join(filter(None, (*parts, "total" if self.kind == "counter" else "")))

    @property
    def opentelemetry(self) -> str:
        """Its name there."""
        return f"augury.{self.name}"

    def samples(self, snapshot: Snapshot) -> Iterable[tuple[tuple[str, ...], float]]:
        """Return the values of all labels, and the value, of whatever is known by a `snapshot`."""
        views: list[View] = getattr(snapshot, self.section)
        for view in views:
            for labels, value in self.read(view):
                if value is not None:
                    yield (view.name, *labels), float(value)


def field(name: str) -> Read:
    """Read a field of a view."""
    return lambda view: [((), getattr(view, name))]


def fields(**names: str) -> Read:
    """Read fields of a view, each with a label's value."""
    return lambda view: [((label,), getattr(view, name)) for label, name in names.items()]


def counts_of(name: str) -> Read:
    """Read a field that counts by a label's value."""

    def read(view: Any) -> Samples:
        counts: Mapping[str, float] = getattr(view, name)
        return [((label,), count) for label, count in counts.items()]

    return read


def each(name: str, label: str, field: str) -> Read:
    """Read a field of each part of a view."""
    return lambda view: [
        ((getattr(part, label),), getattr(part, field)) for part in getattr(view, name)
    ]


def loads(view: Any) -> Samples:
    """Read how many loads succeeded and failed."""
    yield ("success",), view.loads - view.load_failures
    yield ("failure",), view.load_failures
