"""Keys, codecs and the disk: what it costs to leave the process."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report.figures import Figures
from benchmarks.report.section import Command, Scope, Section
from benchmarks.report.tables import judged, table


def commands(scope: Scope) -> dict[str, Command]:
    rounds = ("--rounds", "5") if scope.quick else ()
    return {
        name: Command(("-m", f"benchmarks.{name}", *rounds, "--json"), quick=scope.quick)
        for name in ("keys", "codecs", "disk")
    }


def render(figures: Figures) -> Iterator[str]:
    if "keys" in figures:
        yield (
            "**Keys**: `augury.keys.digest` beside `joblib.hash` and a hash of the pickle, in"
            " microseconds of processor time, and the median of the ratio within a round. Only"
            " Augury and joblib key equal values alike: a pickle is a bound, not a rival."
        )
        yield table(
            ["value", "augury", "joblib", "pickle", "joblib / augury"],
            [
                [
                    name,
                    *(
                        f"{row[who] * 1e6:,.1f}" if who in row else ""
                        for who in ("augury", "joblib", "pickle")
                    ),
                    f"{row['ratio']:.1f}",
                ]
                for name, row in figures["keys"].figures.items()
            ],
        )
    if "codecs" in figures:
        rows = figures["codecs"].figures
        names = list(dict.fromkeys(name for row in rows.values() for name in row))
        yield (
            "**Codecs**: `augury.codecs.Serializer` beside msgspec alone and pickle, microseconds."
            " Augury checks types, adds a header and a checksum, and here compresses nothing."
            " Neither rival finds damage, msgspec restores tuples as lists, and pickle runs what it"
            " reads: they are bounds."
        )
        yield table(
            ["value", *names],
            [
                [title, *(f"{row[name] * 1e6:,.2f}" if name in row else "" for name in names)]
                for title, row in rows.items()
            ],
        )
    if "disk" in figures:
        yield (
            "**Disk**: a look-up of 1 KB beside LMDB's own and diskcache, one process, interleaved,"
            " medians of processor time. Target: at most 1.5 times LMDB's, and a third of"
            " diskcache's time."
        )
        yield table(
            ["value", "contender", "ns", "times LMDB"],
            [
                [
                    row["value"],
                    row["contender"],
                    f"{row['nanoseconds']:,}",
                    judged(
                        f"{row['times_lmdb']:.2f}",
                        row["times_lmdb"] <= 1.5 if row["contender"].startswith("augury") else None,
                    ),
                ]
                for row in figures["disk"].figures
            ],
            left=2,
        )


SECTION = Section(
    order=60,
    title="Keys, codecs, disk",
    peers=("joblib", "msgspec", "lmdb", "diskcache"),
    commands=commands,
    render=render,
)
