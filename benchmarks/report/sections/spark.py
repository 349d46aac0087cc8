"""Models that Spark has fitted beside those of one machine."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import table

SIZES = ("1%", "5%", "10%", "20%")


def commands(scope: Scope) -> dict[str, Command]:
    few = ("--models", "forest", "--rows", "20000") if scope.quick else ()

    def command(paths: list[str]) -> Command:
        return Command(("benchmarks/spark.py", *paths, *few, "--json"), quick=scope.quick)

    made = {"generated": command([str(scope.generated / "phases.oracleGeneral.zst")])}
    if scope.traces:
        found = [scope.traces / f"{name}.oracleGeneral.zst" for name in ("w92", "kosarak")]
        made["real"] = command([str(path) for path in found if path.exists()])
    return made


def render(figures: Figures) -> Iterator[str]:
    yield (
        "Both learn from the first half of a trace that is written as Parquet, and the second half"
        " is replayed: miss ratios at shares of its keys. Spark runs on this machine, so that its"
        " seconds say what starting it costs, not what a cluster gains. MLlib's trees are others"
        " than those of scikit-learn and LightGBM: alike, not equal."
    )
    for run in figures.values():
        yield table(
            ["trace", "model", "fitted by", "seconds", *SIZES],
            [
                [
                    row["trace"],
                    row["model"],
                    row["fitted_by"],
                    f"{row['seconds']:.1f}",
                    *(f"{ratio:.4f}" for ratio in row["miss_ratios"]),
                ]
                for row in run.figures
            ],
            left=3,
        )


SECTION = Section(
    order=140,
    title="Spark",
    peers=("pyspark", "lightgbm"),
    commands=commands,
    render=render,
)
