"""The programs in examples/ run against real servers."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import postgres, valkey

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_cache_of_a_few_lines() -> None:
    url = f"redis://127.0.0.1:{valkey.shared().port}"
    assert run("kvcache.py", url) == ("{'text': 'hello', 'times': (1, 2, 3)} True False\n")


def test_rows_of_postgresql_read_through_valkey() -> None:
    url = f"redis://127.0.0.1:{valkey.shared().port}"
    with postgres.postgres() as server:
        printed = run("read_through.py", server.url, url)
    first, second, stats = printed.splitlines()
    ada, alan = {"name": "Ada", "city": "London"}, {"name": "Alan", "city": "Wilmslow"}
    assert first == f"{ada} {ada}"
    assert second == str({1: ada, 2: alan})
    assert "loads=2" in stats


def test_a_chat_reuses_its_earlier_turns() -> None:
    pytest.importorskip("transformers")
    *turns, same, _ = run("prefix_reuse.py").splitlines()
    assert turns[1] == "Ada, turn 2: 370 tokens, 336 of them reused"
    assert turns[3] == "Alan, turn 1: 320 tokens, 288 of them reused"
    assert same == "the same as without the cache: True"
