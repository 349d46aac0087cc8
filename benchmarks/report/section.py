"""What a section of the report is, and which there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

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


class Section(Protocol):
    """A module of `sections`."""

    ORDER: int
    """Its place on the page."""
    TITLE: str
    PEERS: tuple[str, ...]
    """Packages from PyPI that it compares with."""

    def commands(self, scope: Scope) -> Mapping[str, Command]:
        """Return what to run, by the name its figures are kept under."""

    def render(self, figures: Figures) -> Iterator[str]:
        """Yield the section's paragraphs and tables; figures may be missing."""

    def plots(self, figures: Figures) -> Iterator[Plot]:
        """Yield its plots, by whose names `render` refers to them."""

    def facts(self, figures: Figures) -> Mapping[str, str]:
        """Return what README may quote, as it is shown there."""


def section_names() -> list[str]:
    """Return the names of all sections, in the order of the page."""
    return sorted(module_names(sections.__name__), key=lambda name: find_section(name).ORDER)


def find_section(name: str) -> Section:
    """Return a section.

    Raises
    ------
    augury.ConfigurationError
        If there is none of that name.
    """
    return cast(Section, load_module(sections.__name__, name, "section"))
