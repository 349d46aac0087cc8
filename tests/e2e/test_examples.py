"""The programs in examples/ run against real servers."""

import subprocess
import sys
from pathlib import Path

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


def test_pages_are_fetched_ahead() -> None:
    printed = run("prefetch.py").splitlines()
    assert printed[0].endswith("of the pages had to wait")
    assert printed[2].split()[1:4] == ["pages", "fetched", "ahead,"]
