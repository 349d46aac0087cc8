"""A cache in front of SQLite: what each policy keeps, and what that saves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from augury.demo.flights import QUESTIONS, Pages
from augury.demo.replay import BASELINE_SHARE, Run, race
from augury.demo.stage import Figure, Outcome, Stage, Table

TITLE = "Keep: a cache in front of SQLite"


def play(stage: Stage) -> Outcome:
    """Replay the service's look-ups through every policy and size of the stage."""
    database, pages = stage.database, stage.pages
    cells = [(policy, size) for size in stage.sizes for policy in stage.policies]
    baseline, *runs = race(database, pages, cells, stage.progress)
    return Outcome(
        statements=_statements(pages, baseline, runs),
        tables=tuple(_table(pages, baseline, runs, size) for size in stage.sizes),
        data=_data(pages, baseline, runs),
        draw=lambda: _draw(baseline, runs),
    )


def _statements(pages: Pages, baseline: Run, runs: Sequence[Run]) -> tuple[str, ...]:
    return (
        f"{pages.views:,} flights left New York City from February 2013 on; a service shows a page"
        f" for each, in the order of departure. A page asks SQLite for the destination airport, the"
        f" weather at the origin that hour, and for last month's record of the route, of the flight"
        f" number with its airline, and of the aircraft: {pages.lookups:,} look-ups,"
        f" {pages.distinct:,} of them distinct. All queries use an index, and the"
        f" database lies in memory.",
        f"The same look-ups went through augury.Cache.get_or_load for every policy and size, the"
        f" caches taking turns week by week on one core. Times are medians of"
        f" {len(pages.weeks)} weeks: means of processor time, p50 and p99 by the clock; about"
        f" 0.1 µs of each is the measuring itself. Without a cache,"
        f" {baseline.lookups:,} look-ups (one in {BASELINE_SHARE}, evenly spread) were measured and"
        f" the rest extrapolated.",
        f"{sum(run.checked for run in runs):,} answers of the caches were compared with the"
        f" database's: all were right.",
        *(_best(baseline, [run for run in runs if run.size == size]) for size in _sizes(runs)),
    )


def _best(baseline: Run, runs: Sequence[Run]) -> str:
    best = max(runs, key=lambda run: run.hit_ratio)
    whole = baseline.seconds(best)
    return (
        f"{best.size:,} entries: fewest queries with {_title(best)}, which answered"
        f" {best.hit_ratio:.1%} of the look-ups itself, spared the database"
        f" {best.lookups - best.queries:,} queries and saved {whole - best.seconds():.1f} of"
        f" {whole:.1f} seconds."
    )


def _sizes(runs: Sequence[Run]) -> list[int]:
    return sorted({run.size for run in runs})


def _table(pages: Pages, baseline: Run, runs: Sequence[Run], size: int) -> Table:
    rows = [("no cache", f"{pages.lookups:,}", "0", "0.0%", *_times(baseline), "")]
    here = sorted((r for r in runs if r.size == size), key=lambda run: run.queries)
    for run in here:
        saved = baseline.seconds(run) - run.seconds()
        rows.append(
            (
                _title(run),
                f"{run.queries:,}",
                f"{run.lookups - run.queries:,}",
                f"{run.hit_ratio:.1%}",
                *_times(run),
                f"{saved:.2f}",
            )
        )
    return Table(
        f"{size:,} entries ({size / pages.distinct:.0%} of the distinct look-ups); times in µs",
        ("policy", "queries", "saved", "hit ratio", "mean", "p50", "p99", "s saved"),
        tuple(rows),
        best=(1,),
    )


def _times(run: Run) -> tuple[str, str, str]:
    return f"{run.mean:.2f}", f"{run.p50:.2f}", f"{run.p99:.0f}"


def _title(run: Run) -> str:
    return run.policy or "no cache"


def _data(pages: Pages, baseline: Run, runs: Sequence[Run]) -> dict[str, Any]:
    return {
        "flights": pages.views,
        "lookups": pages.lookups,
        "distinct": pages.distinct,
        "weeks": len(pages.weeks),
        "questions": dict(QUESTIONS),
        "no_cache": {
            "measured_lookups": baseline.lookups,
            "seconds": baseline.seconds(runs[0]),
            **_latency(baseline),
        },
        "runs": [
            {
                "policy": run.policy,
                "capacity": run.size,
                "queries": run.queries,
                "queries_saved": run.lookups - run.queries,
                "hit_ratio": run.hit_ratio,
                "seconds": run.seconds(),
                "seconds_saved": baseline.seconds(run) - run.seconds(),
                **_latency(run),
                "checked": run.checked,
                "wrong": 0,
                "weekly_queries": [week.queries for week in run.weeks],
            }
            for run in runs
        ],
    }


def _latency(run: Run) -> dict[str, float]:
    return {"mean_us": run.mean, "p50_us": run.p50, "p99_us": run.p99}


def _draw(baseline: Run, runs: Sequence[Run]) -> tuple[Figure, ...]:
    # Here and not above: drawing is optional, and loading matplotlib takes a while.
    from augury.demo.drawing import bars, lines

    sizes = _sizes(runs)
    titles = list(dict.fromkeys(_title(run) for run in sorted(runs, key=lambda r: r.queries)))
    cell = {(_title(run), run.size): run for run in runs}
    most = max(sizes)
    weekly = {"no cache": [float(week.lookups) for week in runs[0].weeks]}
    for title in titles:
        weekly[title] = [float(week.queries) for week in cell[title, min(sizes)].weeks]
    return (
        Figure(
            "Share of look-ups that the cache answered.",
            bars(
                titles,
                {f"{s:,} entries": [100 * cell[t, s].hit_ratio for t in titles] for s in sizes},
                "hit ratio, %",
            ),
        ),
        Figure(
            f"Mean time of a look-up, queries included. Without a cache: {baseline.mean:.1f} µs.",
            bars(
                titles,
                {f"{s:,} entries": [cell[t, s].mean for t in titles] for s in sizes},
                "µs a look-up",
                mark=("no cache", baseline.mean),
            ),
        ),
        Figure(
            f"Queries that reached SQLite in each week, with {min(sizes):,} entries"
            + (f" (with {most:,} there are fewer)." if len(sizes) > 1 else "."),
            lines(weekly, "week", "queries"),
        ),
    )
