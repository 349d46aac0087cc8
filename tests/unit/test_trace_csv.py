"""CSV traces."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augury.accesslog.digest import number_of
from augury.errors import ConfigurationError, TraceError
from tests.unit.trace_files import read

KEYS = st.one_of(
    st.integers(0, 2**64 - 1).map(str),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
)
ROWS = st.lists(st.tuples(KEYS, st.integers(0, 2**53), st.floats(0, 2e9)), min_size=1)


@settings(deadline=None)
@given(ROWS, st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]), st.permutations(range(3)))
def test_reads_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, int, float]],
    delimiter: str,
    end: str,
    order: list[int],
) -> None:
    text = io.StringIO(newline="")
    # Left to itself, the csv module writes a lone CR without quotes.
    carriage_return = any("\r" in key for key, _, _ in rows)
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=end,
        quoting=csv.QUOTE_ALL if carriage_return else csv.QUOTE_MINIMAL,
    )
    writer.writerow(["key", "size", "time"][i] for i in order)
    writer.writerows([row[i] for i in order] for row in rows)
    found = read(tmp_path_factory.getbasetemp() / "a", text.getvalue().encode(), "csv")
    assert found.names == [key for key, _, _ in rows]
    assert found.keys == [number_of(key.encode()) for key, _, _ in rows]
    assert found.sizes == [size for _, size, _ in rows]
    assert found.times == [time for _, _, time in rows]


def test_quoted_line_ends_across_blocks(tmp_path: Path) -> None:
    names = ["a" * 700, 'say "x"', "b\r\nc", "d,e"] * 2000
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["n", "url"])
    writer.writerows(enumerate(names))
    assert read(tmp_path / "a", text.getvalue().encode()).names == names


def test_plain_and_quoted_rows_are_the_same_requests(tmp_path: Path) -> None:
    plain = read(tmp_path / "a.csv", b"key,size\n7,1\nx,2\n07,3\n-1,4\n 5,5\n")
    quoted = read(tmp_path / "a.csv", b'key,size\n"7",1\n"x","2"\n07,3\n-1,4\n 5,5\n')
    assert plain == quoted


@pytest.mark.parametrize(
    "data",
    [
        b"key,size\r\n1,2\n3,4\r\n\r\n5,6",
        b"\n\nkey,size\n1,2\n3,4\n5,6\n",
        b"\xef\xbb\xbfkey,size\n1,2\n\n3,4\n5,6\n",
        b"key,size\r1,2\r3,4\r5,6\r",
        b'"key" ,"size"\n1,2\n3,4\n5,6\n',
        b"Obj ID;Object-Size\n1;2\n3;4\n5;6",
    ],
)
def test_spellings(tmp_path: Path, data: bytes) -> None:
    found = read(tmp_path / "a", data)
    assert (found.keys, found.sizes) == ([1, 3, 5], [2, 4, 6])


def test_invalid_utf8_is_escaped(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", b"key,size\n\xff\xfe,2\n")
    assert found.names == ["\udcff\udcfe"]
    assert found.keys == [number_of(b"\xff\xfe")]


@pytest.mark.parametrize("quote", [b"", b'"q",1,0\n'])
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"k,-1,0", "size"),
        (b"k,1.5,0", "size"),
        (b"k,,0", "size"),
        (b"k,99999999999999999999999,0", "size"),
        (b"k,nan,0", "size"),
        (b"k,1_000,0", "size"),
        (b"k,1,yesterday", "time"),
        (b"k,1,inf", "time"),
        (b"k,1,1e999", "time"),
        (b",1,0", "key"),
        (b"k,1", "columns"),
        (b"k,1,0,0", "columns"),
        (b"k\0,1,0", "NUL"),
    ],
)
def test_malformed_lines_are_left_out(
    tmp_path: Path, line: bytes, reason: str, quote: bytes
) -> None:
    data = b"key,size,time\na,1,0\n" + quote + line + b"\nb,2.0,2015-05-17T10:05:03Z\n"
    found = read(tmp_path / "a.csv", data, max_malformed=0.5)
    assert found.names == ["a", *(["q"] if quote else []), "b"]
    assert found.times[-1] == 1431857103.0
    assert found.malformed.count == 1
    assert found.malformed.total == 3 + bool(quote)
    example = found.malformed.examples[0]
    assert reason in example.reason
    assert example.line == 3 + bool(quote)
    with pytest.raises(TraceError, match=f"line {example.line}: .*{reason}"):
        read(tmp_path / "a.csv", data)


def test_unterminated_quote_counts_all_it_swallows(tmp_path: Path) -> None:
    data = b'key,size\n"a,1\n' + b"b,2\n" * 50_000
    with pytest.raises(TraceError, match="lines are malformed"):
        read(tmp_path / "a.csv", data)


@pytest.mark.parametrize(
    ("data", "columns", "message"),
    [
        (b"host,bytes\n1,2\n", {}, "no key column.*'host', 'bytes'"),
        (b"1,2,3\n4,5,6\n", {}, "no key column.*header"),
        (b"host,size\n1,2\n", {"key": "hist"}, "no key column 'hist'.*'host', 'size'"),
        (b"key,x\n1,2\n", {"time": "t"}, "no time column 't'"),
        (b"key,size,key\n1,2,3\n", {}, "2 columns 'key'"),
        (b"key,size\n", {}, "no request"),
        (b"key,size", {}, "no request"),
        (b"\n\n", {}, "no request"),
    ],
)
def test_refuses(tmp_path: Path, data: bytes, columns: dict[str, str], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        read(tmp_path / "a.csv", data, columns=columns)


def test_columns_are_chosen(tmp_path: Path) -> None:
    data = b"key,Client IP,n\n1,10.0.0.1,5\n2,10.0.0.1,6\n"
    found = read(tmp_path / "a", data, columns={"key": "Client IP", "size": "n"})
    assert (found.names, found.sizes) == (["10.0.0.1"] * 2, [5, 6])
    with pytest.raises(ConfigurationError, match="'id'; there are: key, size, time"):
        read(tmp_path / "a", data, columns={"id": "key"})
    with pytest.raises(ConfigurationError, match="no named columns"):
        read(tmp_path / "a", data, "keys", columns={"key": "n"})


def test_a_column_of_another_name_may_occur_twice(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", b"x,x,key\n1,2,3\n").keys == [3]
