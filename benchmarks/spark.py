"""Models that Spark has fitted beside those of `augury learn`, by what the cache misses with them.

    python benchmarks/spark.py TRACE... [--master local[2]] [--models gbm,forest] [--rows 100000]
        [--json]

Each trace, in any format, is written as Parquet first, as a cluster has its logs. Then both learn
from the first half of it, and the second half is replayed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from augury import read_trace
from augury.accesslog import Spool
from augury.distributed import learn
from augury.distributed.session import session
from augury.learning import prepare, train
from augury.simulation import simulate_many

SIZES = ("1%", "5%", "10%", "20%")


def measure(
    traces: list[Path], master: str, models: list[str], rows: int
) -> Iterator[dict[str, Any]]:
    """Yield for each trace and model the miss ratios by size of what both have fitted."""
    with session(master) as spark, tempfile.TemporaryDirectory() as folder:
        for trace in traces:
            log = Path(folder) / f"{trace.name.partition('.')[0]}.parquet"
            write_parquet(trace, log)
            with Spool(read_trace(log)) as spool:
                warm = min(1 - 1e-9, (spool.requests // 2 + 0.5) / spool.requests)
                for model in models:
                    started = time.perf_counter()
                    local, _ = train(prepare(spool, rows=rows), model)
                    between = time.perf_counter()
                    remote = learn(str(log), model=model, rows=rows, session=spark)
                    ended = time.perf_counter()
                    for name, artefact, seconds in (
                        ("augury learn", local, between - started),
                        ("Spark", remote, ended - between),
                    ):
                        results = simulate_many(
                            spool, ["learned"], SIZES, warm=warm, model=artefact
                        )
                        yield {
                            "trace": log.stem,
                            "model": model,
                            "fitted_by": name,
                            "seconds": seconds,
                            "miss_ratios": [result.miss_ratio for result in results],
                        }


def write_parquet(trace: Path, log: Path) -> None:
    """Write a trace as Parquet with columns for what it has."""
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    writer = None
    for chunk in read_trace(trace).chunks():
        columns: dict[str, Any] = {"key": chunk.keys if chunk.names is None else list(chunk.names)}
        if chunk.sizes is not None:
            columns["size"] = chunk.sizes
        if chunk.times is not None:
            columns["time"] = chunk.times
        table = pa.table(columns)
        writer = writer or parquet.ParquetWriter(log, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traces", nargs="+", type=Path)
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--models", default="gbm,forest")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.traces, options.master, options.models.split(","), options.rows)
    if options.json:
        print(json.dumps(list(found), indent=1))
        return
    print("trace           model     fitted by     seconds  " + "  ".join(f"{s:>6}" for s in SIZES))
    for row in found:
        ratios = "  ".join(f"{ratio:.4f}" for ratio in row["miss_ratios"])
        print(
            "{trace:15} {model:9} {fitted_by:13} {seconds:7.1f}  ".format(**row) + ratios,
            flush=True,
        )


if __name__ == "__main__":
    main()
