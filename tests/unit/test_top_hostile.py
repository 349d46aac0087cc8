"""`augury top` in front of something that is no service of Augury's, or a hostile one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

pytest.importorskip("typer")

from augury.cli import main, snapshot_client
from augury.observe import Snapshot
from tests.servers.teller import users

GOOD: dict[str, Any] = msgspec.to_builtins(
    Snapshot(at=1e9, process="here:1", uptime=5.0, caches=[users()])
)


@contextmanager
def answering(*parts: bytes) -> Iterator[str]:
    """Answer every request with these bytes, and yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    taken, _ = listening.accept()
                    with taken:
                        taken.recv(65_536)
                        for part in parts:
                            taken.sendall(part)
                            time.sleep(0.02 if len(parts) > 1 else 0)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def reply(snapshot: dict[str, Any]) -> bytes:
    body = msgspec.json.encode(snapshot)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        b"\x1b[2J\x1b]0;x\x07 hello\r\n\r\n",
        b"HTTP/1.1 500 \x1b[31m\r\nContent-Length: 0\r\n\r\n",
        reply({**GOOD, "at": 1e300}),
        reply({**GOOD, "uptime": 1e300}),
    ],
)
def test_nonsense_is_told_in_a_line(answer: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(answer) as url:
        assert main(["top", url, "--once"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("augury: ")
    assert told.count("\n") == 1
    assert "\x1b" not in told


def test_names_and_figures_do_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    odd = {
        **GOOD["caches"][0],
        "name": "\x1b[2J\x9b31m\u202ename",
        "history": [[1, 2, 5.0, -7.0, 9]],
    }
    with answering(reply({**GOOD, "process": "\x1b]0;x\x07", "caches": [odd]})) as url:
        assert main(["top", url, "--once"]) == 0
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(shown)


def test_an_address_that_can_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", f"http://{'a' * 300}:1", "--once"]) == 2
    assert "no answer from" in capsys.readouterr().err


def test_a_reply_that_does_not_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(snapshot_client, "_ALTOGETHER", 0.2)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n"
    with answering(head, *[b" "] * 100_000) as url:
        assert main(["top", url, "--once"]) == 2
    assert "augury serve" in capsys.readouterr().err
