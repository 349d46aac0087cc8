"""Print the tables of docs/benchmarks.md from what `augury bench --json` measured.

python benchmarks/tables.py FIGURES.json ...

A file may hold any rows; of a row in several files the last counts. What misses its target is bold.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

READS = ("hit-str", "hit-str-small", "hit-int", "hit-int-small", "hit-str-4-threads", "miss")
WRITES = ("insert", "zipf", "zipf-4-threads", "memo", "memo-small")

Rows = dict[str, dict[str, Any]]


def read(paths: list[str]) -> Rows:
    rows: Rows = {}
    for path in paths:
        rows |= {row["row"]: row for row in json.loads(Path(path).read_text())["rows"]}
    return rows


def cell(measurement: dict[str, Any] | None, field: str, digits: int) -> str:
    if measurement is None:
        return ""
    shown = f"{measurement[field]:.{digits}f}"
    return f"**{shown}**" if measurement["met"] is False else shown


def contenders(rows: Rows, names: tuple[str, ...]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what was measured, by contender and row."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in names:
        for measurement in rows[name]["measurements"] if name in rows else ():
            found.setdefault(measurement["contender"], {})[name] = measurement
    return found


def print_ratios(rows: Rows, names: tuple[str, ...]) -> None:
    print(f"| contender | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    for contender, measured in contenders(rows, names).items():
        shown = (cell(measured.get(name), "ratio", 2) for name in names)
        print(f"| {contender} | {' | '.join(shown)} |")
    print()


def print_references(rows: Rows) -> None:
    print("| row | reference | ns |\n|---|---|---:|")
    for name in (*READS, *WRITES):
        if name in rows:
            row = rows[name]
            value = next(
                m["value"] for m in row["measurements"] if m["contender"] == row["reference"]
            )
            print(f"| {name} | {row['reference']} | {value:.1f} |")
    print()


def print_memory(rows: Rows) -> None:
    print("| contender | bytes an entry |\n|---|---:|")
    for measurement in rows["memory"]["measurements"]:
        print(f"| {measurement['contender']} | {cell(measurement, 'value', 1)} |")
    print()


def print_simulation(rows: Rows, trace: str) -> None:
    print(
        "| policy | in memory | from the file | libcachesim fitted | as it comes "
        "| in memory, ratio | from the file, ratio | memory, MiB: ours, fitted, as it comes |\n"
        f"|---|{'---:|' * 7}"
    )
    for name, row in rows.items():
        if not name.startswith("simulate-") or name.startswith("simulate-memory"):
            continue
        policy, _, of = name.removeprefix("simulate-").rpartition("-")
        if of != trace:
            continue
        ours, whole, fitted, standard = row["measurements"]
        peaks = rows[f"simulate-memory-{policy}-{of}"]["measurements"]
        speeds = " | ".join(f"{1e3 / each['value']:.1f}" for each in row["measurements"])
        ratios = " | ".join(
            f"{each['value'] / fitted['value']:.2f}, {each['value'] / standard['value']:.2f}"
            for each in (ours, whole)
        )
        mebibytes = ", ".join(f"{peak['value']:.0f}" for peak in peaks)
        print(f"| {policy} | {speeds} | {ratios} | {mebibytes} |")
    print()


def main() -> None:
    rows = read(sys.argv[1:])
    print_references(rows)
    print_ratios(rows, READS)
    print_ratios(rows, WRITES)
    if "memory" in rows:
        print_memory(rows)
    for trace in dict.fromkeys(
        name.rpartition("-")[2] for name in rows if name.startswith("simulate-")
    ):
        print(f"{trace}:\n")
        print_simulation(rows, trace)


if __name__ == "__main__":
    main()
