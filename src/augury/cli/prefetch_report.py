"""What `augury simulate --prefetch` shows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table

from augury.cli.ratio_plot import plot_ratios
from augury.cli.terminal import console
from augury.prefetch import PrefetchResult


def print_prefetch(results: Sequence[PrefetchResult], sizes: Sequence[str]) -> None:
    """Print a line for each policy and size."""
    console.print(
        f"Fetching ahead what is predicted; {results[0].report.requests:,} requests counted",
        style="italic",
        highlight=False,
    )
    table = _table(
        "policy",
        "size",
        "without",
        "with",
        "saved",
        "precision",
        "recall",
        "F1",
        "load",
        "lead",
    )
    for each, size in zip(results, itertools.cycle(sizes), strict=False):
        report = each.report
        lead = report.waited_at(0.5)
        table.add_row(
            each.result.policy,
            size,
            f"{each.without.miss_ratio:.4f}",
            f"[bold]{each.result.miss_ratio:.4f}[/bold]",
            f"{each.saved:.1%}",
            f"{report.precision:.2f}" if report.fetched else "-",
            f"{report.recall:.2f}",
            f"{report.f1:.2f}",
            f"{each.extra_load:+.1%}",
            "-" if lead is None else f"{lead:,.0f}",
        )
    console.print(table)
    console.print(
        "without, with: miss ratios; load: what the source answers more;\n"
        "lead: requests within which half of what was used was asked for, once fetched",
        style="dim",
        highlight=False,
    )
    predictors = _table("predictor", "fetched", "used", "precision")
    for at, predictor in enumerate(results[0].report.by_predictor):
        fetched = sum(each.report.by_predictor[at].fetched for each in results)
        used = sum(each.report.by_predictor[at].used for each in results)
        precision = f"{used / fetched:.2f}" if fetched else "-"
        predictors.add_row(predictor.name, f"{fetched:,}", f"{used:,}", precision)
    console.print(predictors)


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=name != "policy")
    table.columns[0].justify = "left"
    return table


def plot_prefetch(results: Sequence[PrefetchResult], by_bytes: bool, path: Path) -> None:
    """Write miss ratios by capacity with and without fetching ahead as a PNG."""
    lines = []
    for policy in dict.fromkeys(each.result.policy for each in results):
        mine = [each for each in results if each.result.policy == policy]
        lines.append((policy, "--", [each.without for each in mine]))
        lines.append((f"{policy}, fetching ahead", "-", [each.result for each in mine]))
    plot_ratios(path, lines, by_bytes)
