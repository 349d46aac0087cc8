"""Renders docs/benchmarks.md from the figures that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import figures
from benchmarks.report.plots import Plot
from benchmarks.report.section import find_section, section_names

INTRODUCTION = Path(__file__).with_name("introduction.md")


def render(folder: Path = figures.FOLDER) -> str:
    """Return the page."""
    every = {name: figures.read(name, folder) for name in section_names()}
    runs = [run for of_section in every.values() for run in of_section.values()]
    machine = Counter(run.machine for run in runs).most_common(1)[0][0] if runs else "none yet"
    parts = [INTRODUCTION.read_text().strip(), "## Machine", *_machine(machine, runs)]
    for name, of_section in every.items():
        section = find_section(name)
        parts += [f"## {section.title}", *_origin(of_section, machine)]
        if of_section:
            parts += section.render(of_section)
        else:
            parts.append(f"Not measured yet: `make report SECTION={name}`.")
    return "\n\n".join(parts) + "\n"


def plots(folder: Path = figures.FOLDER) -> Iterator[Plot]:
    """Yield every section's plots."""
    for name in section_names():
        if of_section := figures.read(name, folder):
            yield from find_section(name).plots(of_section)


def _machine(machine: str, runs: list[figures.Run]) -> Iterator[str]:
    loads = [run.load for run in runs if run.load is not None]
    shared = (
        f" It was shared with compilers and tests: the load when a measurement began was"
        f" {min(loads):.1f} to {max(loads):.1f}. Times are therefore of the processor wherever that"
        " is possible, and only ratios within a run are worth comparing."
        if loads
        else ""
    )
    yield f"{machine}.{shared}"
    latest = sorted(runs, key=lambda run: run.date)
    packages = {name: found for run in latest for name, found in run.packages.items()}
    missing = sorted({name for run in runs for name in run.missing} - packages.keys())
    yield (
        "Peers: "
        + ", ".join(f"{name} {found}" for name, found in sorted(packages.items()))
        + (f". Not installed, so not measured: {', '.join(missing)}." if missing else ".")
    )


def _origin(runs: figures.Figures, machine: str) -> Iterator[str]:
    """Say by what, when and on what a section was measured."""
    lines = []
    for run in runs.values():
        told = [run.date]
        if run.seconds is not None:
            told.append(f"{run.seconds:,.0f} s")
        if run.load is not None:
            told.append(f"load {run.load:.1f}")
        if run.quick:
            told.append("a quick run")
        if run.machine != machine:
            told.append(run.machine)
        lines.append(f"- `{run.command}`: {', '.join(told)}")
    if lines:
        yield "\n".join(lines)
