"""A snapshot that is not whole is refused in a line, and the cache stays as it was."""

import os
from pathlib import Path

import pytest

from augury import Cache
from augury.codecs import Serializer
from augury.errors import SnapshotError
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
