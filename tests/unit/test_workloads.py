"""Generated traces are always the same, and records say when a key comes again."""

from pathlib import Path

import numpy as np
import pytest

import augury
from benchmarks.workloads import QUICK, SHAPES, records, write_traces


@pytest.mark.parametrize("name", SHAPES)
def test_the_same_again_and_next_accesses_right(name: str) -> None:
    made = records(name, 3_000)
    assert np.array_equal(made, records(name, 3_000))
    latest: dict[int, int] = {}
    following = np.full(len(made), -1)
    for at, key in enumerate(made["key"].tolist()):
        if key in latest:
            following[latest[key]] = at
        latest[key] = at
    assert np.array_equal(made["next"], following)


def test_only_one_has_sizes_and_a_key_keeps_its_own() -> None:
    made = records("sizes", 3_000)
    of_key = {(key, size) for key, size in zip(made["key"], made["size"], strict=True)}
    assert len(of_key) == len(set(made["key"].tolist()))
    assert made["size"].min() >= 64
    assert set(records("zipf", 100)["size"]) == {1}


def test_files_are_traces(tmp_path: Path) -> None:
    write_traces(tmp_path, quick=True)
    assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == set(SHAPES)
    trace = augury.read_trace(tmp_path / "loop.oracleGeneral.zst")
    loop = {r.policy: r.miss_ratio for r in augury.simulate_many(trace, ["lru", "auto"], ["10%"])}
    assert loop["auto"] < loop["lru"]
    assert sum(len(chunk.keys) for chunk in trace.chunks()) == QUICK
