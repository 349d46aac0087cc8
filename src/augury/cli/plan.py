"""`augury plan`: tells how large a cache should be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from augury import policies
from augury.cli.plan_options import bytes_of, costs_of, goal_of, needs
from augury.cli.plan_report import Plan, report
from augury.cli.terminal import progress, writable, writable_page
from augury.cli.trace import (
    ColumnOption,
    FormatOption,
    JsonOption,
    MalformedOption,
    PngOption,
    open_trace,
    report_malformed,
)
from augury.errors import ConfigurationError
from augury.models import Artefact, load_model
from augury.sizing import (
    ANALYTIC,
    Curve,
    Prices,
    Tenant,
    analytic,
    curve,
    read_popularity,
    split,
)


def command(
    trace: Annotated[
        Path | None, typer.Argument(metavar="[TRACE]", help="A file of requests.")
    ] = None,
    popularity: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Instead of a trace: a CSV file with the probability of each key. The curve is"
            " then computed.",
        ),
    ] = None,
    policy: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Policies, separated by commas. The recommendation is for the first."
            " [default: lru; with --popularity lru,fifo,lfu]",
        ),
    ] = "",
    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="exact, shards, aet (lru only) or simulation."),
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Of the keys to look at; 16,384 keys by default."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="SIZES", help="Separated by commas: 5000, 10%, with --bytes 64MiB."),
    ] = None,
    by_bytes: Annotated[
        bool, typer.Option("--bytes", help="Sizes are in bytes, and entries weigh theirs.")
    ] = False,
    cost: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT=PRICE,...",
            help="Of a GiB-month in each tier, the fastest first, and of a miss:"
            " memory=4,disk=0.1,miss=0.00002.",
        ),
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT=TIME,...",
            help="Of a hit in each tier and of a miss: memory=1us,disk=100us,miss=20ms.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="WHAT=FIGURE", help="hit=90% or latency=5ms, or both, by a comma."),
    ] = None,
    requests_per_second: Annotated[
        float | None,
        typer.Option(metavar="N", help="Of the live load; by default as the trace's times say."),
    ] = None,
    entry_bytes: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="What an entry takes, if the trace does not say."),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(metavar="BYTES", help="The most there is for all tiers.")
    ] = None,
    tenant: Annotated[
        list[Path] | None,
        typer.Option(metavar="TRACE", help="Shares the budget with TRACE; repeatable."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="For policy learned.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample, and of policies.")] = 1,
    format: FormatOption = None,
    column: ColumnOption = None,
    max_malformed: MalformedOption = 0.01,
    json: JsonOption = False,
    png: PngOption = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page.")] = None,
) -> None:
    """Tell how large a cache should be: the miss-ratio curve, its knee, the best size for money."""
    if (trace is None) == (popularity is None):
        raise ConfigurationError("name either a TRACE or --popularity FILE")
    if png is not None:
        writable(png)
    if html is not None:
        writable_page(html)
    tiers, miss = costs_of(cost, latency)
    goal = goal_of(target, budget)
    taken = None if entry_bytes is None else bytes_of("--entry-bytes", entry_bytes)
    if tenant and budget is None:
        raise ConfigurationError("name what the tenants share: --budget BYTES")
    if popularity is not None:
        if by_bytes or tenant or model is not None or method is not None or sample is not None:
            raise ConfigurationError(
                "--popularity goes with --policy, --size, costs and targets only"
            )
        known = read_popularity(popularity)
        chosen = policies.split(policy or ",".join(ANALYTIC))
        sizes = None if size is None else _sizes(size)
        curves = [analytic(known, each, capacities=sizes) for each in chosen]
        name, note = popularity.name, None
        if known.normalised:
            note = f"the probabilities sum to {known.total:g}, not 1: each was divided by that"
    else:
        assert trace is not None
        note, name = None, trace.name
        loaded = None if model is None else load_model(model)
        measured = _Measuring(
            method, sample, size, by_bytes, loaded, seed, format, column, max_malformed
        )
        chosen = [str(policies.parse(each)) for each in policies.split(policy or "lru")]
        curves = [measured.curve(trace, each) for each in chosen]
    first = curves[0]
    if requests_per_second is None and first.seconds:
        requests_per_second = first.requests / first.seconds
    prices = Prices(first, tiers, needs(miss, requests_per_second), taken)
    recommendation = prices.recommend(goal)
    shares = None
    if tenant and trace is not None:
        others = [measured.curve(path, chosen[0]) for path in tenant]
        shares = split(
            [
                Tenant(path.name, each, unit=_unit(each, taken))
                for path, each in zip([trace, *tenant], [first, *others], strict=True)
            ],
            goal.budget or 0.0,
        )
    report(
        Plan(name, curves, recommendation, requests_per_second, note, shares),
        json=json,
        png=png,
        html=html,
    )


@dataclass(frozen=True, slots=True)
class _Measuring:
    """How curves are measured."""

    method: str | None
    sample: float | None
    size: str | None
    by_bytes: bool
    model: Artefact | None
    seed: int
    format: str | None
    column: list[str] | None
    max_malformed: float

    def curve(self, path: Path, policy: str) -> Curve:
        opened = open_trace(path, self.format, self.column, self.max_malformed)
        learns = policies.describe(policies.parse(policy).name).learns
        with progress(f"Measuring {path.name} ({policy})") as tell:
            found = curve(
                opened,
                policy,
                method=self.method,
                sample=self.sample,
                by_bytes=self.by_bytes,
                capacities=None if self.size is None else _sizes(self.size),
                seed=self.seed,
                model=self.model if learns else None,
                progress=tell,
            )
        report_malformed(opened.malformed)
        return found


def _sizes(written: str) -> list[str]:
    """Read sizes; with what all keys take, or nobody knows what lies beyond the largest."""
    return [*(each.strip() for each in written.split(",")), "100%"]


def _unit(curve: Curve, entry_bytes: float | None) -> float:
    unit = Prices(curve, entry_bytes=entry_bytes).unit
    if unit is None:
        raise ConfigurationError("the traces have no sizes; say --entry-bytes")
    return unit
