"""What a core of the service serves, and how soon the dashboard is painted."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report.figures import Figures
from benchmarks.report.plots import Plot
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import judged, table


def commands(scope: Scope) -> dict[str, Command]:
    size = ("--seconds", "1", "--rounds", "3") if scope.quick else ()
    few = ("--rounds", "5", "--refreshes", "100") if scope.quick else ()
    return {
        "http": Command(("benchmarks/service.py", *size, "--json"), quick=scope.quick),
        "dashboard": Command(("-m", "benchmarks.dashboard", *few, "--json"), quick=scope.quick),
        "soak": Command(
            ("-m", "benchmarks.service_soak", "0.5" if scope.quick else "10"), quick=scope.quick
        ),
    }


def render(figures: Figures) -> Iterator[str]:
    if "http" in figures:
        yield next(plots(figures)).markdown
        yield (
            "Entries of 100 bytes over HTTP, each server a process on one core, clients on another,"
            " a request under way on each connection; contenders take turns in each round. `bare`"
            " is uvicorn with an application that knows one answer by heart: the most that anything"
            " behind uvicorn reaches. `fastapi` serves entries from a dict in the usual way. What"
            " counts is what a server serves in a second of its own processor time."
        )
        yield table(
            ["contender", "a second", "a CPU second", "of bare", "p99, ms"],
            [
                [
                    row["contender"],
                    f"{row['per_second']:,.0f}",
                    f"{row['per_cpu_second']:,.0f}",
                    f"{row['of_bare']:.2f}",
                    f"{row['p99_ms']:.2f}",
                ]
                for row in figures["http"].figures
            ],
        )
    if "dashboard" in figures:
        found = figures["dashboard"].figures
        heap = found["heap"]
        yield (
            "The dashboard with three caches of ten minutes' history each, in Chromium, nothing"
            f" cached: first paint after {found['first paint']['median']:.0f} ms in the median, at"
            f" worst {found['first paint']['worst']:.0f}; first figures after"
            f" {found['figures']['median']:.0f} ms, at worst {found['figures']['worst']:.0f}. Its"
            f" heap was {heap['before']:.1f} MiB, and after {heap['refreshes']} refreshes"
            f" {heap['after']:.1f}."
        )
    if "soak" in figures:
        found = figures["soak"].figures
        errors = judged(str(found["errors"]), found["errors"] == 0)
        yield (
            f"Under a random mix for {found['minutes']:g} minutes, {found['requests']:,} requests:"
            f" {errors} errors; the caches' {found['capacity_mib']:.0f} MiB full, the process grew"
            f" by {found['grown_mib']:.1f} MiB from the second quarter to the last."
        )


def plots(figures: Figures) -> Iterator[Plot]:
    if "http" in figures:
        bars = {row["contender"]: row["per_cpu_second"] for row in figures["http"].figures}
        title = "Requests in a second of the server's processor time (more is better)"
        yield Plot("service", title, "requests", bars=bars)


SECTION = Section(
    order=110,
    title="Service",
    peers=("fastapi", "uvicorn", "uvloop", "httptools"),
    commands=commands,
    render=render,
    plots=plots,
)
