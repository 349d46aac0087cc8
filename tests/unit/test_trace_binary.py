"""oracleGeneral traces, plain and compressed, whole and truncated."""

from pathlib import Path

import numpy as np
import pytest

from augury.accesslog import read_trace
from augury.accesslog.formats.oracle_general import RECORD
from augury.errors import TraceError
from tests.unit.trace_files import COMPRESS


def records(count: int) -> bytes:
    rows = np.zeros(count, RECORD)
    rows["time"] = np.arange(count) // 3
    rows["key"] = np.random.default_rng(1).integers(0, 2**63, count, np.uint64) // 2**45 * 2**45
    rows["size"] = np.arange(count) + 1
    rows["next"] = -1
    return rows.tobytes()


@pytest.mark.parametrize("suffix", COMPRESS)
def test_reads_records(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"trace{suffix}"
    data = records(140_000)
    path.write_bytes(COMPRESS[suffix](data))
    trace = read_trace(path)
    assert trace.format == "oracleGeneral"
    shares: list[float] = []
    chunks = list(trace.chunks(progress=shares.append))
    rows = np.frombuffer(data, RECORD)
    assert np.array_equal(np.concatenate([c.keys for c in chunks]), rows["key"])
    assert np.array_equal(
        np.concatenate([c.sizes for c in chunks if c.sizes is not None]), rows["size"]
    )
    assert np.array_equal(
        np.concatenate([c.times for c in chunks if c.times is not None]), rows["time"]
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert max(map(len, chunks)) <= 2**18


@pytest.mark.parametrize("suffix", COMPRESS)
def test_every_truncation_is_reported(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"trace.oracleGeneral{suffix}"
    whole = COMPRESS[suffix](records(5))
    for length in range(len(whole)):
        if not suffix and length % RECORD.itemsize == 0 and length:
            continue
        path.write_bytes(whole[:length])
        with pytest.raises(TraceError):
            list(read_trace(path).chunks())


def test_garbage_is_not_recognised(tmp_path: Path) -> None:
    path = tmp_path / "garbage"
    path.write_bytes(np.random.default_rng(2).bytes(50_000))
    with pytest.raises(TraceError, match="not recognised"):
        read_trace(path)
    with pytest.raises(TraceError, match="malformed"):
        list(read_trace(path, format="oraclegeneral").chunks())
