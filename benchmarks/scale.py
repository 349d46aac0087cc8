"""The figures of docs/scaling.md: constants measured here, what loads take, and simulations.

    python -m benchmarks.scale [--constants FILE] [--keys 1000000] [--seed 1] [--png FILE] [--json]
    python -m benchmarks.scale --constants FILE --core-month 25 --value 1000   # other assumptions

Constants are measured, a minute or two, unless a file of an earlier `--json` has them. The
simulations are deterministic by their seed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from benchmarks.scaling import costs, hot_keys, placement, replication


def simulations(keys: int, seed: int) -> dict[str, list[dict[str, object]]]:
    """Return the rows of each simulation, by its name."""
    return {
        "placement": placement.compare(keys // 10, 20, seed),
        "hot_keys": hot_keys.compare(keys, 20, 50, 1e6, seed),
        "coalescing": hot_keys.coalescing(seed),
        "failures": replication.compare(keys // 50, 20, seed),
        "stale_copies": replication.compare_stale(seed),
    }


def draw(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure((11, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    rows = found["placement"][:-1]
    left.barh([row["placement"] for row in rows], [row["fullest_node"] for row in rows])
    left.set(title="Keys of the fullest node", xlabel="times the mean of 20 nodes")
    for near in sorted({row["near_entries"] for row in found["hot_keys"]}):
        rows = [row for row in found["hot_keys"] if row["near_entries"] == near]
        label = f"{near:,} near entries" if near else "no near cache"
        middle.plot(
            [row["skew"] for row in rows],
            [row["fullest_node_rate"] for row in rows],
            marker="o",
            label=label,
        )
    middle.set(title="Load of the fullest node", xlabel="skew", ylabel="requests/s", yscale="log")
    middle.legend(fontsize="small")
    rates = [f"{row['requests_per_second']:,.0f}" for row in found["coalescing"]]
    for at, name in enumerate(("nobody waits", "a process waits", "all wait")):
        right.bar(
            [number + 0.27 * at for number in range(len(rates))],
            [row[name] for row in found["coalescing"]],
            width=0.25,
            label=name,
        )
    right.set_xticks([number + 0.27 for number in range(len(rates))], rates)
    right.set(title="Loads of a key in 10 minutes", xlabel="requests/s for it", yscale="log")
    right.legend(fontsize="small")
    figure.savefig(path, dpi=110)


def as_table(rows: list[dict[str, Any]]) -> str:
    lines = [list(rows[0]), ["---"] * len(rows[0])]
    lines += [
        [value if isinstance(value, str) else f"{value:.4g}" for value in row.values()]
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--constants", type=Path)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--png", type=Path)
    parser.add_argument("--json", action="store_true")
    for each in fields(costs.Assumptions):
        kind = int if isinstance(each.default, int) else float
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=kind, default=each.default)
    options = parser.parse_args()
    if options.constants:
        measured = json.loads(options.constants.read_text())["constants"]
    else:
        from benchmarks.scaling.constants import measure

        measured = measure()
    assumed = costs.Assumptions(
        **{each.name: getattr(options, each.name) for each in fields(costs.Assumptions)}
    )
    loads = costs.plans(measured, assumed)
    found = simulations(options.keys, options.seed)
    if options.png:
        draw(found, options.png)
    if options.json:
        told = {"constants": measured, "assumptions": asdict(assumed)}
        print(json.dumps({**told, "loads": [asdict(load) for load in loads], **found}, indent=1))
        return
    for name, value in measured.items():
        print(f"{name:28} {value:12,.2f}")
    print(f"\n{costs.table(loads)}")
    for name, rows in found.items():
        print(f"\n{name}\n{as_table(rows)}")


if __name__ == "__main__":
    main()
