"""Measure every section of docs/benchmarks.md, and write that page.

    python -m benchmarks.report [--quick] [--section live] [--traces FOLDER]
    python -m benchmarks.report --render     # write the page of the figures that are kept

A section that fails keeps the figures it had, and the others are measured all the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from augury.errors import AuguryError
from benchmarks.report import claims, figures, page, plots
from benchmarks.report.running import ROOT, FailedError, measure, shown
from benchmarks.report.section import Scope, find_section, section_names
from benchmarks.workloads import write_traces


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="less work, rougher figures: minutes")
    parser.add_argument(
        "--section", action="append", help=f"only this; there are: {', '.join(section_names())}"
    )
    parser.add_argument("--traces", type=Path, help="folder of real traces")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if options.traces is not None and not options.traces.is_dir():
        parser.error(f"no folder {options.traces}")
    try:
        failed = [] if options.render else run(options)
    except AuguryError as error:
        parser.error(str(error))
    write()
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return bool(failed)


def run(options: argparse.Namespace) -> list[str]:
    """Measure what is asked for, and return what failed."""
    chosen = {name: find_section(name) for name in options.section or section_names()}
    failed = []
    with tempfile.TemporaryDirectory(prefix="augury-traces-") as folder:
        generated = Path(folder) / "generated"
        write_traces(generated, quick=options.quick)
        traces = options.traces.resolve() if options.traces else None
        scope = Scope(options.quick, generated, traces)
        for name, section in chosen.items():
            for key, command in section.commands(scope).items():
                if command.needs and find_spec(command.needs) is None:
                    print(f"{name}, {key}: left out: no {command.needs}", file=sys.stderr)
                    continue
                print(f"{name}: {shown(command)}", file=sys.stderr, flush=True)
                try:
                    found = measure(f"{name}, {key}", command, section)
                except FailedError as error:
                    failed.append(str(error))
                else:
                    figures.write(name, {key: found})
    return failed


def write() -> None:
    """Write the page, its plots, and the numbers of README."""
    docs = ROOT / "docs"
    (docs / "benchmarks.md").write_text(page.render())
    folder = docs / "benchmarks"
    drawn = {plot.name for plot in page.plots()}
    for plot in page.plots():
        plots.draw(plot, folder)
    for old in folder.glob("*.svg"):
        if old.stem not in drawn:
            old.unlink()
    readme = ROOT / "README.md"
    readme.write_text(claims.fill(readme.read_text(), claims.facts()))


if __name__ == "__main__":
    sys.exit(main())
