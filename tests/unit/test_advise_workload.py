"""What is made of MONITOR's output: operations, misses, sizes, times to live; and what is said."""

import shlex

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augury.accesslog.formats.monitor import command_of
from augury.advice.redis.advice import Present, Watched
from augury.advice.redis.capture import Capture
from augury.advice.redis.forecast import Forecast, Settings, forecast
from augury.advice.redis.keyspace import HeldKey
from augury.advice.redis.operations import Kind, Operation, operations_of
from augury.advice.redis.prefixes import prefixes
from augury.advice.redis.quoting import command, quoted, shown
from augury.advice.redis.suggesting import suggest
from augury.advice.redis.workload import workload


def operations(*lines: str) -> list[Operation]:
    found: list[Operation] = []
    for at, line in enumerate(lines):
        words = " ".join(f'"{word}"' for word in shlex.split(line))
        read = command_of(f"{100 + at}.0 [0 1.1.1.1:1] {words}".encode())
        assert read is not None
        found += operations_of(read)
    return found


def held(key: str, size: int = 100, ttl: float | None = None, idle: float | None = 0.0) -> HeldKey:
    return HeldKey(key.encode(), size, "string", ttl, idle, None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("get a", [("READ", "a", None, None)]),
        ("MGET a b", [("READ", "a", None, None), ("READ", "b", None, None)]),
        ("SET a xyz PX 1500 NX", [("WRITE", "a", 3, 1.5)]),
        ("SET a xyz EXAT 160", [("WRITE", "a", 3, 60.0)]),
        ("SETEX a 10 xyz", [("WRITE", "a", 3, 10.0)]),
        ("PSETEX a 10 xyz", [("WRITE", "a", 3, 0.01)]),
        ("MSET a 1 b 22", [("WRITE", "a", 1, None), ("WRITE", "b", 2, None)]),
        ("UNLINK a b", [("DELETE", "a", None, None), ("DELETE", "b", None, None)]),
        ("GETDEL a", [("READ", "a", None, None), ("DELETE", "a", None, None)]),
        ("HSET a f v", [("CHANGE", "a", None, None)]),
        ("EXPIRE a 10", [("EXPIRE", "a", None, 10.0)]),
        ("PEXPIREAT a 110000", [("EXPIRE", "a", None, 10.0)]),
        ("PERSIST a", [("EXPIRE", "a", None, 0.0)]),
        ("SET a", []),
        ("EXPIRE a", []),
        ("EXPIRE a many", [("EXPIRE", "a", None, None)]),
        ("PING", []),
        ("SUBSCRIBE a", []),
    ],
)
def test_commands_are_understood(
    line: str, expected: list[tuple[str, str, int | None, float | None]]
) -> None:
    assert [
        (each.kind.name, each.key.decode(), each.size, each.ttl) for each in operations(line)
    ] == expected


def test_a_read_that_is_filled_was_a_miss_and_stores_what_was_written() -> None:
    work = workload(operations("GET a", "SET a 12345 EX 9", "GET a", "GET b"))
    assert work.operations.tolist() == [Kind.READ] * 3
    assert work.misses == 1
    assert work.unknown.tolist() == [False, False, True]
    assert work.ttls.tolist() == [9000, 9000, 0]
    assert work.sizes.tolist()[:2] == [70, 70]


def test_writes_that_fill_nothing_are_writes() -> None:
    work = workload(operations("SET a 1", "SET a 22", "GET a", "DEL a", "SET a 333", "EXPIRE a -1"))
    assert [Kind(each).name for each in work.operations.tolist()] == [
        "WRITE", "WRITE", "READ", "DELETE", "WRITE", "DELETE",
    ]  # fmt: skip
    assert work.misses == 0


def test_what_the_server_says_of_keys_counts_first() -> None:
    work = workload(operations("GET a", "GET b"), {b"a": held("a", 500, ttl=60.0)}, scale=2.0)
    assert work.sizes.tolist() == [1000, 1000]  # of b nothing is known: as usual
    assert work.ttls.tolist() == [60_000, 0]
    assert work.footprint == 2000


def test_keys_that_do_not_exist_store_nothing() -> None:
    lines = ["GET none", "GET none", "GET once", "GET none"]
    assert workload(operations(*lines)).sizes.tolist() == [0, 0, 64, 0]
    sure = workload(operations(*lines), nothing_left=True)
    assert sure.sizes.tolist() == [0, 0, 0, 0]
    assert not sure.unknown.any()
    rows = forecast(sure, [1000], Settings(maxmemory=0, policy="noeviction"))
    assert {each.hit_ratio for each in rows} == {0.0}


def test_a_clock_that_goes_back_stands_still() -> None:
    reads = [Operation(Kind.READ, b"a", time, b"") for time in (100.0, 50.0, 101.0)]
    assert workload(reads).times.tolist() == [100_000, 100_000, 101_000]


