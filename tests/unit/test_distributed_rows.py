"""Rows that Spark takes from a log are the local ones, bit by bit; so is what it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from augury import read_trace
from augury.accesslog import Spool
from augury.distributed.log import Log
from augury.distributed.rows import Sample, take
from augury.errors import ConfigurationError, TraceError
from augury.features import Rows, rows
from tests.unit.learnable import asked_four_times, popular_and_scans

_REQUESTS = 6_000


def _skewed() -> NDArray[np.uint64]:
    """Two of three requests are for one key, the others for keys that seldom come again."""
    random = np.random.default_rng(3)
    rare = (1e6 * random.random(_REQUESTS) ** 4).astype(np.uint64)
    return np.where(random.random(_REQUESTS) < 0.66, np.uint64(7), rare)


def _numbers_as_parquet(folder: Path) -> Path:
    """Unsigned numbers, some of 64 bits, in several row groups; sizes; no times."""
    keys = popular_and_scans(_REQUESTS) + np.uint64(2**64 - 2**21)
    path = folder / "numbers.parquet"
    table = pa.table({"obj_id": keys, "size": keys % 5000})
    parquet.write_table(table, path, row_group_size=1000)
    return path


def _text_as_csv(folder: Path) -> Path:
    """Text with quotes in the midst, equal times, lines that are blank or malformed."""
    path = folder / "text of keys.csv"
    lines = ["time;key;user"]
    for at, key in enumerate(asked_four_times(_REQUESTS).tolist()):
        text = f'"a ""quoted"" user:{key}"' if at % 1777 == 5 else f"user:{key}:profile"
        lines.append(f"{1_700_000_000 + at // 7 * 60};{text};u{key % 9}")
        if at % 997 == 0:
            lines += ["", "yesterday;user:1;u1"]
    path.write_bytes("\r\n".join(lines).encode())
    return path


def _skewed_times(folder: Path) -> Path:
    """Timestamps, and numbers with gaps as pandas writes them."""
    path = folder / "skewed.parquet"
    keys: list[float | None] = [*_skewed().tolist()]
    keys[10] = None
    times = pa.array(np.arange(_REQUESTS) * 10**6 * 37, pa.timestamp("us"))
    parquet.write_table(pa.table({"ts": times, "key": pa.array(keys, pa.float64())}), path)
    return path


@pytest.mark.parametrize("written", [_numbers_as_parquet, _text_as_csv, _skewed_times])
def test_rows_equal_the_local_ones(
    spark: Any, tmp_path: Path, written: Callable[[Path], Path]
) -> None:
    path = written(tmp_path)
    trace = read_trace(path)
    samples = [Sample(0, 3000, 0.7, 3, 1), Sample(2000, 5000, 1.0, 1, 2)]
    with Spool(trace) as spool, Log(spark, str(path), block=700) as log:
        assert log.requests == spool.requests
        assert (log.malformed.total, log.malformed.count) == (
            trace.malformed.total,
            trace.malformed.count,
        )
        assert log.malformed.examples == trace.malformed.examples
        taken = take(spark, log, samples, keys=1 << 22)
        local = [
            rows(
                spool,
                start=each.start,
                stop=each.stop,
                sample=each.sample,
                draws=each.draws,
                seed=each.seed,
            )
            for each in samples
        ]
    for here, there in zip(local, taken, strict=True):
        assert len(here.index) > 1000
        assert here.censored.any()
        assert not here.censored.all()
        np.testing.assert_array_equal(_ordered(here), _ordered(there))


def test_rows_equal_where_keys_are_forgotten(spark: Any, tmp_path: Path) -> None:
    path = _numbers_as_parquet(tmp_path)
    with Spool(read_trace(path)) as spool, Log(spark, str(path), block=1500) as log:
        local = rows(spool, keys=256)
        (taken,) = take(spark, log, [Sample(0, log.requests, 1.0, 1, 1)], keys=256)
        remembered = rows(spool)
    np.testing.assert_array_equal(_ordered(local), _ordered(taken))
    assert not np.array_equal(_ordered(local), _ordered(remembered))


def _ordered(of: Rows) -> NDArray[np.uint32]:
    """Rows as bits, those of one moment in any one order."""
    bits = np.column_stack(
        [
            of.index.astype(np.uint32),
            np.ascontiguousarray(of.X).view(np.uint32),
            of.label.view(np.uint32),
            of.censored.astype(np.uint32),
        ]
    )
    ordered: NDArray[np.uint32] = bits[np.lexsort(bits.T[::-1])]
    return ordered


def test_several_files_are_put_in_the_order_of_time(spark: Any, tmp_path: Path) -> None:
    keys = popular_and_scans(2000)
    whole = pa.table({"key": keys, "time": np.arange(2000) // 3})
    folder = tmp_path / "logs" / "day=1"
    folder.mkdir(parents=True)
    for at in range(3):  # each has every third of the moments
        mine = np.arange(2000) // 3 % 3 == at
        parquet.write_table(whole.filter(pa.array(mine)), folder / f"part-{at}.parquet")
    (folder / "_SUCCESS").touch()
    with Log(spark, str(tmp_path / "logs")) as log:
        read = np.concatenate([batch["key"] for batch in log.in_order("key")])
    np.testing.assert_array_equal(read, keys)


def test_files_and_columns_may_have_any_name(spark: Any, tmp_path: Path) -> None:
    for at, name in enumerate(("hour=09%3A00", "a%20b", "a b", "[1]", "a{b", "*?", "back\\slash")):
        for kind in ("csv", "parquet"):
            folder = tmp_path / kind / name
            folder.mkdir(parents=True)
            keys = np.arange(10 * at, 10 * at + 10)
            if kind == "csv":
                (folder / f"{name}.csv").write_text("\n".join(["a`b.c", *map(str, keys)]))
            else:
                parquet.write_table(pa.table({"a`b.c": keys}), folder / f"{name}.parquet")
    for kind in ("csv", "parquet"):
        with Log(spark, str(tmp_path / kind), columns={"key": "a`b.c"}) as log:
            found = np.concatenate([batch["key"] for batch in log.in_order("key")])
            assert len(np.unique(found)) == 70


def test_refuses_in_one_line(spark: Any, tmp_path: Path) -> None:
    def refuse(path: str, match: str, **options: Any) -> None:
        with pytest.raises((TraceError, ConfigurationError), match=match) as caught:
            Log(spark, path, **options)
        assert "\n" not in str(caught.value)

    from augury.distributed.session import session

    with session(existing=spark):
        (tmp_path / "empty.csv").touch()
        refuse(str(tmp_path / "empty.csv"), "is empty")
        (tmp_path / "header.csv").write_text("key,size\n")
        refuse(str(tmp_path / "header.csv"), "no request")
        (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
        refuse(str(tmp_path / "columns.csv"), "has no key column")
        (tmp_path / "bad.csv").write_text("key,size\n1,2\n2,x\n")
        refuse(str(tmp_path / "bad.csv"), "line 3.*its size")
        (tmp_path / "access.log").write_text(
            '1.2.3.4 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5\n' * 20
        )
        refuse(str(tmp_path / "access.log"), "has format combined")
        refuse(str(tmp_path / "bad.csv"), "Spark reads csv and parquet", format="combined")
        parquet.write_table(pa.table({"key": [True]}), tmp_path / "kind.parquet")
        refuse(str(tmp_path / "kind.parquet"), "must be an integer or a string")
    with pytest.raises(TraceError, match="does not exist"), session(existing=spark):
        Log(spark, str(tmp_path / "nowhere"))
