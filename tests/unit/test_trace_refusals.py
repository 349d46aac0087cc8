"""Whatever is read as a trace, the outcome is requests or one clear line."""

import contextlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.accesslog import read_trace
from augury.accesslog.formats import formats
from augury.errors import AuguryError, ConfigurationError, MissingExtraError, TraceError
from tests.unit.trace_files import COMPRESS, read

SAMPLES = {
    "arc": b"5 2 0 1\n7 1 0 2\n",
    "combined": b'1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "-"\n' * 2,
    "csv": b'time,key,size\n1,a,2\n2,"b ""c""",3\n',
    "keys": b"a\nb\n",
    "monitor": b'1.5 [0 127.0.0.1:1] "get" "a"\n1.5 [0 127.0.0.1:1] "mget" "a" "\\xff"\n',
    "twitter": b"0,a,1,2,3,get,0\n1,b,1,2,3,get,0\n",
}


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("format", SAMPLES)
def test_recognises(tmp_path: Path, format: str, suffix: str) -> None:
    data = SAMPLES[format]
    found = read(tmp_path / f"trace{suffix}", COMPRESS[suffix](data))
    assert found.format == format
    assert len(found.keys) >= 2
    # A wrong suffix misleads nobody.
    assert read(tmp_path / "trace.gz", COMPRESS[suffix](data)) == found


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_every_truncation_and_corruption_is_reported(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"trace{suffix}"
    whole = COMPRESS[suffix](SAMPLES["keys"] * 20)
    for length in range(len(whole)):
        with pytest.raises(TraceError, match="truncated" if length else "empty"):
            read(path, whole[:length])
    for at in range(len(whole)):
        with contextlib.suppress(TraceError):
            read(path, whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :])
    assert read(path, whole + whole).names == ["a", "b"] * 40
    with pytest.raises(TraceError, match="corrupt"):
        read(path, whole + b"garbage")


def test_padding_of_xz_is_skipped(tmp_path: Path) -> None:
    whole = COMPRESS[".xz"](SAMPLES["keys"])
    assert read(tmp_path / "trace", whole + bytes(4096) + whole + bytes(4)).names == ["a", "b"] * 2


def test_long_stream_is_truncated_where_it_says(tmp_path: Path) -> None:
    data = b"".join(b"%d\n" % (i * i) for i in range(400_000))
    for suffix in (".gz", ".xz", ".zst"):
        whole = COMPRESS[suffix](data)
        with pytest.raises(TraceError, match=rf"truncated: .*\(byte {len(whole) - 1:,}\), after"):
            read(tmp_path / f"trace{suffix}", whole[:-1])


@pytest.mark.parametrize("format", formats())
@settings(deadline=None)
@given(data=st.data())
def test_nothing_else_escapes(
    tmp_path_factory: pytest.TempPathFactory, format: str, data: st.DataObject
) -> None:
    sample = SAMPLES.get(format, b"PAR1" + bytes(24))
    pieces = st.one_of(
        st.binary(max_size=30),
        st.sampled_from(sample.splitlines(keepends=True)),
        st.sampled_from([b"\n", b"\r", b'"', b",", b" ", b"\0", b"9" * 5000, b"-1", b"\xff", b"["]),
    )
    mixed = b"".join(data.draw(st.lists(pieces, min_size=1)))
    path = tmp_path_factory.getbasetemp() / "mixed"
    for named in (format, None):
        with contextlib.suppress(AuguryError):
            read(path, mixed, named, max_malformed=data.draw(st.sampled_from([0.0, 1.0])))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no such file"):
        read_trace(tmp_path / "absent")
    with pytest.raises(TraceError, match=f"^{tmp_path}: is a directory"):
        read_trace(tmp_path)
    with pytest.raises(TraceError, match="cannot be opened"):
        read_trace("a\0b")
    with pytest.raises(TraceError, match="cannot be opened"):
        read_trace(tmp_path / ("x" * 5000))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(TraceError, match=f"^{tmp_path}/fifo: is no ordinary file"):
        read_trace(tmp_path / "fifo")
    with pytest.raises(TraceError, match=r"^/proc/self/mem: cannot be read"):
        read_trace("/proc/self/mem")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"1\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(TraceError, match="permission denied"):
        read_trace(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        pytest.param(COMPRESS[".gz"](b""), "empty once decompressed", id="empty gzip"),
        (b" \n\n", "blank"),
        ("a\nb\n".encode("utf-16"), "UTF-16"),
        (bytes(range(256)) * 9, "not recognised.*: arc, combined, csv, keys, monitor, oracleGen"),
        (SAMPLES["twitter"].replace(b"get", b"set"), r"no request.*2 no reads"),
    ],
)
def test_no_request(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(TraceError, match=message) as raised:
        read(tmp_path / "trace", data)
    assert "\n" not in str(raised.value)


def test_removed_between_passes(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"1\n")
    trace = read_trace(path)
    path.unlink()
    with pytest.raises(TraceError, match="no such file"):
        list(trace.chunks())


def test_parameters(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="unknown trace format 'excel'; there are: arc"):
        read(tmp_path / "a", b"1\n", "excel")
    with pytest.raises(ConfigurationError, match="from 0 to 1, not 5"):
        read(tmp_path / "a", b"1\n", max_malformed=5)
    with pytest.raises(ConfigurationError, match="from 0 to 1, not nan"):
        read(tmp_path / "a", b"1\n", max_malformed=float("nan"))


def test_a_hopeless_file_is_given_up_early(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"no line of a log\n" * 1_000_000)
    trace = read_trace(path, format="combined")
    with pytest.raises(TraceError, match="malformed"):
        list(trace.chunks())
    assert trace.malformed.total < 100_000


def test_each_pass_counts_anew(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"1 1 0 0\n" * 200 + b"x\n")
    trace = read_trace(path)
    for _ in range(2):
        assert sum(map(len, trace.chunks())) == 200
        assert (trace.malformed.count, trace.malformed.total) == (1, 201)


@pytest.mark.parametrize(
    ("package", "data"), [("zstandard", COMPRESS[".zst"](b"1\n")), ("pyarrow", b"PAR1" + bytes(99))]
)
def test_says_which_extra_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, data: bytes
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} .*augury\[traces\]"):
        read(tmp_path / "trace", data)
