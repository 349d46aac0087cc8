"""`augury demo`: real look-ups through the live cache, and what they save."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as RichTable

from augury import policies
from augury.bench.machine import describe_machine, machine_line
from augury.cli.terminal import console, print_json, progress
from augury.demo import Outcome, Stage, Table, load_scene, scene_names, write_report
from augury.demo.stage import MONTHS, SIZES
from augury.errors import ConfigurationError, MissingExtraError


def command(
    scenes: Annotated[
        list[str] | None,
        typer.Argument(help=f"What to show: {', '.join(scene_names())}. By default all."),
    ] = None,
    policy: Annotated[
        str,
        typer.Option(help="Policies, separated by commas. By default all live ones but learned."),
    ] = "",
    size: Annotated[
        str, typer.Option(help="Entries of the caches, separated by commas.")
    ] = ",".join(map(str, SIZES)),
    months: Annotated[
        int, typer.Option(help="Months to play, from February 2013 on: 1 to 11.")
    ] = MONTHS,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html. By default augury-demo; none with --json."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """Replay 2013's real flights from New York City as look-ups in front of SQLite.

    Counts queries saved and measures latencies for every policy, without any set-up or network.
    """
    if output is None and not json:
        output = Path("augury-demo")
    if output is not None and output.exists() and not output.is_dir():
        raise ConfigurationError(f"cannot write a report to {output}: it is not a folder")
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)  # now, rather than find out after the work
    chosen = {name: load_scene(name) for name in scenes or scene_names()}
    outcomes: dict[str, Outcome] = {}
    skipped: dict[str, str] = {}
    listed = [name for name in policies.split(policy) if name]
    with Stage(months=months, policies=listed, sizes=_sizes(size)) as stage:
        with progress("loading the flights into SQLite"):
            stage.pages  # noqa: B018  (read here, before anything is measured)
        for name, scene in chosen.items():
            with progress(scene.TITLE) as stage.progress:
                try:
                    outcomes[name] = scene.play(stage)
                except MissingExtraError as error:
                    if scenes:  # it was asked for by name
                        raise
                    skipped[name] = str(error)
    titled = {chosen[name].TITLE: outcome for name, outcome in outcomes.items()}
    report = write_report(titled, machine_line(), output) if output is not None else None
    if json:
        figures = {name: outcome.data for name, outcome in outcomes.items()}
        print_json({"machine": describe_machine(), "scenes": figures, "skipped": skipped})
        return
    for title, outcome in titled.items():
        console.rule(f"[bold]{title}")
        for statement in outcome.statements:
            console.print(statement, highlight=False, end="\n\n")
        for table in outcome.tables:
            console.print(_terminal(table))
    for name, why in skipped.items():
        console.print(f"Scene {name} skipped: {why}", highlight=False, markup=False)
    console.print(
        f"{machine_line()}\nReport with drawings: {report}", highlight=False, markup=False
    )


def _sizes(listed: str) -> list[int]:
    try:
        return [int(part.replace("_", "")) for part in listed.split(",") if part.strip()]
    except ValueError:
        raise ConfigurationError(
            f"cannot read sizes {listed!r}; write numbers of entries, such as 2000,5000"
        ) from None


def _terminal(table: Table) -> RichTable:
    drawn = RichTable(title=table.title, title_justify="left")
    for index, column in enumerate(table.columns):
        drawn.add_column(column, justify="right" if index else "left", no_wrap=index > 0)
    for index, row in enumerate(table.rows):
        drawn.add_row(*row, style="bold green" if index in table.best else None)
    return drawn
