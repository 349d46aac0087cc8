"""`augury top` and a real service, in processes of their own."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from augury.observe import Snapshot
from tests.servers.service import COMMAND, serving

CONFIGURATION = f"""
[service.tokens.reader]
sha256 = "{hashlib.sha256(b"a-secret-token").hexdigest()}"
scopes = ["read", "write"]
[caches.users]
capacity = 100
policy = "lru"
"""


def top(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "top", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "COLUMNS": "160", **environment},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("top")


def test_it_shows_what_the_service_does_and_says_when_it_cannot(folder: Path) -> None:
    with serving(folder, CONFIGURATION) as served:
        shown = top(served.url, AUGURY_TOKEN="a-secret-token")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "users" in shown.stdout
        assert "lru" in shown.stdout
        assert "\x1b" not in shown.stdout
        told = top(served.url, "--json", "--token", "a-secret-token")
        snapshot = msgspec.json.decode(told.stdout, type=Snapshot)
        assert [cache.name for cache in snapshot.caches] == ["users"]
        refused = top(served.url, "--token", "another-token")
        assert refused.returncode == 2
        assert "wants a valid token" in refused.stderr
    down = top(served.url)
    assert down.returncode == 2
    assert "no answer from" in down.stderr
    assert down.stderr.count("\n") == 1
