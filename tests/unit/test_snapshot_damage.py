"""A snapshot that is not whole is refused in a line, and the cache stays as it was."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from augury import Cache
from augury.codecs import Serializer
from augury.errors import CodecError, SnapshotError
from augury.snapshot import file as snapshot_file

DATA = {f"key {number}": bytes([number]) * 20 for number in range(100)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cache.snapshot"
    cache: Cache[str, bytes] = Cache(200, policy="s3fifo")
    cache.update(DATA)
    cache.save(path)
    return path


def refused(path: Path, *, capacity: int = 200, skip: bool = False) -> str:
    """Load it, check that nothing has happened, and return what was said."""
    cache: Cache[str, bytes] = Cache(capacity, policy="s3fifo")
    cache["there"] = b"before"
    with pytest.raises(SnapshotError) as caught:
        cache.load(path, skip=skip)
    assert dict(cache) == {"there": b"before"}
    cache.validate()
    told = str(caught.value)
    assert told.startswith(str(path))
    assert "\n" not in told
    return told


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("capacity", [2, 200])
def test_no_byte_may_differ(path: Path, capacity: int, skip: bool) -> None:
    content = path.read_bytes()
    # All of the beginning and the end, where all parts differ, and some of the blocks.
    places = {*range(600), *range(600, len(content), 97), *range(len(content) - 60, len(content))}
    for at in sorted(places):
        damaged = bytearray(content)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        refused(path, capacity=capacity, skip=skip)


def test_no_byte_may_be_missing(path: Path) -> None:
    content = path.read_bytes()
    for length in {*range(300), *range(300, len(content), 53), len(content) - 1}:
        path.write_bytes(content[:length])
        refused(path)


def test_nothing_may_follow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")
    assert "checksum" in refused(path)


def test_other_files_are_told_apart(path: Path) -> None:
    for content in (b"", b"no snapshot", b"AUGURYML" + bytes(50), os.urandom(500)):
        path.write_bytes(content)
        assert "is no snapshot of a cache" in refused(path)


def test_a_newer_version_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_file, "VERSION", 2)
    cache: Cache[str, bytes] = Cache(10)
    cache.save(path)
    monkeypatch.undo()
    assert "is of format version 2, and this Augury reads 1" in refused(path)


def test_blocks_of_another_file_are_refused(path: Path, tmp_path: Path) -> None:
    """Even where the checksum of the whole was made to fit."""
    other = tmp_path / "other"
    with (
        snapshot_file.Writer(path, Serializer(compress_above=None)) as one,
        snapshot_file.Writer(other, Serializer(compress_above=None)) as two,
    ):
        one.add("content", 0)
        two.add("content", 0)
        two._name = one._name
        two.commit()
    assert "cannot be read" in refused(other)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    assert "is not a file" in refused(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "is not a file" in refused(pipe)
    with pytest.raises(FileNotFoundError):
        Cache(10).load(tmp_path / "absent")


def test_saving_where_nobody_can_write(path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        Cache(10).save(path.parent / "absent" / "cache.snapshot")


def crafted(path: Path, content: Any, **header: Any) -> None:
    """A file with all checksums right, but made by hand."""
    serializer = Serializer(compress_above=None)
    with snapshot_file.Writer(path, serializer) as file:
        known = {"saved": 1.0, "policy": "s3fifo", "weighed": False, "entries": 2}
        unknown = {"machine": "", "features": "", "memory": b"", "model": b""}
        file.add({**known, **unknown, **header}, 0)
        file.add(content, 2)
        file.commit()


@pytest.mark.parametrize(
    "content",
    [
        "no columns",
        ([0, 1], ["a", "b"], [1], None, None, b"\0\0"),
        ([0, 1], ["a", ["unhashable"]], [1, 2], None, None, b"\0\0"),
        ([0, 1], ["a", "b"], [1, 2], None, [1, 0], b"\0\0"),
        ([0, 1], ["a", "b"], [1, 2], None, [1, -5], b"\0\0"),
    ],
)
def test_columns_that_make_no_entries(path: Path, content: Any) -> None:
    crafted(path, content)
    assert "a block is no entries" in refused(path)
    cache: Cache[str, Any] = Cache(200, policy="s3fifo")
    assert cache.load(path, skip=True).unreadable == 2
    assert not cache


@pytest.mark.parametrize("saved", [float("nan"), float("inf"), float("-inf")])
def test_a_time_that_is_none(path: Path, saved: float) -> None:
    crafted(path, ([0], ["a"], [1], [10**12], None, b"\0"), saved=saved)
    assert "saved at" in refused(path)


def test_only_a_file_is_replaced(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder):
        with pytest.raises(SnapshotError, match="is not a file"):
            Cache(10, policy="lru").save(path)
    assert pipe.is_fifo()
    assert folder.is_dir()
    assert sorted(tmp_path.iterdir()) == [folder, pipe]


@pytest.mark.parametrize("room", [0, 10, 5_000])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, room: int) -> None:
    program = f"""
        import resource
        from augury import Cache
        cache = Cache(10, policy="lru")
        cache["key"] = b"x" * 100_000
        resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
        try:
            cache.save({str(tmp_path / "cache.snapshot")!r})
        except OSError:
            print("refused", end="")
        """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"refused"
    assert not list(tmp_path.iterdir())


def test_what_is_too_large_for_a_block_is_named_or_left_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: Cache[str, bytes] = Cache(10, policy="lru")
    cache.update({"small": b"x", "large": b"x" * 10_000})
    monkeypatch.setattr(snapshot_file, "_END", 5_000)
    with pytest.raises(CodecError, match="entry of 'large' cannot be saved: it takes"):
        cache.save(path)
    assert cache.save(path, skip=True).skipped == 1
