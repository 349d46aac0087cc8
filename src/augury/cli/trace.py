"""Options shared by the subcommands that read a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from augury.accesslog import Malformed, Trace, read_trace
from augury.accesslog.formats import formats
from augury.cli.terminal import notes
from augury.errors import ConfigurationError

TraceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="TRACE",
        help="A file of requests: CSV, Parquet, web-server log, MONITOR output, a key a line...; "
        "or a folder that was recorded.",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help=f"Format of the trace, if not recognised: {', '.join(formats())}.",
    ),
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=NAME",
        help="Which column of a CSV or Parquet file is the key, size, time or session; repeatable.",
    ),
]
MalformedOption = Annotated[
    float,
    typer.Option("--max-malformed", metavar="SHARE", help="Share of bad lines to put up with."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print figures for machines.")]
PngOption = Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Write a plot.")]


def open_trace(
    path: Path, format: str | None, columns: list[str] | None, max_malformed: float
) -> Trace:
    """Open the trace that the options name."""
    return read_trace(
        path, format=format, columns=named_columns(columns), max_malformed=max_malformed
    )


def named_columns(written: list[str] | None) -> dict[str, str]:
    """Return the columns that are named, by role."""
    return dict(_column(column) for column in written or ())


def _column(written: str) -> tuple[str, str]:
    role, equals, name = written.partition("=")
    if not equals or not role or not name:
        raise ConfigurationError(f"cannot read --column {written!r}; write key=NAME")
    return role, name


def report_malformed(malformed: Malformed) -> None:
    """Tell on stderr what could not be read."""
    if malformed.duplicates:
        notes.print(f"left out {malformed.duplicates:,} duplicates", style="yellow")
    if malformed.clock_jumps:
        jumps = "a jump" if malformed.clock_jumps == 1 else f"{malformed.clock_jumps:,} jumps"
        notes.print(
            f"put right the times after {jumps} of the clock",
            style="yellow",
        )
    if malformed.unrecorded:
        notes.print(
            f"the recorder lost {malformed.unrecorded:,} accesses that are not in this trace",
            style="yellow",
        )
    if malformed.count:
        notes.print(
            f"left out {malformed.count:,} malformed of {malformed.total:,} lines, of which:",
            style="yellow",
            highlight=False,
        )
        for example in malformed.examples:
            notes.print(f"  {example}", markup=False, highlight=False)
