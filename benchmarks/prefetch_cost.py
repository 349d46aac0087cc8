"""What guessing the next keys costs a request, in nanoseconds.

python -m benchmarks.prefetch_cost [REQUESTS]

Compiles benchmarks/prefetch_cost.cpp as the extension is compiled, and runs it for each predictor
alone and for all, over skewed keys of which half follow the one before as they did the last time.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from augury.prefetch import predictors

ROOT = Path(__file__).resolve().parents[1]
SIZES = (100_000, 1_000_000)


def main() -> None:
    requests = sys.argv[1] if len(sys.argv) > 1 else "4000000"
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "prefetch"
        options = ["-std=c++20", "-O3", "-DNDEBUG", "-Inative"]
        source = "benchmarks/prefetch_cost.cpp"
        subprocess.run(["g++", *options, source, "-o", str(program)], cwd=ROOT, check=True)
        head = ("min", "p50", "p99", "p99.9", "max", "mean", "bytes a key")
        print(f"{'keys':>10}  {'predictors':<12}" + "".join(f"{name:>12}" for name in head))
        for keys in SIZES:
            rows = {each.name: 1 << bit for bit, each in enumerate(predictors())}
            for name, mask in {**rows, "all": (1 << len(rows)) - 1}.items():
                done = subprocess.run(
                    [program, str(keys), requests, str(mask)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                figures = "".join(f"{int(figure):>12,}" for figure in done.stdout.split())
                print(f"{keys:>10,}  {name:<12}{figures}")


if __name__ == "__main__":
    main()
