"""What a section of the report is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augury.discovery import load_module, module_names
from benchmarks.report import sections
from benchmarks.report.figures import Figures
from benchmarks.report.plots import Plot

OUTPUT = "OUTPUT"
"""Stands among arguments for a file that the command writes its rows to, a JSON value a line."""


@dataclass(frozen=True, slots=True)
class Scope:
    """How much to measure, and on what."""

    quick: bool
    generated: Path
    """Folder of generated traces; see benchmarks/workloads.py."""
    traces: Path | None
    """Folder of real traces."""


@dataclass(frozen=True, slots=True)
class Command:
    """What one process measures."""

    arguments: tuple[str, ...]
    """Of the interpreter, or of `augury` if that is the first; `OUTPUT` among them stands for a
    file that the rows go to."""
    reduce: Callable[[Any], Any] = lambda output: output
    """Makes what is worth keeping out of the JSON that was printed."""
    quick: bool = False
    """Whether that is less than the whole measurement."""
    needs: str = ""
    """A module without which it is left out, since no extra of `make report` has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What a module of `sections` calls `SECTION`."""

    order: int
    """Its place on the page."""
    title: str
    peers: tuple[str, ...] = ()
    """Packages from PyPI that it compares with, or needs."""
    commands: Callable[[Scope], Mapping[str, Command]]
    """What to run, by the name its figures are kept under."""
    render: Callable[[Figures], Iterator[str]]
    """Yields paragraphs and tables; figures of some commands may be missing."""
    plots: Callable[[Figures], Iterator[Plot]] = lambda _: iter(())
    """Yields the plots that `render` refers to."""
    facts: Callable[[Figures], Mapping[str, str]] = lambda _: {}
    """What README may quote, as it is shown there."""


def section_names() -> list[str]:
    """Return the names of all sections, in the order of the page."""
    return sorted(module_names(sections.__name__), key=lambda name: find_section(name).order)


def find_section(name: str) -> Section:
    """Return a section.

    Raises
    ------
    augury.ConfigurationError
        If there is none of that name.
    """
    found: Section = load_module(sections.__name__, name, "section").SECTION
    return found
