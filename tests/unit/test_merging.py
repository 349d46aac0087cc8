"""Recorded files read back: in order, without duplicates, with the clock put right."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

import augury
from augury import cli
from augury.accesslog import Recorder, read_trace
from augury.accesslog.record import SUFFIX, metadata_of
from augury.errors import TraceError
from tests.unit.recorded_files import files, read


def record(folder: Path, *keys: list[int], weigher: Any = None) -> None:
    """Write a file of each list of keys."""
    with Recorder(folder, sample=1.0) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(10, record=recorder, weigher=weigher)
        for some in keys:
            for key in some:
                cache.get(key)
            recorder.flush()


def edit(file: Path, change: Callable[[pa.Table], pa.Table], **metadata: Any) -> None:
    """Change the rows and the metadata of a file."""
    table = pq.read_table(file)
    described = metadata_of(file, table.schema.metadata)
    table = change(table)
    for name, value in metadata.items():
        setattr(described, name, value)
    pq.write_table(table.replace_schema_metadata(described.footer()), file)


def shift(file: Path, ns: int) -> None:
    """Make a file as if the clock had been set by so much before it."""

    def moved(table: pa.Table) -> pa.Table:
        times = pa.array(table["time"].cast("int64").to_numpy() + ns).cast(table["time"].type)
        return table.set_column(0, "time", times)

    found = metadata_of(file, pq.read_schema(file).metadata)
    edit(
        file,
        moved,
        offset=found.offset + ns,
        started=found.started + ns,
        ended=found.ended + ns,
    )


def test_a_file_and_a_folder(tmp_path: Path) -> None:
    record(tmp_path, [1, 2], [3])
    assert read(tmp_path)[0] == read(tmp_path / "cache")[0] == [1, 2, 3]
    first, second = files(tmp_path)
    assert read_trace(first).format == read_trace(tmp_path).format == "recorded"
    assert (read(first)[0], read(second)[0]) == ([1, 2], [3])
    assert read(first, format="recorded")[0] == [1, 2]


def test_processes_are_merged_by_time(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0) as one, Recorder(tmp_path, sample=1.0) as two:
        caches: list[augury.Cache[int, int]] = [
            augury.Cache(10, record=each) for each in (one, two)
        ]
        for key in range(30):
            caches[key % 2].get(key)
            time.sleep(1e-4)  # their clocks are read one after the other
            if key % 7 == 0:
                one.flush()
            if key % 10 == 0:
                two.flush()
    record(tmp_path, [30, 31])
    found, malformed = read(tmp_path)
    assert found == list(range(32))
    assert malformed.clock_jumps == malformed.duplicates == 0


def test_copies_are_left_out(tmp_path: Path) -> None:
    record(tmp_path, [1, 2], [3])
    first, _ = files(tmp_path)
    shutil.copy(first, first.with_name("20991231-copy" + SUFFIX))
    found, malformed = read(tmp_path)
    assert (found, malformed.duplicates) == ([1, 2, 3], 2)


@pytest.mark.parametrize("hours", [-1000, 1000])
def test_clock_jumps_are_put_right(tmp_path: Path, hours: int) -> None:
    record(tmp_path, [1], [2], [3])
    _, second, third = files(tmp_path)
    for file in (second, third):
        shift(file, hours * 3600 * 10**9)
    trace = read_trace(tmp_path)
    times: list[float] = []
    for chunk in trace.chunks():
        assert chunk.times is not None
        times += chunk.times.tolist()
    assert [key for chunk in trace.chunks() for key in chunk.keys.tolist()] == [1, 2, 3]
    assert trace.malformed.clock_jumps == 1
    assert 0 <= times[2] - times[0] < 60
    # What the clock says now is most likely right.
    assert times[2] == metadata_of(third, pq.read_schema(third).metadata).started / 1e9


def test_rows_that_go_back_in_time(tmp_path: Path) -> None:
    record(tmp_path, [1, 2, 3])
    (file,) = files(tmp_path)

    def swapped(table: pa.Table) -> pa.Table:
        return table.set_column(0, "time", table["time"].take([1, 0, 2]))

    edit(file, swapped)
    found, malformed = read(tmp_path)
    assert (found, malformed.clock_jumps, malformed.count) == ([1, 2, 3], 1, 0)


def test_malformed_rows(tmp_path: Path) -> None:
    record(tmp_path, list(range(6)))
    (file,) = files(tmp_path)

    def broken(table: pa.Table) -> pa.Table:
        def column(name: str, values: list[Any]) -> None:
            nonlocal table
            at = table.column_names.index(name)
            table = table.set_column(at, name, pa.array(values, table.schema.field(at).type))

        column("number", [0, None, 2, 3, 4, 5])
        column("text", [None, None, "two", None, None, None])
        column("size", [None, None, None, 2**60, None, None])
        times = table["time"].to_pylist()
        column("time", [*times[:4], None, times[5]])
        return table

    edit(file, broken)
    found, malformed = read(tmp_path, max_malformed=1.0)
    assert (found, malformed.count, malformed.total) == ([0, 5], 4, 6)
    assert {example.line for example in malformed.examples} == {2, 3, 4, 5}
    with pytest.raises(TraceError, match="4 of 6 lines are malformed"):
        read(tmp_path)


def test_damaged_files_are_malformed(tmp_path: Path) -> None:
    record(tmp_path, list(range(100)), [100])
    first, _ = files(tmp_path)
    data = first.read_bytes()
    for at in range(0, len(data), 11):
        first.write_bytes(data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :])
        found, malformed = read(tmp_path, max_malformed=1.0)
        if found != [*range(101)]:  # the byte matters
            assert found == [100]
            assert malformed.count in {1, 100}  # the footer, or the rows
        first.write_bytes(data[:at])
        found, malformed = read(tmp_path, max_malformed=1.0)
        assert (found, malformed.count) == ([100], 1)
        with pytest.raises(TraceError):
            read(first)


def test_strangers_and_later_versions(tmp_path: Path) -> None:
    record(tmp_path, [1])
    (file,) = files(tmp_path)
    stranger = tmp_path / ("x" + SUFFIX)
    pq.write_table(pa.table({"key": [1]}), stranger)
    with pytest.raises(TraceError, match="was not written by"):
        read(stranger)
    edit(file, lambda table: table, schema=99)
    with pytest.raises(TraceError, match="version 99"):
        read(file)


def test_folders_without_a_log(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="is a directory in which nothing was recorded"):
        read_trace(tmp_path)
    record(tmp_path, [1])
    with pytest.raises(augury.AuguryError, match="leave columns out"):
        read_trace(tmp_path, columns={"key": "number"})
    with pytest.raises(TraceError, match="is a directory"):
        read_trace(tmp_path, format="csv")


def test_inspect_tells_what_was_cleaned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path, [1, 2, 1], [3])
    first, second = files(tmp_path)
    shutil.copy(first, first.with_name("20991231-copy" + SUFFIX))
    shift(second, 3600 * 10**9)
    assert cli.main(["inspect", str(tmp_path), "--json"]) == 0
    printed = capsys.readouterr()
    figures = msgspec.json.decode(printed.out)
    assert (figures["requests"], figures["distinct"]) == (4, 3)
    assert (figures["duplicates"], figures["clock_jumps"], figures["unrecorded"]) == (3, 1, 0)
    assert "left out 3 duplicates" in printed.err
    assert "a jump of the clock" in printed.err
    simulated = augury.simulate(read_trace(tmp_path), policy="lru", capacity=10)
    assert (simulated.requests, simulated.misses) == (4, 3)
