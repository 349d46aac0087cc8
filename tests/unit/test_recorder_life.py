"""Recorders over the lives of processes: exit, fork, kill, and disks without room."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import augury
from augury.accesslog import Recorder
from tests.unit.recorded_files import files, read, rows


def python(folder: Path, program: str) -> subprocess.Popen[str]:
    start = f"""
        import os, resource, signal, sys, threading, time
        import augury
        from augury.accesslog import Recorder
        folder = {str(folder)!r}
        """
    source = textwrap.dedent(start) + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, program: str) -> str:
    process = python(folder, program)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, ""), err
    return out


def test_at_exit(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        cache = augury.Cache(10, record=Recorder(folder, sample=1.0))
        for key in range(1000):
            cache.get(key)
        """,
    )
    assert read(tmp_path)[0] == list(range(1000))


def test_in_the_background(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0, rotate_seconds=0.01) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(10, record=recorder)
        cache.get(1)
        for _ in range(1000):
            if recorder.stats().written:
                break
            time.sleep(0.01)
        assert recorder.stats().files == 1


def test_fork(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        recorder = Recorder(folder, sample=1.0)
        cache = augury.Cache(10, record=recorder)
        for key in range(100):
            cache.get(key)
        for child in range(3):
            if os.fork() == 0:
                for key in range(100):
                    cache.get(1000 * (child + 1) + key)
                stats = recorder.stats()
                assert stats.sampled == 100, stats
                recorder.close()
                os._exit(0)
        for _ in range(3):
            assert os.wait()[1] == 0
        for key in range(100, 200):
            cache.get(key)
        """,
    )
    found, malformed = read(tmp_path)
    assert malformed.duplicates == malformed.unrecorded == malformed.clock_jumps == 0
    assert [key for key in found if key < 1000] == list(range(200))
    for child in (1000, 2000, 3000):
        assert [key for key in found if child <= key < child + 1000] == [*range(child, child + 100)]
    assert len({row.name.split("-")[1] for row in files(tmp_path)}) == 4
    assert len(found) == 500


def test_forks_while_threads_record(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
        recorder = Recorder(folder, sample=1.0, rotate_bytes=10_000)
        cache = augury.Cache(10, record=recorder)
        stop = threading.Event()
        def work():
            while not stop.is_set():
                for key in range(100):
                    cache.get(key)
                time.sleep(0.001)
        def fork():
            for _ in range(10):
                child = os.fork()
                if child == 0:
                    cache.get(7)
                    recorder.flush()
                    assert recorder.stats().written == 1
                    os._exit(0)
                assert os.waitpid(child, 0)[1] == 0
        worker = threading.Thread(target=work)
        worker.start()
        forks = [threading.Thread(target=fork) for _ in range(2)]
        for each in forks: each.start()
        for each in forks: each.join()
        stop.set()
        worker.join()
        recorder.close()
        stats = recorder.stats()
        assert stats.written + stats.dropped == stats.sampled > 0
        """,
    )
    _, malformed = read(tmp_path)
    assert malformed.duplicates == malformed.count == 0
    assert len([row for row in rows(tmp_path) if row["number"] == 7]) >= 20


def _child(recorder_of: str) -> None:
    cache: augury.Cache[int, int] = augury.Cache(10, record=Recorder(recorder_of, sample=1.0))
    cache.get(5)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    process = context.Process(target=_child, args=(str(tmp_path),))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert read(tmp_path)[0] == [5]


def test_multiprocessing_with_a_recorder_of_the_parent(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0) as recorder:
        cache: augury.Cache[int, int] = augury.Cache(10, record=recorder)
        cache.get(1)
        context: Any = multiprocessing.get_context("fork")
        process = context.Process(target=cache.get, args=(2,))
        process.start()
        process.join()
        cache.get(3)
    assert read(tmp_path)[0] == [1, 2, 3]


def test_killed(tmp_path: Path) -> None:
    certain = 0
    for attempt in range(8):
        process = python(
            tmp_path,
            """
            recorder = Recorder(folder, sample=1.0, rotate_bytes=1)
            cache = augury.Cache(10, record=recorder)
            key = 0
            while True:
                cache.get_many(range(key, key + 100))
                recorder.flush()
                key += 100
                print(key, flush=True)
            """,
        )
        assert process.stdout is not None
        for _ in range(1 + attempt % 3):
            finished = int(process.stdout.readline())
        time.sleep(0.001 * attempt)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        certain += finished
    found, malformed = read(tmp_path)
    assert malformed.count == malformed.duplicates == malformed.unrecorded == 0
    per_session: dict[str, list[int]] = {}
    for file in files(tmp_path):
        keys = per_session.setdefault(file.name.split("-")[1], [])
        keys += [row["number"] for row in rows_of(file)]
    for keys in per_session.values():
        assert keys == list(range(len(keys)))
    assert len(per_session) == 8
    assert sum(map(len, per_session.values())) == len(found) >= certain


def rows_of(file: Path) -> list[dict[str, int]]:
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    found: list[dict[str, int]] = pq.read_table(file, columns=["number"]).to_pylist()
    return found


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    old, new = folder / ".x-1.unfinished", folder / ".x-2.unfinished"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    with Recorder(tmp_path) as recorder:
        augury.Cache[int, int](10, record=recorder)
    assert [path.name for path in folder.iterdir()] == [new.name]


def test_no_room(tmp_path: Path) -> None:
    """A limit of the file size stands for a full disk."""
    out = run(
        tmp_path,
        """
        import logging
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        recorder = Recorder(folder, sample=1.0)
        cache = augury.Cache(10, record=recorder)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        for _ in range(2):
            cache.get_many(range(10_000))
            recorder.flush()
        assert cache.get(5) is None
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        recorder.flush()
        stats = recorder.stats()
        assert (stats.failed, stats.written) == (20_000, 1), stats
        """,
    )
    assert len(out.splitlines()) == 1
    assert "cannot write the access log" in out
    assert "File too large" in out
    found, malformed = read(tmp_path)
    assert (found, malformed.unrecorded) == ([5], 20_000)
    assert [path.name[0] for path in (tmp_path / "cache").iterdir()] == ["2"]


def test_flush_from_the_thread_itself(tmp_path: Path) -> None:
    with Recorder(tmp_path, sample=1.0, attributes={"a": lambda key: recorder.flush()}) as recorder:
        augury.Cache[int, int](10, record=recorder).get(1)
    assert read(tmp_path)[0] == [1]


def test_threads_end(tmp_path: Path) -> None:
    before = threading.active_count()
    for _ in range(3):
        with Recorder(tmp_path):
            pass
    assert threading.active_count() == before