def test_nothing_at_all() -> None:
    work = workload([])
    assert (work.footprint, len(work.times)) == (0, 0)
    rows = forecast(work, [1000], Settings(maxmemory=0, policy="noeviction"))
    assert {each.hit_ratio for each in rows} == {0.0}


def test_a_line_that_was_cut_is_left_out() -> None:
    line = b'+1.5 [0 1.1.1.1:1] "GET" "a"\r\n'
    seen = Capture(b"+OK\r\n" + line + b"+garbage\r\n" + line + line[:12], 1.0, "bytes")
    assert [each.arguments for each in seen.commands()] == [[b"a"], [b"a"]]


def unquoted(text: str) -> bytes:
    """Read an argument as redis-cli's sdssplitargs does."""
    if not text.startswith('"'):
        return text.encode()
    inner, at, read = text[1:-1], 0, bytearray()
    while at < len(inner):
        if inner[at] != "\\":
            read += inner[at].encode()
            at += 1
        elif inner[at + 1] == "x":
            read.append(int(inner[at + 2 : at + 4], 16))
            at += 4
        else:
            read += {"n": b"\n"}.get(inner[at + 1], inner[at + 1].encode())
            at += 2
    return bytes(read)


@given(st.binary(max_size=40))
def test_quoting_keeps_every_byte_and_shows_none_that_acts(key: bytes) -> None:
    text = quoted(key)
    assert text.isascii()
    assert text.isprintable()
    assert unquoted(text) == key


def test_long_keys_are_shown_but_in_no_command() -> None:
    assert command("UNLINK", b"k" * 5000) is None
    assert shown(b"k" * 5000).endswith("... (5,000 bytes)")


def present(policy: str, maxmemory: int = 1000) -> Present:
    return Present(
        server="here/0",
        software="Valkey 9",
        settings=Settings(maxmemory=maxmemory, policy=policy),
        used_memory=1000,
        fixed_memory=0,
        keys=10,
        hit_ratio=None,
    )


WATCHED = Watched(
    seconds=10,
    ended="time",
    commands=1,
    reads=1,
    unknown=0,
    keys=1,
    footprint=10_000,
    hit_ratio=0.5,
)


def row(policy: str, maxmemory: int, hit_ratio: float, refused: int = 0) -> Forecast:
    return Forecast(
        policy=policy, maxmemory=maxmemory, hit_ratio=hit_ratio, evictions=0, refused=refused
    )


def test_a_policy_is_suggested_that_evicts_from_the_same_keys() -> None:
    rows = [
        row("volatile-lru", 1000, 0.5),
        row("volatile-lfu", 1000, 0.6),
        row("volatile-ttl", 1000, 0.9, refused=1),
        row("allkeys-lfu", 1000, 0.8),
    ]
    said = suggest(present("volatile-lru"), WATCHED, rows, [], [], [])
    assert [each.command for each in said] == ["CONFIG SET maxmemory-policy volatile-lfu"]
    assert suggest(present("volatile-lfu"), WATCHED, rows, [], [], []) == []
    assert suggest(present("noeviction"), WATCHED, rows, [], [], []) == []


def test_the_smallest_memory_is_suggested_that_serves_nearly_as_well() -> None:
    rows = [
        row("allkeys-lru", size, ratio)
        for size, ratio in ((500, 0.899), (1000, 0.9), (2000, 0.905))
    ]
    said = suggest(present("allkeys-lru"), WATCHED, rows, [], [], [])
    assert [each.command for each in said] == ["CONFIG SET maxmemory 500"]


def test_a_time_to_live_is_suggested_where_the_watch_was_long_enough() -> None:
    reads = [
        Operation(Kind.READ if second else Kind.WRITE, f"page:{key}".encode(), second * 2.0, b"", 5)
        for second in range(50)
        for key in range(4)
    ]
    work = workload(reads)
    keys = [held(f"page:{key}") for key in range(4)]
    [line] = prefixes(keys, work, 100.0)
    assert (line.prefix, line.without_ttl, line.reuse, line.ttl) == ("page:", 4, 2.0, 60)
    assert prefixes(keys, work, 4.0)[0].ttl is None
    [told] = {each.reason for each in suggest(present("noeviction"), WATCHED, [], [line], keys, [])}
    assert "99% of the repeats come within 2.0 s" in told
    short = [held(f"page:{key}", ttl=30.0) for key in range(4)]
    assert prefixes(short, work, 100.0)[0].ttl is None


def test_arrays_have_the_types_that_the_simulation_takes() -> None:
    work = workload(operations("GET a"))
    assert work.operations.dtype == np.uint8
    assert work.ids.dtype == np.uint32
    assert {work.sizes.dtype, work.times.dtype, work.ttls.dtype} == {np.dtype(np.uint64)}
