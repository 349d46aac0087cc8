"""Traces that servers write: ARC's, Twitter's, MONITOR and access logs."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.accesslog.digest import number_of
from augury.errors import TraceError
from tests.unit.trace_files import read

PLAIN = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**63), st.integers(1, 2000)), min_size=1),
    st.sampled_from([" ", "\t", "  "]),
)
def test_arc(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[int, int]], space: str
) -> None:
    data = "".join(f"{s}{space}{n}{space}0{space}{i}\n" for i, (s, n) in enumerate(lines))
    found = read(tmp_path_factory.getbasetemp() / "P1.lis", data.encode())
    assert found.format == "arc"
    assert found.keys == [s + i for s, n in lines for i in range(n)]


def test_arc_is_read_in_parts(tmp_path: Path) -> None:
    found = read(tmp_path / "a.lis", b"0 1000000 0 0\n5 1 0 1\n")
    assert found.keys == [*range(1_000_000), 5]


@pytest.mark.parametrize(
    "line",
    ["1 2 3", "1 0 0 0", "-1 1 0 0", "1 99999999 0 0", f"{2**64 - 1} 2 0 0", "9" * 30 + " 1 0 0"],
)
def test_arc_malformed(tmp_path: Path, line: str) -> None:
    found = read(tmp_path / "a.lis", f"1 1 0 0\n{line}\n2 1 0 1\n".encode(), max_malformed=0.5)
    assert found.keys == [1, 2]
    assert [e.line for e in found.malformed.examples] == [2]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            PLAIN,
            st.integers(0, 999),
            st.integers(0, 2**40),
            st.sampled_from(["get", "gets", "set"]),
        ),
        min_size=1,
    )
)
def test_twitter(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, int, str]]
) -> None:
    rows.append(("last", 4, 10, "get"))
    data = "".join(f"{t},{k},{ks},{vs},3,{op},0\n" for t, (k, ks, vs, op) in enumerate(rows))
    found = read(tmp_path_factory.getbasetemp() / "cluster", data.encode())
    reads = [(t, row) for t, row in enumerate(rows) if row[3] != "set"]
    assert found.format == "twitter"
    assert found.names == [row[0] for _, row in reads]
    assert found.sizes == [row[1] + row[2] for _, row in reads]
    assert found.times == [float(t) for t, _ in reads]
    assert found.malformed.ignored == len(rows) - len(reads)


@pytest.mark.parametrize(
    "line", ["0,k,1,2,3,get", "0,k,1,2,3,eat,0", "0,k,-1,2,3,get,0", "x,k,1,2,3,get,0"]
)
def test_twitter_malformed(tmp_path: Path, line: str) -> None:
    data = f"0,a,1,2,3,get,0\n{line}\n0,b,1,2,3,get,0\n".encode()
    found = read(tmp_path / "a", data, max_malformed=0.5)
    assert found.names == ["a", "b"]
    assert [e.line for e in found.malformed.examples] == [2]


def test_monitor(tmp_path: Path) -> None:
    data = rb"""OK
1339518083.107412 [0 127.0.0.1:60866] "keys" "*"
1339518087.877697 [0 127.0.0.1:60866] "get" "user:1"
1339518090.420270 [0 [::1]:60866] "SET" "x" "6"
1339518096.506257 [0 lua] "MGET" "a b" "c\"d\\" "\xff\n"
1339518099.363765 [2 unix:/tmp/a b.sock] "hget" "user:1" "name"
1339518100.000000 [0 127.0.0.1:60866] "del" "user:1"
1339518101.000000 [0 127.0.0.1:60866] "AUTH" "(redacted)"
1339518102.500000 [0 127.0.0.1:60866] "GET" "17"
"""
    found = read(tmp_path / "monitor", data)
    assert found.format == "monitor"
    assert found.names == ["user:1", "a b", 'c"d\\', "\udcff\n", "[2] user:1", "17"]
    assert found.keys[-1] == 17
    assert found.times[-1] == 1339518102.5
    assert found.sizes == []
    assert found.malformed.ignored == 5
    endless = b"9" * 400 + b'.0 [0 lua] "get" "a"\n'
    assert read(tmp_path / "monitor", data + endless, max_malformed=1).malformed.count == 1


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1), min_size=1))
def test_monitor_escapes(tmp_path_factory: pytest.TempPathFactory, keys: list[bytes]) -> None:
    data = b"".join(b'1.5 [0 127.0.0.1:1] "GET" "%b"\n' % escape(key) for key in keys)
    found = read(tmp_path_factory.getbasetemp() / "monitor", data)
    assert found.keys == list(map(number_of, keys))


def escape(key: bytes) -> bytes:
    """Write a key as Redis's sdscatrepr does."""
    named = {10: b"\\n", 13: b"\\r", 9: b"\\t", 7: b"\\a", 8: b"\\b", 34: b'\\"', 92: b"\\\\"}
    return b"".join(named.get(c) or (b"%c" % c if 32 <= c < 127 else b"\\x%02x" % c) for c in key)


LOG = rb"""1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a?b=1 HTTP/1.1" 200 203023 "-" "X \"Y\""
::1 - frank [10/Oct/2000:13:55:36 -0700] "HEAD /c d HTTP/1.0" 304 -
1.2.3.4 - - [17/May/2015:10:05:03 +0000] "POST /a HTTP/1.1" 200 1 "-" "-"
1.2.3.4 - - [17/May/2015:10:05:03 +0000] "-" 408 - "-" "-"
1.2.3.4 - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 226 "-" "-"
example.org:443 1.2.3.4 - a b [17/May/2015:12:05:03 +0200] "GET /a HTTP/2.0" 200 7 "-" "-"
1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /17" 200 5
"""


def test_access_log(tmp_path: Path) -> None:
    found = read(tmp_path / "access.log", LOG)
    assert found.format == "combined"
    assert found.names == ["/a?b=1", "/c d", "example.org:443/a", "/17"]
    assert found.sizes == [203023, 0, 7, 5]
    assert found.times == [1431857103.0, 971211336.0, 1431857103.0, 1431857103.0]
    assert (found.malformed.ignored, found.malformed.count) == (3, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b'1.2.3.4 - - [99/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1',
        b'1.2.3.4 - - [17/Foo/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1',
        b'1.2.3.4 - - [yesterday] "GET / HTTP/1.1" 200 1',
        b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 -5',
        b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 ' + b"9" * 30,
    ],
)
def test_access_log_malformed(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(TraceError, match="line 8: "):
        read(tmp_path / "access.log", LOG + line)
    found = read(tmp_path / "access.log", LOG + line, max_malformed=0.5)
    assert found.malformed.count == 1
