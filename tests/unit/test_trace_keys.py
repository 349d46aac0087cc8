"""One key a line."""

from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.accesslog import read_trace
from augury.accesslog.digest import is_plain_integer, number_of
from augury.accesslog.fields import Fields
from augury.errors import TraceError

LINES = st.lists(
    st.one_of(
        st.integers(-5, 2**66).map(str),
        st.from_regex(r"0*[0-9]{1,21}", fullmatch=True),
        st.text(st.characters(exclude_characters="\r\n\0"), min_size=1).filter(lambda t: t.strip()),
    ).map(lambda t: t.encode("utf-8", "replace")),
    min_size=1,
)


def read(path: Path, data: bytes) -> tuple[list[int], list[str]]:
    path.write_bytes(data)
    keys: list[int] = []
    names: list[str] = []
    for chunk in read_trace(path, format="keys").chunks():
        keys += chunk.keys.tolist()
        names += chunk.names or map(str, chunk.keys)
    return keys, names


@settings(deadline=None)
@given(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]), st.booleans(), st.booleans())
def test_reads_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], end: bytes, last: bool, bom: bool
) -> None:
    data = end.join(lines) + end * last
    data = b"\xef\xbb\xbf" * bom + (data.removeprefix(b"\xef\xbb\xbf") or b"x")
    path = tmp_path_factory.getbasetemp() / "keys"
    keys, names = read(path, data)
    texts = [
        t
        for t in data.removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n").split(b"\n")
        if t.strip()
    ]
    assert keys == [number_of(t) for t in texts]
    assert [n.encode("utf-8", "surrogateescape") for n in names] == texts


@settings(deadline=None)
@given(LINES)
def test_integers_at_once_as_one_by_one(texts: list[bytes]) -> None:
    ends = np.cumsum([len(t) for t in texts])
    fields = Fields(b"".join(texts), np.concatenate([[0], ends[:-1]]), ends)
    values, plain = fields.unsigned()
    assert plain.tolist() == [is_plain_integer(t) for t in texts]
    assert [int(v) for v, p in zip(values, plain, strict=True) if p] == [
        int(t) for t in texts if is_plain_integer(t)
    ]


@pytest.mark.parametrize(
    "text", ["18446744073709551616", "99999999999999999999", "-1", "007", "1_0", "٣"]
)
def test_what_is_no_integer_is_digested(tmp_path: Path, text: str) -> None:
    keys, names = read(tmp_path / "keys", text.encode())
    assert keys == [xxhash.xxh3_64_intdigest(text.encode())]
    assert names == [text]


def test_largest_integer(tmp_path: Path) -> None:
    assert read(tmp_path / "keys", b"18446744073709551615\n0") == (
        [2**64 - 1, 0],
        ["18446744073709551615", "0"],
    )


def test_a_line_of_100_mb(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"x" * 100_000_000)
    with pytest.raises(TraceError, match="longer than"):
        list(read_trace(path).chunks())


def test_nul_bytes_and_long_lines_are_malformed(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(b"a\nb\0c\n" + b"x" * 3_000_000 + b"\r\nd\n" + b"y" * 1_050_000 + b"\ne")
    trace = read_trace(path, max_malformed=1.0)
    names = [name for chunk in trace.chunks() for name in chunk.names or ()]
    assert names == ["a", "d", "e"]
    assert (trace.malformed.count, trace.malformed.total) == (3, 6)
    assert [e.line for e in trace.malformed.examples] == [2, 3, 5]
