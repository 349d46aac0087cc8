"""Cached model outputs beside the bare model, joblib.Memory and lru_cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.plots import Plot
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import judged, table

STREAMS = ("cold 90%", "steady 90%", "steady 99%", "steady 100%")
WANTED = {"network": 5.0, "forest": 50.0}
"""Times faster than the bare model, where 90% of the rows repeat."""
PLOTTED = "forest, batches of 32, "

Rows = dict[str, dict[str, dict[str, float]]]


def commands(scope: Scope) -> dict[str, Command]:
    rounds = ("--rounds", "1") if scope.quick else ()
    quick = scope.quick
    return {
        "streams": Command(("-m", "benchmarks.inference", *rounds, "--json"), quick=quick),
        "module": Command(
            ("-m", "benchmarks.inference_torch", "--rounds", "60" if quick else "150", "--json"),
            quick=quick,
            needs="torch",
        ),
        "prefix": Command(
            ("-m", "benchmarks.prefix", "--rounds", "3" if quick else "15", "--json"),
            quick=quick,
            needs="transformers",
        ),
    }


def render(figures: Figures) -> Iterator[str]:
    if "streams" in figures:
        yield from _streams(figures["streams"].figures)
    if "module" in figures:
        yield from _module(figures["module"].figures)
    if "prefix" in figures:
        yield from _prefix(figures["prefix"].figures)
    yield (
        "[Cached inference](inference.md#measured) tells how to read these, and of texts that are"
        " embedded ([by meaning](inference-semantic.md))."
    )


def _streams(rows: Rows) -> Iterator[str]:
    yield next(_plots(rows)).markdown
    yield (
        "A 784-256-10 network of PyTorch (left out where there is none) and a random forest of 300"
        " trees; rows come by Zipf(1.0). *Cold* streams begin with empty caches, and a tenth of"
        " their rows are first occurrences. In *steady* ones the share given has been seen. How"
        " many times as many rows a second `CachedModel` gives as the bare model; targets at 90%:"
        " the network 5, the forest 50. Where a row costs the same in any batch, no cache exceeds"
        " 10 there."
    )
    kinds = list(dict.fromkeys(title.rpartition(", ")[0] for title in rows))
    yield table(
        ["model and batch", *STREAMS],
        [
            [kind, *(_cell(kind, stream, rows[f"{kind}, {stream}"]) for stream in STREAMS)]
            for kind in kinds
        ],
    )
    yield "Hits alone, the same rows again and again, in rows a second:"
    names = list(dict.fromkeys(name for title in rows for name in rows[title]))
    yield table(
        ["model and batch", *names],
        [
            [
                kind,
                *(
                    f"{of[name]['rows_per_second']:,.0f}" if name in of else ""
                    for of in [rows[f"{kind}, hits"]]
                    for name in names
                ),
            ]
            for kind in kinds
        ],
    )


def _cell(kind: str, stream: str, of: dict[str, dict[str, float]]) -> str:
    ratio = of["augury"]["ratio"]
    wanted = WANTED[kind.partition(",")[0]] if stream.endswith(" 90%") else None
    return judged(f"{ratio:.1f}", None if wanted is None else ratio >= wanted)


def _module(rows: dict[str, dict[str, float]]) -> Iterator[str]:
    yield (
        "The network alone on one thread at batch 256, each round every contender once: time in the"
        " bare module's. Targets: every row new 1.05, with bypass in the steady state 1.01."
    )
    wanted = {"misses": 1.05, "bypass": 1.01}
    yield table(
        ["stream", "bare, µs", "cached, µs", "ratio, median", "ratio of all calls"],
        [
            [
                name,
                f"{of['bare'] * 1e6:.0f}",
                f"{of['cached'] * 1e6:.0f}",
                judged(
                    f"{of['ratio']:.3f}", of["ratio"] <= wanted[name] if name in wanted else None
                ),
                f"{of['total']:.3f}",
            ]
            for name, of in rows.items()
        ],
    )


def _prefix(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield (
        "Time to the first token of prompts nine tenths of which are cached, models of random"
        " weights, in milliseconds of one thread. Target: 5 times faster."
    )
    yield table(
        ["model", "tokens", "bare", "memory", "times faster"],
        [
            [
                row["model"],
                f"{row['tokens']:,}",
                f"{row['bare']:.1f}",
                f"{row['memory']:.1f}",
                judged(f"{row['memory times faster']:.1f}", row["memory times faster"] >= 5),
            ]
            for row in rows
        ],
    )


def _plots(rows: Rows) -> Iterator[Plot]:
    of = rows[f"{PLOTTED}steady 90%"]
    bars = {name: each["rows_per_second"] for name, each in of.items()}
    title = "A forest of 300 trees, batches of 32, 90% of the rows seen before (more is better)"
    yield Plot("inference-forest", title, "rows a second", bars=bars)


def plots(figures: Figures) -> Iterator[Plot]:
    if "streams" in figures:
        yield from _plots(figures["streams"].figures)


def facts(figures: Figures) -> dict[str, str]:
    if "streams" not in figures:
        return {}
    of = figures["streams"].figures[f"{PLOTTED}steady 90%"]
    return {"forest": f"{of['augury']['ratio']:.0f}", "repeats": "90"}


SECTION = Section(
    order=90,
    title="Inference",
    peers=("scikit-learn", "torch", "joblib"),
    commands=commands,
    render=render,
    plots=plots,
    facts=facts,
)
