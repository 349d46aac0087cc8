"""From constants and assumptions: what a load takes in processes, memory, network and money."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

GIB = 2**30
DAY = 86_400
MONTH = 365.25 / 12 * DAY


@dataclass(frozen=True)
class Assumptions:
    """What is not measured here. Prices are in dollars, of on-demand machines, rounded, 2025-06."""

    skew: float = 0.9
    """Of the Zipf law that keys are asked for by."""
    value: int = 200
    """Bytes of a value."""
    objects: int = 100
    """Bytes of the Python objects that a key and a value are, besides."""
    process_rate: float = 2_000.0
    """Requests a second that a process of the application serves, on a core, whatever it does."""
    near_gib: float = 0.25
    """Memory of a process for its cache."""
    kept: float = 0.1
    """Share of the keys that the shared tier keeps."""
    copies: int = 2
    """Of an entry in the shared tier."""
    writes: float = 0.02
    """Share of the requests that change a key."""
    node_gib: float = 48.0
    """Memory of a node of the shared tier that entries may take."""
    busy: float = 0.5
    """Share of a core of the tier that may be used."""
    sample: float = 0.01
    """Of the keys, that are recorded."""
    retrain: float = 3600.0
    """Seconds between two models."""
    core_month: float = 30.0
    """Of a core with 4 GiB."""
    gib_month: float = 4.0
    """Of memory."""
    sent_gib: float = 0.01
    """Of traffic between zones, for a GiB."""


@dataclass(frozen=True)
class Load:
    """What one load takes. Rates are a second."""

    requests: float
    keys: float
    processes: int
    near_hits: float
    """Share of the requests."""
    tier_hits: float
    source_requests: float
    cache_cores: float
    """Of the processes' own, for their caches, recording and decoding what comes from the tier."""
    near_gib: float
    """Of all processes."""
    tier_gib: float
    tier_nodes: int
    network_gbit: float
    """To and from the tier."""
    invalidations_gbit: float
    """If every process tracked every write."""
    log_gib_day: float
    learner_cores: float
    money: float
    """A month, without the application, its source, and tracked invalidations."""


def popular(keys: float, of: float, skew: float) -> float:
    """Return the share of the requests that go to the most popular keys, by a Zipf law."""

    def total(many: float) -> float:  # Euler and Maclaurin; exact to a thousandth from ten on
        if many <= 1:
            return many
        if skew == 1.0:
            return math.log(many) + 0.5772
        zeta = 0.5 + skew / 12 - 1 / (1 - skew)
        return float(zeta + many ** (1 - skew) / (1 - skew))

    return min(1.0, total(min(keys, of)) / total(of))


def plan(requests: float, keys: float, measured: Mapping[str, float], assumed: Assumptions) -> Load:
    """Return what a load takes.

    Caches of perfect choice are assumed (the most popular keys), so hit ratios are upper bounds.
    """
    processes = max(1, math.ceil(requests / assumed.process_rate))
    entry = measured["bytes_per_entry"] + assumed.objects + assumed.value
    near = popular(assumed.near_gib * GIB / entry, keys, assumed.skew)
    in_tier = popular(assumed.kept * keys, keys, assumed.skew)
    beyond = requests * (1 - near)
    stored = measured["tier_bytes_per_entry"] + assumed.value - measured["value"]
    tier_gib = assumed.kept * keys * stored * assumed.copies / GIB
    operations = beyond + requests * assumed.writes
    server_cores = operations * measured["tier_server_cpu_us"] / 1e6 / assumed.busy
    nodes = math.ceil(max(tier_gib / assumed.node_gib, server_cores, assumed.copies))
    sent = measured["tier_get_bytes"] + assumed.value - measured["value"]
    invalidations = requests * assumed.writes * processes * measured["invalidation_bytes"]
    learner = measured["learn_cpu_seconds"] / assumed.retrain
    near_gib = processes * min(assumed.near_gib, keys * entry / GIB)
    cache_cores = (
        requests * (measured["hit_ns"] + measured["record_1_percent_ns"]) / 1e9
        + beyond * measured["decode_us"] / 1e6
    )
    return Load(
        requests=requests,
        keys=keys,
        processes=processes,
        near_hits=near,
        tier_hits=max(0.0, in_tier - near),
        source_requests=requests * (1 - max(near, in_tier)),
        cache_cores=cache_cores,
        near_gib=near_gib,
        tier_gib=tier_gib,
        tier_nodes=nodes,
        network_gbit=operations * sent * 8 / 1e9,
        invalidations_gbit=invalidations * 8 / 1e9,
        log_gib_day=requests * assumed.sample * measured["log_row_bytes"] * DAY / GIB,
        learner_cores=learner,
        money=(cache_cores + nodes + learner) * assumed.core_month
        + (near_gib + tier_gib) * assumed.gib_month
        + operations * sent * MONTH / GIB * assumed.sent_gib,
    )


RATES = (1e3, 1e5, 1e7)
KEYS = (1e6, 1e8, 1e9, 1e11)


def plans(measured: Mapping[str, float], assumed: Assumptions) -> list[Load]:
    """Return the loads of the page."""
    return [plan(rate, keys, measured, assumed) for rate in RATES for keys in KEYS]


def table(loads: list[Load]) -> str:
    """Return a table in Markdown."""
    names = [field.name for field in fields(Load)]
    lines = [" | ".join(name.replace("_", " ") for name in names), "|".join(["---:"] * len(names))]
    lines += [" | ".join(shown(getattr(load, name), name) for name in names) for load in loads]
    return "\n".join(f"| {line} |" for line in lines)


def shown(value: float, name: str = "") -> str:
    """Return a figure of two or three digits."""
    if name.endswith("_hits"):
        return f"{value:.0%}"
    if value >= 1e6:
        return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
