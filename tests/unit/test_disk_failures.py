"""What goes wrong with a folder: an error of one line, or a new beginning with a report."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from augury.errors import ConfigurationError, TierError
from augury.tiers import Entry
from augury.tiers.disk import Disk
from augury.tiers.disk.folder import Folder

ONE_LINE = r"^[^\n]+$"


@contextlib.contextmanager
def opened(folder: Path, capacity: str = "2MiB", timeout: float = 0.2) -> Iterator[Disk]:
    tier = Disk(folder, capacity, timeout=timeout)
    try:
        yield tier
    finally:
        tier.close()


def value(tier: Disk, key: str) -> object:
    found = tier.get_many([key]).get(key)
    return found.value if isinstance(found, Entry) else None


def run(folder: Path, code: str) -> "subprocess.Popen[str]":
    """Start a process with a tier, which says ``ready`` where the code prints it."""
    code = f"""
import os, signal, sys, time
from augury.tiers import Entry
from augury.tiers.disk import Disk
tier = Disk({str(folder)!r}, "2MiB")
{textwrap.dedent(code)}
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


@contextlib.contextmanager
def running(folder: Path, code: str) -> Iterator["subprocess.Popen[str]"]:
    with run(folder, code) as child:
        try:
            yield child
        finally:
            child.kill()


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=ONE_LINE):
        Disk(tmp_path / "file")


def test_a_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with opened(tmp_path / "file" / "cache") as tier:
        with pytest.raises(TierError, match=ONE_LINE):
            tier.set_many({"a": Entry(1)})
        assert not tier.health().up


