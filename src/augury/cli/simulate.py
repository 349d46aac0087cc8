"""`augury simulate`: replays a trace through many policies at many sizes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from augury import policies
from augury.cli.prefetch_report import plot_prefetch, print_prefetch
from augury.cli.ratio_plot import plot_ratios, ratio_of
from augury.cli.terminal import console, print_json, progress, writable
from augury.cli.trace import (
    ColumnOption,
    FormatOption,
    JsonOption,
    MalformedOption,
    PngOption,
    TraceArgument,
    open_trace,
    report_malformed,
)
from augury.errors import ConfigurationError
from augury.models import load_model
from augury.prefetch import PrefetchOptions, simulate_prefetch
from augury.simulation import SimulationResult, simulate_many


def command(
    trace: TraceArgument,
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Policies, separated by commas, such as lru,s3fifo(small=0.2); or all"
            " (learned with --model only).",
            show_default="fifo,lru,s3fifo,wtinylfu,belady; with --prefetch lru,s3fifo,auto",
        ),
    ] = None,
    size: Annotated[
        str,
        typer.Option(
            metavar="SIZES",
            help="Separated by commas: entries (5000) or percent of the distinct keys (1%).",
        ),
    ] = "0.1%,1%,5%,10%,20%,50%",
    by_bytes: Annotated[
        bool,
        typer.Option(
            "--bytes",
            help="Weigh entries by size: sizes are bytes (64MiB) or percent of the distinct bytes.",
        ),
    ] = False,
    warm: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="First share of the requests, which only warms the cache."
        ),
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of policies that choose at random.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads; by default as many as processors.", min=1),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="For policy learned: what augury learn wrote.", show_default=False
        ),
    ] = None,
    prefetch: Annotated[
        bool,
        typer.Option("--prefetch", help="Compare each with fetching ahead what is predicted."),
    ] = False,
    delay: Annotated[
        int,
        typer.Option(
            metavar="REQUESTS",
            help="With --prefetch: how many requests pass while a fetch is under way.",
            min=0,
        ),
    ] = 0,
    predictors: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="With --prefetch: who predicts, separated by commas, such as markov,runs.",
            show_default="all",
        ),
    ] = None,
    format: FormatOption = None,
    column: ColumnOption = None,
    max_malformed: MalformedOption = 0.01,
    json: JsonOption = False,
    png: PngOption = None,
) -> None:
    """Replay a trace through many policies at many sizes."""
    if not prefetch and (delay or predictors is not None):
        raise ConfigurationError("--delay and --predictors say how to --prefetch; add that")
    if policy is None:
        policy = "lru,s3fifo,auto" if prefetch else "fifo,lru,s3fifo,wtinylfu,belady"
    every = policy.strip() == "all"
    chosen = policies.names(offline=not prefetch) if every else policies.split(policy)
    if every and model is None:
        chosen.remove("learned")  # without a model it is another policy under its name
    parsed = [policies.parse(each) for each in chosen]
    sizes = [each.strip() for each in size.split(",")]
    loaded = None if model is None else load_model(model)
    if loaded is not None and not any(policies.describe(each.name).learns for each in parsed):
        raise ConfigurationError("--model is for policy learned; name it in --policy")
    if png is not None:
        writable(png)
    options = None
    if prefetch:
        names = None if predictors is None else [each.strip() for each in predictors.split(",")]
        options = PrefetchOptions(predictors=names)
    opened = open_trace(trace, format, column, max_malformed)
    if options is not None:
        with progress(f"Replaying {trace.name}") as tell:
            compared = simulate_prefetch(
                opened,
                parsed,
                sizes,
                by_bytes=by_bytes,
                warm=warm,
                seed=seed,
                model=loaded,
                delay=delay,
                options=options,
                jobs=jobs,
                progress=tell,
            )
        report_malformed(opened.malformed)
        if png is not None:
            plot_prefetch(compared, by_bytes, png)
        if json:
            print_json([each.as_dict() for each in compared])
        else:
            print_prefetch(compared, sizes)
        return
    with progress(f"Replaying {trace.name}") as tell:
        results = simulate_many(
            opened,
            parsed,
            sizes,
            by_bytes=by_bytes,
            warm=warm,
            seed=seed,
            model=loaded,
            jobs=jobs,
            progress=tell,
        )
    report_malformed(opened.malformed)
    if png is not None:
        named = dict.fromkeys(each.policy for each in results)
        lines = [(name, "-", [each for each in results if each.policy == name]) for name in named]
        plot_ratios(png, lines, by_bytes)
    if json:
        print_json([result.as_dict() for result in results])
    else:
        counted = f"{results[0].requests:,} requests counted"
        what = "Byte miss ratio by capacity" if by_bytes else "Miss ratio by capacity"
        console.print(f"{what}; {counted}", style="italic", highlight=False)
        console.print(_table(results, sizes, by_bytes))


def _table(results: list[SimulationResult], sizes: list[str], by_bytes: bool) -> Table:
    table = Table()
    table.add_column("policy")
    for written, result in zip(sizes, results, strict=False):
        shown = f"{result.capacity:,}"
        table.add_column(shown if written == str(result.capacity) else f"{written}\n{shown}")
    for column in table.columns[1:]:
        column.justify = "right"
    rows = [results[at : at + len(sizes)] for at in range(0, len(results), len(sizes))]
    least = [min(ratio_of(row[at], by_bytes) for row in rows) for at in range(len(sizes))]
    for row in rows:
        ratios = [ratio_of(result, by_bytes) for result in row]
        table.add_row(
            row[0].policy,
            *(
                f"[bold]{ratio:.4f}[/bold]" if ratio == best else f"{ratio:.4f}"
                for ratio, best in zip(ratios, least, strict=True)
            ),
        )
    return table
