"""The reader of RESP3: whatever pieces bytes arrive in, and whatever bytes they are."""

import contextlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from augury.tiers.redis.resp3 import Failure, Parser, ProtocolError, Push

MESSAGES: list[tuple[bytes, Any]] = [
    (b"+PONG\r\n", b"PONG"),
    (b"-NOAUTH log in\r\n", Failure("NOAUTH log in")),
    (b":-42\r\n", -42),
    (b"(123456789012345678901234567890\r\n", 123456789012345678901234567890),
    (b",1.5\r\n", 1.5),
    (b"_\r\n", None),
    (b"#t\r\n", True),
    (b"#f\r\n", False),
    (b"$0\r\n\r\n", b""),
    (b"$4\r\n\r\n\r\n\r\n", b"\r\n\r\n"),
    (b"$-1\r\n", None),
    (b"=7\r\ntxt:abc\r\n", b"txt:abc"),
    (b"!3\r\nERR\r\n", Failure("ERR")),
    (b"*0\r\n", []),
    (b"*-1\r\n", None),
    (b"~2\r\n:1\r\n:2\r\n", [1, 2]),
    (b"%1\r\n$1\r\na\r\n*1\r\n:1\r\n", {b"a": [1]}),
    (b"|1\r\n+ttl\r\n:3600\r\n:7\r\n", 7),
    (b">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n",
     Push([b"invalidate", [b"a", b"\r\n"]])),
    (b">2\r\n$10\r\ninvalidate\r\n_\r\n", Push([b"invalidate", None])),
]  # fmt: skip
ALL = b"".join(data for data, _ in MESSAGES)
MEANT = [meant for _, meant in MESSAGES]


@pytest.mark.parametrize(("data", "meant"), MESSAGES, ids=lambda it: repr(it)[:30])
def test_a_message(data: bytes, meant: Any) -> None:
    assert Parser().feed(data) == [meant]


@pytest.mark.parametrize("at", range(len(ALL)))
def test_split_in_two_anywhere(at: int) -> None:
    parser = Parser()
    assert parser.feed(ALL[:at]) + parser.feed(ALL[at:]) == MEANT


def test_byte_by_byte() -> None:
    parser = Parser()
    assert [message for byte in ALL for message in parser.feed(bytes([byte]))] == MEANT


@given(st.lists(st.integers(1, 40), max_size=40))
def test_any_pieces(lengths: list[int]) -> None:
    parser, at, messages = Parser(), 0, []
    for length in [*lengths, len(ALL)]:
        messages += parser.feed(ALL[at : at + length])
        at += length
    assert messages == MEANT


def test_strings_longer_than_what_arrives_at_once() -> None:
    parser, text = Parser(), bytes(300_000)
    data = b"*2\r\n" + 2 * (b"$300000\r\n" + text + b"\r\n") + b"+OK\r\n"
    messages: list[Any] = []
    for at in range(0, len(data), 65_536):
        messages += parser.feed(data[at : at + 65_536])
    assert messages == [[text, text], b"OK"]


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=20,
)


def written(value: Any) -> bytes:
    match value:
        case None:
            return b"_\r\n"
        case bool():
            return b"#t\r\n" if value else b"#f\r\n"
        case int():
            return b"(%d\r\n" % value
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(value), value)
        case _:
            return b"*%d\r\n" % len(value) + b"".join(map(written, value))


@given(st.lists(values, max_size=5), st.integers(1, 20))
def test_what_is_written_is_read(messages: list[Any], piece: int) -> None:
    data = b"".join(map(written, messages))
    parser = Parser()
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    assert [message for it in pieces for message in parser.feed(it)] == messages


@given(st.lists(st.binary(max_size=50) | st.sampled_from([data for data, _ in MESSAGES])))
@example([b"|0\r\n" * 100])
@example([b"*1\r\n" * 100])
@example([b"%1\r\n*0\r\n:1\r\n"])
@example([b":" + b"9" * 5_000 + b"\r\n"])
@example([b"$" + b"9" * 5_000 + b"\r\n"])
def test_bytes_that_are_none_of_it_are_refused_or_waited_for(pieces: list[bytes]) -> None:
    parser = Parser()
    with contextlib.suppress(ProtocolError):
        for piece in pieces:
            parser.feed(piece)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n", b"\r\n", b"$3\r\nabcd\r\n", b"$-2\r\n", b"*x\r\n", b"#x\r\n",
        b"$99999999999\r\n", b"+" + b"x" * 70_000, b":1.5\r\n",
    ],
    ids=lambda data: repr(data)[:20],
)  # fmt: skip
def test_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Parser().feed(data)