def truncated(file: Path) -> None:
    with file.open("r+b") as handle:
        handle.truncate(file.stat().st_size // 2 // 4096 * 4096)


def patched(at: int) -> Callable[[Path], object]:
    def patch(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[at] ^= 0x55
        file.write_bytes(data)

    return patch


DAMAGES: list[Callable[[Path], object]] = [
    lambda file: file.write_bytes(os.urandom(100_000)),
    lambda file: file.write_bytes(b"short"),
    lambda file: file.write_bytes(bytes(100_000)),
    truncated,
    patched(16),  # the magic number
    patched(20),  # the version of LMDB
    patched(4096 + 37),  # the size of the map
    lambda file: (file.parent / "lock.mdb").write_bytes(os.urandom(9_000)),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside(
    tmp_path: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path) as tier:
        tier.set_many({f"{n}": Entry(b"x" * 1_000) for n in range(100)})
    damage(tmp_path / "cache-1" / "data.mdb")
    with opened(tmp_path) as tier:
        # LMDB mends its table of readers by itself, where nobody uses it.
        found = len(tier.get_many([f"{n}" for n in range(100)]))
        assert found == 100 or "begins anew" in caplog.text
        tier.set_many({"a": Entry(1)})
        assert value(tier, "a") == 1
    assert found or (tmp_path / "damaged").exists()


def test_damaged_pages_never_give_a_wrong_value(tmp_path: Path) -> None:
    with opened(tmp_path) as tier:
        tier.set_many({f"{n}": Entry(f"{n}" * 300) for n in range(300)})
    file = tmp_path / "cache-1" / "data.mdb"
    data = bytearray(file.read_bytes())
    for at in range(3 * 4096 + 100, len(data), 4096):
        data[at : at + 200] = b"\xa5" * 200
    file.write_bytes(data)
    with opened(tmp_path) as tier:
        for n in range(300):
            with contextlib.suppress(TierError):
                assert value(tier, f"{n}") in (None, f"{n}" * 300)
        with contextlib.suppress(TierError):
            tier.set_many({f"{n}": Entry(n) for n in range(300)})
        tier.set_many({"a": Entry(1)})
        assert value(tier, "a") == 1


def test_after_a_reboot_without_close_it_begins_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as tier:
        tier.set_many({"a": Entry(1)})
        users = tmp_path / "users"
        assert users.read_text() not in ("", "clean")
    assert users.read_text() == "clean"
    with opened(tmp_path) as tier:
        assert value(tier, "a") == 1
    users.write_text("another boot")
    with opened(tmp_path) as tier:
        assert value(tier, "a") is None


def test_a_removed_folder_is_begun_anew(tmp_path: Path) -> None:
    with opened(tmp_path / "cache") as tier:
        tier.set_many({"a": Entry(1)})
        shutil.rmtree(tmp_path / "cache")
        tier.set_many({"b": Entry(2)})
        assert (tmp_path / "cache" / "cache-1" / "data.mdb").exists()
        assert (value(tier, "a"), value(tier, "b")) == (None, 2)
        shutil.rmtree(tmp_path / "cache")
        until = time.monotonic() + 10
        while value(tier, "b") == 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert value(tier, "b") is None


def test_others_notice_that_it_was_set_aside(tmp_path: Path) -> None:
    code = """
    tier.set_many({"a": Entry(1)})
    print("ready", flush=True)
    sys.stdin.readline()
    """
    with opened(tmp_path) as tier, running(tmp_path, code):
        assert value(tier, "a") == 1
        other = Folder(str(tmp_path), 1 << 21, 1.0)
        other.users = 1
        before = tier._folder.opened
        assert before is not None
        other.opened = before  # as if by another process
        other.set_aside(before, "a test")
        assert value(tier, "a") is None
        tier.set_many({"a": Entry(2)})
        assert value(tier, "a") == 2


def test_a_stopped_writer_holds_up_writes_for_a_stated_time_and_reads_not_at_all(
    tmp_path: Path,
) -> None:
    code = """
    with tier._folder.write(10_000) as (txn, _):
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    tier.close()
    """
    with opened(tmp_path) as tier:
        tier.set_many({"a": Entry(1)})
        with running(tmp_path, code) as child:
            os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
            for _ in range(2):
                with pytest.raises(TierError, match=r"locked for 0\.2 s; is it stopped\?$"):
                    tier.set_many({"a": Entry(2)})
            with pytest.raises(TierError):
                tier.delete_many(["a"])
            assert value(tier, "a") == 1
            child.send_signal(signal.SIGCONT)
            child.wait()
        tier.set_many({"a": Entry(2)})
        assert value(tier, "a") == 2


def test_a_writer_killed_within_a_transaction_keeps_nobody(tmp_path: Path) -> None:
    code = """
    tier.set_many({"mine": Entry(1)})
    with tier._folder.write(10_000) as (txn, _):
        txn.put(b"half", b"done")
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    with opened(tmp_path) as tier:
        tier.set_many({"a": Entry(1)})
        with running(tmp_path, code) as child:
            child.wait()
        tier.set_many({"b": Entry(2)})
        assert [value(tier, key) for key in ("a", "b", "mine")] == [1, 2, 1]


def test_a_reader_that_is_stopped_keeps_nobody(tmp_path: Path) -> None:
    """It keeps old pages in use; when the file has grown too far a new one is begun."""
    code = """
    tier.set_many({"mine": Entry(1)})
    with tier._folder.opened.env.begin() as txn:
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    """
    with opened(tmp_path) as tier, running(tmp_path, code) as child:
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        for n in range(1_500):
            tier.set_many({f"{n % 30}": Entry(os.urandom(50_000))})
        assert (tmp_path / "cache-1" / "data.mdb").stat().st_size <= (4 << 20) + (32 << 20)
        tier.set_many({"a": Entry(1)})
        assert value(tier, "a") == 1


def test_processes_with_unequal_capacities(tmp_path: Path) -> None:
    code = """
    tier.close()
    tier = Disk(tier._folder.path, "16MiB")
    tier.set_many({n: Entry(b"x" * 1000) for n in range(5000)})
    print("ready", flush=True)
    sys.stdin.readline()
    """
    with opened(tmp_path, "1MiB") as tier:
        tier.set_many({"a": Entry(1)})
        with running(tmp_path, code):
            assert len(tier.get_many(range(5_000))) > 1_000
            for n in range(5_000):
                tier.set_many({n: Entry(b"y" * 1_000)})
        assert (tier.health().bytes or 0) <= 1 << 20


def test_too_many_readers(tmp_path: Path) -> None:
    with opened(tmp_path) as tier:
        tier.set_many({"a": Entry(1)})
        env = tier._folder.open().env
        readers = [env.begin() for _ in range(env.info()["max_readers"])]
        with pytest.raises(TierError, match=ONE_LINE):
            value(tier, "a")
        del readers
        assert value(tier, "a") == 1


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the length of files stands for it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with opened(tmp_path, "64MiB") as tier:
            tier.set_many({"a": Entry(1)})
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
            with pytest.raises(TierError, match=ONE_LINE):
                tier.set_many({n: Entry(os.urandom(20_000)) for n in range(1_000)})
            assert value(tier, "a") == 1
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            tier.set_many({"a": Entry(2)})
            assert value(tier, "a") == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A small file system in memory; skips the test where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(("size=3m", *options)), "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(command, check=False, capture_output=True).returncode
    ):
        pytest.skip("no right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_small_disk_that_is_full(tmp_path: Path) -> None:
    with mounted(tmp_path / "small"), opened(tmp_path / "small" / "cache", "64MiB") as tier:
        tier.set_many({"a": Entry(1)})
        with pytest.raises(TierError, match=ONE_LINE):
            tier.set_many({n: Entry(os.urandom(20_000)) for n in range(1_000)})
        assert value(tier, "a") == 1


def test_a_disk_that_becomes_read_only(tmp_path: Path) -> None:
    small = tmp_path / "small"
    with mounted(small):
        with opened(small / "cache") as tier:
            tier.set_many({"a": Entry(1)})
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        with opened(small / "cache") as tier, pytest.raises(TierError, match="Read-only"):
            value(tier, "a")
        subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
        with opened(small / "cache") as tier:
            assert value(tier, "a") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o500)
    with opened(tmp_path / "mine") as tier, pytest.raises(TierError, match=ONE_LINE):
        tier.set_many({"a": Entry(1)})
