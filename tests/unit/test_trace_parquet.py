"""Parquet traces."""

import contextlib
import datetime
import decimal
import io
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from augury.accesslog.digest import number_of
from augury.errors import TraceError
from tests.unit.trace_files import COMPRESS, read


def written(columns: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


@pytest.mark.parametrize("suffix", COMPRESS)
@settings(deadline=None)
@given(keys=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_reads_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, keys: list[str]
) -> None:
    data = written({"time": [float(i) for i in range(len(keys))], "url": keys, "x": keys})
    found = read(tmp_path_factory.getbasetemp() / f"p{suffix}", COMPRESS[suffix](data))
    assert found.format == "parquet"
    assert found.names == keys
    assert found.keys == [number_of(key.encode()) for key in keys]
    assert found.times == list(range(len(keys)))


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (pa.array([2**64 - 1, 0], pa.uint64()), [str(2**64 - 1), "0"]),
        (pa.array([-5, 7], pa.int32()), ["-5", "7"]),
        (pa.array([3.0, 7.0]), ["3", "7"]),
        (pa.array(["a", "a"]).dictionary_encode(), ["a", "a"]),
        (pa.array([b"\xff", b"b"]), ["\udcff", "b"]),
        (pa.array([b"xy", b"zw"], pa.binary(2)), ["xy", "zw"]),
        (pa.array([decimal.Decimal(12), decimal.Decimal(3)]), ["12", "3"]),
        (pa.array(["a", "b"], pa.large_string()), ["a", "b"]),
        (pa.array(["a", "b"], pa.string_view()), ["a", "b"]),
        (pa.array([b"a", b"\xff"], pa.binary_view()), ["a", "\udcff"]),
    ],
)
def test_types_of_keys(tmp_path: Path, keys: Any, names: list[str]) -> None:
    found = read(tmp_path / "p", written({"key": keys}))
    assert found.names == names
    assert found.keys == [number_of(name.encode("utf-8", "surrogateescape")) for name in names]


def test_types_of_sizes_and_times(tmp_path: Path) -> None:
    moment = datetime.datetime(2015, 5, 17, 10, 5, 3, 250_000)
    data = written({"id": [1], "bytes": pa.array([5], pa.int8()), "ts": [moment]})
    found = read(tmp_path / "p", data)
    assert (found.sizes, found.times) == ([5], [1431857103.25])
    data = written({"id": [1], "bytes": [5.0], "ts": [moment.date()]})
    found = read(tmp_path / "p", data)
    assert (found.sizes, found.times) == ([5], [1431820800.0])


def test_times_in_the_far_future(tmp_path: Path) -> None:
    data = written({"key": [1], "time": pa.array([2**60], pa.timestamp("ms"))})
    assert read(tmp_path / "p", data).times == [pytest.approx(2**60 / 1000)]


def test_malformed_rows_are_left_out(tmp_path: Path) -> None:
    data = written(
        {
            "key": ["a", None, "b", "c", "d", "e"],
            "size": [1, 2, -1, None, 5, 6],
            "time": [0.0, 1.0, 2.0, 3.0, float("nan"), 5.0],
        }
    )
    found = read(tmp_path / "p", data, max_malformed=0.9)
    assert (found.names, found.sizes, found.times) == (["a", "e"], [1, 6], [0.0, 5.0])
    assert found.malformed.count == 4
    assert sorted(e.line for e in found.malformed.examples) == [2, 3, 4, 5]
    for keys in (pa.array([1, None]), pa.array([None, None], pa.null()), pa.array([1.5, 2])):
        with pytest.raises(TraceError, match=r"malformed.*key"):
            read(tmp_path / "p", written({"key": keys}))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"key": [[1]]}, "key column has type list"),
        ({"key": [True]}, "key column has type bool"),
        ({"key": pa.array([1], pa.timestamp("us"))}, "key column has type timestamp"),
        ({"key": [1], "size": ["x"]}, "size column has type string"),
        ({"key": [1], "time": ["x"]}, "time column has type string"),
        ({"host": [1]}, "no key column.*'host'"),
        ({"key": pa.array([], pa.int64())}, "no request"),
    ],
)
def test_refuses(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        read(tmp_path / "p", written(columns))


def test_every_truncation_is_reported(tmp_path: Path) -> None:
    data = written({"key": ["a", "b"], "size": [1, 2]})
    for length in range(1, len(data)):
        with pytest.raises(TraceError):
            read(tmp_path / "p.parquet", data[:length], "parquet")


def test_corruption_never_escapes(tmp_path: Path) -> None:
    data = written({"key": ["a", "b"] * 20, "size": [1, 2] * 20})
    for at in range(4, len(data)):
        broken = data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :]
        with contextlib.suppress(TraceError):
            read(tmp_path / "p.parquet", broken)
