"""`augury advise` in front of a server that lies."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pytest

pytest.importorskip("redis")
pytest.importorskip("typer")

from augury.advice.redis import advise, keyspace
from augury.cli import main
from augury.errors import SourceError


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(text), text)


INFO = b"redis_version:7\x1b]0;x\x07\r\nused_memory:%s\r\ndb0:keys=%s\r\nmaxmemory:" + b"9" * 30
GOOD = {
    b"INFO": bulk(INFO % (b"1000", b"5")),
    b"CONFIG": b"*2\r\n" + bulk(b"maxmemory-samples") + bulk(b"5"),
    b"SCAN": b"*2\r\n" + bulk(b"0") + b"*1\r\n" + bulk(b"a:\x1b[2J"),
    b"MEMORY": b":100\r\n",
    b"TYPE": b"+\x1b[31m\r\n",
    b"PTTL": b":-1\r\n",
    b"OBJECT": b":999999\r\n",
    b"MONITOR": b"+OK\r\n" + b'+1.0 [0 127.0.0.1:1] "get" "k"\r\n' * 50,
}


@contextmanager
def lying(**replies: bytes) -> Iterator[str]:
    """Answer each command with a fixed reply, and yield the URL."""
    known = {**GOOD, **{name.encode(): reply for name, reply in replies.items()}}

    def arguments(stream: BinaryIO, count: bytes) -> list[bytes]:
        found = []
        for _ in range(int(count[1:])):
            found.append(stream.read(int(stream.readline()[1:])))
            stream.readline()
        return found

    def serve(taken: socket.socket) -> None:
        with taken, taken.makefile("rb") as stream:
            while head := stream.readline():
                name = arguments(stream, head)[0].split()[0].upper()
                taken.sendall(known.get(name, b"+OK\r\n"))

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            while True:
                try:
                    taken, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(taken,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "replies",
    [
        {"INFO": b":5\r\n"},
        {"INFO": b"*1\r\n" * 3000 + b":1\r\n"},
        {"INFO": bulk(b"valkey_version:\r\n")},
        {"INFO": bulk(INFO % (b"1", b"x"))},
        {"CONFIG": b"*-1\r\n"},
        {"CONFIG": b"*1\r\n+a\r\n"},
        {"CONFIG": b"*2\r\n+a\r\n+x\r\n"},
        {"SCAN": b"+a\r\n"},
        {"SCAN": b"*2\r\n+0\r\n*-1\r\n"},
        {"SCAN": b"*2\r\n+0\r\n*1\r\n:5\r\n"},
    ],
)
def test_replies_of_another_form_are_told_in_a_line(replies: dict[str, bytes]) -> None:
    with lying(**replies) as url, pytest.raises(SourceError, match=r"does not answer|not as Redis"):
        advise(url, keyspace=True)


def test_figures_out_of_all_range_and_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    huge = b":" + b"9" * 400 + b"\r\n"
    with lying(INFO=bulk(INFO % (b"9" * 400, b"5")), MEMORY=huge, PTTL=huge, OBJECT=huge) as url:
        assert main(["advise", "--redis", url, "--seconds", "0.2"]) == 0
    with lying(CONFIG=b"*2\r\n" + bulk(b"maxmemory-samples") + bulk(b"-7")) as url:
        assert main(["advise", "--redis", url, "--seconds", "0.2"]) == 0
    # What Redis refuses is in the output of MONITOR, too.
    absurd = b'+1.0 [0 127.0.0.1:1] "set" "k" "v" "ex" "%s"\r\n' % (b"9" * 25)
    with lying(MONITOR=b"+OK\r\n" + absurd * 60) as url:
        assert main(["advise", "--redis", url, "--seconds", "0.2"]) == 0
    assert not {"\x1b", "\x07"} & set("".join(capsys.readouterr()))


def test_a_scan_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyspace, "_IN_VAIN", 20)
    with lying(SCAN=b"*2\r\n+7\r\n*1\r\n+a\r\n") as url:
        assert advise(url, keyspace=True).sampled_keys == 1
