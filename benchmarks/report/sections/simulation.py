"""How fast traces are replayed, beside libcachesim."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import judged, table

REAL = ("oltp", "p3")


def commands(scope: Scope) -> dict[str, Command]:
    quick = ("--quick",) if scope.quick else ()

    def command(*traces: str) -> Command:
        named = tuple(word for trace in traces for word in ("--trace", trace))
        arguments = ("augury", "bench", "--json", *quick, "--only", "simulate", *named)
        return Command(arguments, reduce, quick=scope.quick)

    made = {"generated": command()}
    if scope.traces:
        found = [scope.traces / f"{name}.oracleGeneral.zst" for name in REAL]
        if traces := [str(path) for path in found if path.exists()]:
            made["real"] = command(*traces)
    return made


def reduce(output: dict[str, Any]) -> dict[str, Any]:
    """Return for each trace and policy nanoseconds a request and peaks in MiB, as in the table."""
    found: dict[str, Any] = {}
    for row in output["rows"]:
        policy, _, trace = row["row"].removeprefix("simulate-").rpartition("-")
        values = [each["value"] for each in row["measurements"]]
        kind = "mebibytes" if policy.startswith("memory-") else "nanoseconds"
        of = found.setdefault(trace, {}).setdefault(policy.removeprefix("memory-"), {})
        of[kind] = values
    return found


def render(figures: Figures) -> Iterator[str]:
    yield (
        "Capacity is a tenth of the distinct keys, every size 1, one core. Speeds are millions of"
        " requests a second of processor time; ratios are times, to libcachesim *fitted*, then to"
        " libcachesim *as it comes*. Target: a fifth of libcachesim's time, and no more memory.\n\n"
        "- *In memory*: the requests are numbered and lie in memory; what is timed is the replay"
        " alone.\n"
        "- *From the file*: `augury.simulate(augury.read_trace(...))`: reading, numbering the keys"
        " into a scratch file, and the replay. More policies and sizes at once read and number the"
        " trace once.\n"
        "- *libcachesim*: `process_trace` on the same file, which it maps into memory. *As it"
        " comes* has its standard hash table of 2^24 places; *fitted* has two to four places an"
        " entry (`hashpower`), with which it is several times as fast: whoever compares with it"
        " should set that.\n"
        "- Memory is the growth of a fresh process at its peak, from the file on; pages of the"
        " trace that libcachesim maps count (21 MiB on oltp, 35 on p3)."
    )
    for run in figures.values():
        for trace, policies in run.figures.items():
            yield f"`{trace}`:"
            yield table(
                [
                    "policy", "in memory", "from the file", "fitted", "as it comes",
                    "in memory, ratio", "from the file, ratio", "MiB: ours, fitted, as it comes",
                ],
                [row(policy, of) for policy, of in policies.items()],
            )  # fmt: skip
    yield (
        'The traces oltp and p3 are those of the ARC paper (N. Megiddo, D. S. Modha, "ARC: A'
        ' Self-Tuning, Low Overhead Replacement Cache", FAST 2003), of p3 its first 1,500,000'
        " requests. Against a fitted table fifo, lru, slru and arc are nearest to libcachesim:"
        " there it, too, does little more than one look-up a request."
    )


def row(policy: str, of: dict[str, list[float]]) -> list[str]:
    ours, whole, fitted, standard = of["nanoseconds"]
    cells = [f"{1e3 / each:.1f}" for each in of["nanoseconds"]]
    for each in (ours, whole):
        shown = (each / fitted, each / standard)
        cells.append(", ".join(judged(f"{ratio:.2f}", ratio <= 0.2) for ratio in shown))
    return [policy, *cells, ", ".join(f"{peak:.0f}" for peak in of["mebibytes"])]


def facts(figures: Figures) -> dict[str, str]:
    run = figures.get("real") or figures["generated"]
    speeds = [
        1e3 / of["nanoseconds"][0] for policies in run.figures.values() for of in policies.values()
    ]
    return {"low": f"{min(speeds):.0f}", "high": f"{max(speeds):.0f}"}


SECTION = Section(
    order=40,
    title="Simulation",
    peers=("libcachesim",),
    commands=commands,
    render=render,
    facts=facts,
)
