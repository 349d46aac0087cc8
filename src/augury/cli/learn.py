"""`augury learn`: trains models on the first part of a trace, and tests them on the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from augury.accesslog import Spool
from augury.cli.learn_by_spark import learn_by_spark
from augury.cli.predictions_table import predictions_table, shown
from augury.cli.terminal import console, print_json, progress, writable
from augury.cli.trace import (
    ColumnOption,
    FormatOption,
    JsonOption,
    MalformedOption,
    PngOption,
    named_columns,
    open_trace,
    report_malformed,
)
from augury.errors import ConfigurationError
from augury.learning import Comparison, compare, fit_names, prepare

_SIZES = "1%,5%,10%,20%"


def command(
    trace: Annotated[
        str,
        typer.Argument(
            metavar="TRACE",
            help="A file of requests, or a folder that was recorded; for Spark a path, URL or "
            "pattern of Parquet or CSV files.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where the model is written.")
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help=f"Separated by commas: {', '.join(fit_names())}; or all. Of several the best in "
            "validation is written.",
        ),
    ] = "gbm",
    until: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="First share of the requests, to learn from; the rest tests."
        ),
    ] = 0.5,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZES",
            help="Of the caches to test with: entries (5000) or percent of the distinct keys (1%); "
            f"{_SIZES} by default.",
        ),
    ] = None,
    rows: Annotated[int, typer.Option(metavar="N", help="The most rows to learn from.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of all random choices.")] = 1,
    engine: Annotated[
        str,
        typer.Option(
            help="Who learns: this process (local), or spark, which reads Parquet and CSV on any "
            "file system of Hadoop, fits by MLlib and does not replay: no --size, no --png."
        ),
    ] = "local",
    master: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Where Spark runs: local[*] (the default), spark://HOST:PORT, yarn."
        ),
    ] = None,
    format: FormatOption = None,
    column: ColumnOption = None,
    max_malformed: MalformedOption = 0.01,
    json: JsonOption = False,
    png: PngOption = None,
) -> None:
    """Train models on the first part of a trace, test them on the rest, and write the best."""
    if not 0.0 < until < 1.0:
        raise ConfigurationError(f"until must be more than 0 and less than 1, not {until:g}")
    path = Path(trace)
    if why := _obstacle(output, path):
        raise ConfigurationError(f"cannot write {output}: it is {why}")
    if engine == "spark":
        if size is not None or png is not None:
            raise ConfigurationError("Spark does not replay the log; leave out --size and --png")
        malformed = learn_by_spark(
            trace,
            output,
            model,
            master or "local[*]",
            json,
            until=until,
            rows=rows,
            seed=seed,
            format=format,
            columns=named_columns(column),
            max_malformed=max_malformed,
        )
        report_malformed(malformed)
        return
    if engine != "local" or master is not None:
        raise ConfigurationError(
            f"engine must be local or spark, not {engine!r}"
            if engine != "local"
            else "--master is for --engine spark"
        )
    names = fit_names() if model.strip() == "all" else [name.strip() for name in model.split(",")]
    sizes = [each.strip() for each in (size or _SIZES).split(",")]
    if png is not None:
        writable(png)
    opened = open_trace(path, format, column, max_malformed)
    with (
        progress(f"Learning from {path.name}") as tell,
        Spool(opened, progress=lambda share: tell(share * 0.1)) as spool,
    ):
        lesson = prepare(spool, until=until, rows=rows, seed=seed, name=path.name)
        tell(0.2)
        compared = compare(
            spool, lesson, names, sizes, progress=lambda share: tell(0.2 + 0.8 * share)
        )
    report_malformed(opened.malformed)
    best = compared.best.artefact
    best.save(output)
    if png is not None:
        _plot(compared, png)
    if json:
        card = msgspec.to_builtins(best.card)
        print_json({"file": str(output), "card": card, **compared.as_dict()})
        return
    rest = lesson.requests - lesson.stop
    console.print(
        f"Learned from {lesson.stop:,} requests; all figures are of the {rest:,} after those",
        style="italic",
        highlight=False,
    )
    tested = [(each.artefact, each.test) for each in compared.candidates]
    console.print(predictions_table(tested))
    console.print(_misses(compared))
    console.print(f"{best.card.model} written to {output}", markup=False, highlight=False)


def _obstacle(output: Path, trace: Path) -> str | None:
    """Tell, before long work, why a model must not replace what is there."""
    folder = output.absolute().parent
    if output.is_dir():
        return "a folder"
    if not folder.is_dir():
        return "in a folder that does not exist"
    if not os.access(folder, os.W_OK):
        return "in a folder that cannot be written to"
    if output.exists() and not output.is_file():
        return "no file, and would be replaced by one"
    if output.exists() and trace.exists() and output.samefile(trace):
        return "the trace"
    return None


def _misses(compared: Comparison) -> Table:
    table = Table(title="Miss ratio by capacity", title_justify="left")
    table.add_column("policy")
    fifo = compared.of_policy("fifo")
    for size, result in zip(compared.sizes, fifo, strict=True):
        entries = f"{result.capacity:,}"
        table.add_column(entries if size == str(result.capacity) else f"{size}\n{entries}")
    table.add_column("gap to\nBelady")
    for column in table.columns[1:]:
        column.justify = "right"
    rows = [(f"learned ({each.artefact.card.model})", each.results) for each in compared.candidates]
    rows += [
        ("lru", compared.of_policy("lru")),
        (f"{compared.best_fixed} (best fixed)", compared.of_policy(compared.best_fixed)),
        ("belady", compared.of_policy("belady")),
    ]
    for name, results in rows:
        ratios = (f"{result.miss_ratio:.4f}" for result in results)
        table.add_row(name, *ratios, shown(compared.gap(results)))
    return table


def _plot(compared: Comparison, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    misses, reliability = figure.subplots(1, 2)
    for each in compared.candidates:
        name = each.artefact.card.model
        points = [(result.capacity, result.miss_ratio) for result in each.results]
        misses.plot(*zip(*sorted(points), strict=True), marker="o", markersize=3, label=name)
        if each.test is not None:
            said, happened, _ = zip(*each.test.reliability, strict=True)
            reliability.plot(said, happened, marker="o", markersize=3, label=name)
    for policy in dict.fromkeys(("lru", compared.best_fixed, "belady")):
        points = [(result.capacity, result.miss_ratio) for result in compared.of_policy(policy)]
        misses.plot(*zip(*sorted(points), strict=True), linestyle="--", label=policy)
    misses.set_xscale("log")
    misses.set_ylim(bottom=0)
    misses.set_xlabel("capacity in entries")
    misses.set_ylabel("miss ratio")
    reliability.plot((0, 1), (0, 1), color="grey", linewidth=0.8)
    reliability.set_xlabel("predicted probability of another request in time")
    reliability.set_ylabel("share asked for again in time")
    for axes in (misses, reliability):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)
