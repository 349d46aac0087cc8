"""Saving and loading while others use the cache, and in forked processes."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from augury import Cache


def test_one_moment_is_saved_while_others_write(tmp_path: Path) -> None:
    """Two entries are always written together under the lock of the writer."""
    path = tmp_path / "cache.snapshot"
    cache: Cache[str, int] = Cache(5000, policy="s3fifo")
    cache.update({f"key {number}": 0 for number in range(3000)})
    stopped = threading.Event()

    def write() -> None:
        count = 0
        while not stopped.is_set():
            count += 1
            cache["first"] = count
            cache["second"] = count
            cache.delete(f"key {count % 3000}")
            cache[f"key {count % 3000}"] = count

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            report = cache.save(path)
            loaded: Cache[str, int] = Cache(5000)
            assert loaded.load(path).stored == report.entries >= 2998
            loaded.validate()
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    cache.validate()


def test_loading_while_others_write(tmp_path: Path) -> None:
    path = tmp_path / "cache.snapshot"
    cache: Cache[int, str] = Cache(3000)
    cache.update(dict.fromkeys(range(3000), "old"))
    cache.save(path)
    loaded: Cache[int, str] = Cache(3000)
    stopped = threading.Event()

    def write() -> None:
        number = 0
        while not stopped.is_set():
            loaded[number % 3000] = "new"
            number += 7

    thread = threading.Thread(target=write)
    thread.start()
    try:
        loaded.load(path)
    finally:
        stopped.set()
        thread.join()
    loaded.validate()
    assert len(loaded) <= 3000


def test_a_listener_may_save(tmp_path: Path) -> None:
    path = tmp_path / "cache.snapshot"
    reports: list[int] = []

    def told(*_: object) -> None:
        reports.append(cache.save(path).entries)

    cache: Cache[int, int] = Cache(3, policy="lru", on_evict=told)
    for number in range(5):
        cache[number] = number
    assert reports == [3, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_saves_what_it_has(tmp_path: Path) -> None:
    """While a thread of its parent saves, too."""
    cache: Cache[int, bytes] = Cache(20_000)
    cache.update(dict.fromkeys(range(20000), b"x" * 300))
    children: list[int] = []

    def progress(_: float) -> None:
        if not children and threading.current_thread() is not threading.main_thread():
            begun.set()
            forked.wait(10)

    begun, forked = threading.Event(), threading.Event()
    results: list[Any] = []
    thread = threading.Thread(
        target=lambda: results.append(cache.save(tmp_path / "parent", progress=progress))
    )
    thread.start()
    begun.wait(10)
    child = os.fork()
    if child == 0:
        try:
            cache.clear()
            cache[1] = b"child"
            cache.save(tmp_path / "child")
        finally:
            os._exit(0)
    children.append(child)
    os.waitpid(child, 0)
    forked.set()
    thread.join()
    loaded: Cache[int, bytes] = Cache(20_000)
    assert loaded.load(tmp_path / "parent").stored == results[0].entries == 20_000
    assert Cache(10).load(tmp_path / "child").stored == 1
    assert {each.name for each in tmp_path.iterdir()} == {"parent", "child"}
