"""`augury explain`: tells what a model goes by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from augury.cli.terminal import console, print_json, writable
from augury.cli.trace import JsonOption, PngOption
from augury.learning import Explanation, explain
from augury.models import ModelCard, load_model

_BARS = 24  # characters of the longest bar
_PLOTTED = 6  # features of which the dependence is plotted


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A file written by: augury learn")],
    json: JsonOption = False,
    png: PngOption = None,
) -> None:
    """Tell what a model goes by: which features, how much, and which way."""
    if png is not None:
        writable(png)
    artefact = load_model(model)
    explained = explain(artefact)
    if png is not None:
        _plot(explained, png)
    if json:
        print_json({"card": msgspec.to_builtins(artefact.card), **explained.as_dict()})
        return
    _introduce(artefact.card)
    console.print(_table(explained))


def _introduce(card: ModelCard) -> None:
    start, stop = card.period
    _tell(
        f"{card.model}, trained {card.created} on requests {start:,} to {stop - 1:,} of "
        f"{card.data} ({card.rows:,} rows)"
    )
    for part, scores in card.scores.items():
        shown = ", ".join(
            f"{name} {scores[name]:.3f}"
            for name in ("accuracy", "f1", "roc_auc", "brier")
            if name in scores
        )
        _tell(f"{part}: {shown}")


def _tell(line: str) -> None:
    # A model may be a stranger's: what its card says must not steer the terminal.
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)
    console.print(shown, markup=False, highlight=False)


def _table(explained: Explanation) -> Table:
    table = Table(title="What moves the predicted time to the next request", title_justify="left")
    table.add_column("feature")
    table.add_column("importance\n(octaves)", justify="right")
    table.add_column("")
    table.add_column("low → high", justify="right")
    most = max((each.importance for each in explained.influences), default=0.0)
    for each in explained.influences:
        bar = "█" * round(_BARS * each.importance / most) if most > 0 else ""
        low, high = each.dependence[0][1], each.dependence[-1][1]
        table.add_row(each.feature, f"{each.importance:.3f}", bar, f"{low:.1f} → {high:.1f}")
    return table


def _plot(explained: Explanation, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    importance, *curves = figure.subplot_mosaic(
        [["all", "0", "1"], ["all", "2", "3"], ["all", "4", "5"]]
    ).values()
    influences = explained.influences[::-1]
    importance.barh([each.feature for each in influences], [each.importance for each in influences])
    importance.set_xlabel("mean contribution, octaves of requests")
    for axes, each in zip(curves, explained.influences[:_PLOTTED], strict=False):
        axes.plot(*zip(*each.dependence, strict=True), marker="o", markersize=3)
        axes.set_xlabel(f"{each.feature}, {each.unit}")
        axes.grid(alpha=0.3)
    figure.supylabel("")
    curves[0].set_title("predicted log2 of requests to the next")
    figure.savefig(path, dpi=120)
