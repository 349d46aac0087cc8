"""`augury bench`: Augury side by side with its peers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from augury.bench import Effort, Measurement, Row, find_rows
from augury.bench.machine import describe_machine, machine_line
from augury.bench.peers import missing, versions
from augury.cli.terminal import console, notes, print_json, progress


def command(
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW", help="Only rows whose names begin so. Repeatable."),
    ] = None,
    trace: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Trace for the rows about simulation. Repeatable. By default a generated one.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Less work, rougher figures.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """Measure the live cache, its memory and simulation beside every installed peer.

    All contenders take turns in one process; ratios are medians over the rounds, with quartiles.
    """
    rows = find_rows(Effort.quick() if quick else Effort(), trace or (), only or ())
    measured: list[tuple[Row, list[Measurement]]] = []
    with progress("Measuring") as tell:
        for done, row in enumerate(rows):
            tell(done / len(rows))
            measured.append((row, row.measure()))
    if json:
        print_json(
            {
                "machine": describe_machine(),
                "peers": versions(),
                "not_installed": missing(),
                "rows": [_figures(row, measurements) for row, measurements in measured],
            }
        )
        return
    for row, measurements in measured:
        console.print(_table(row, measurements))
    console.print(machine_line(), highlight=False)
    console.print(", ".join(f"{name} {version}" for name, version in versions().items()))
    if missing():
        notes.print(f"not installed, so not measured: {', '.join(missing())}")


def _figures(row: Row, measurements: list[Measurement]) -> dict[str, Any]:
    reference = _reference(row, measurements)
    return {
        "row": row.name,
        "title": row.title,
        "unit": row.unit,
        "reference": row.reference,
        "target": asdict(row.target),
        "measurements": [
            {**asdict(m), "met": row.target.met(m, reference) if m.ours else None}
            for m in measurements
        ],
    }


def _reference(row: Row, measurements: list[Measurement]) -> Measurement:
    return next(m for m in measurements if m.contender == row.reference)


def _table(row: Row, measurements: list[Measurement]) -> Table:
    reference = _reference(row, measurements)
    table = Table(title=f"{row.name}: {row.title}", title_justify="left")
    table.add_column("contender")
    for column in (row.unit, "ratio", "quartiles", "target"):
        table.add_column(column, justify="right")
    if any(m.note for m in measurements):
        table.add_column("")
    for m in measurements:
        target = ""
        if m.ours:
            met = row.target.met(m, reference)
            target = f"[{'green' if met else 'red'}]{row.target} {'met' if met else 'missed'}"
        spread = f"{m.low:.2f}-{m.high:.2f}" if m.low != m.high else ""
        row_of_text = [m.contender, f"{m.value:,.1f}", f"{m.ratio:.2f}x", spread, target]
        table.add_row(*row_of_text, *([m.note] if m.note else []))
    return table
