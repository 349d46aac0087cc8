"""`augury top`: what it shows, and what it says where there is nothing to show."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from augury.cli import main
from augury.cli.snapshot_client import SnapshotClient
from augury.cli.top_screen import screen
from augury.errors import ServiceError
from augury.observe import Snapshot
from augury.observe.views import CacheView, ModelView, Point, PolicyView, TiersView, TierView
from tests.unit.observed import one_of_each


@contextmanager
def serving(status: int, body: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """A server that answers all requests alike, and keeps what they were authorised by."""
    seen: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://elsewhere.invalid/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def shown(snapshot: Snapshot, trouble: str = "", width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    console.print(screen(snapshot, "http://here", trouble))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def cache_view(name: str = "users", **options: object) -> CacheView:
    told: dict[str, object] = {
        **dict.fromkeys(CacheView.__struct_fields__, 0),
        "name": name,
        "capacity": 100,
        "weight": 50,
        "hit_ratio": 0.5,
        "policy": PolicyView(policy="auto", ruling="loops and scans", reason="it won"),
        "model": None,
        "curve": None,
        "history": [],
    }
    return msgspec.convert({**told, **options}, CacheView)


def snapshot_of(*caches: CacheView, **sections: object) -> Snapshot:
    return msgspec.convert(
        {"at": 1e9, "process": "host:1", "uptime": 61.0, "caches": list(caches), **sections},
        Snapshot,
    )


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    with one_of_each() as observer:
        return observer.snapshot()


def test_it_shows_each_kind_of_thing(snapshot: Snapshot) -> None:
    text = shown(snapshot)
    for word in ("LRU", "auto: most workloads", "precision", "double", "not computed", "could hit"):
        assert word in text


def test_a_cache_is_compared_in_a_line() -> None:
    points = [
        Point(at=1.0, requests=0, hit_ratio=None, lru=None, optimum=None),
        Point(at=2.0, requests=50, hit_ratio=0.0, lru=None, optimum=None),
        Point(at=4.0, requests=2_400, hit_ratio=1.0, lru=0.75, optimum=1.0),
    ]
    model = ModelView(
        kind="gbm", version=3, importance={"age": 0.6, "gap1": 0.4}, events=[(1.0, "deployed: x")]
    )
    text = shown(snapshot_of(cache_view(history=points, model=model)))
    for word in ("50.0%", "1,200", "100.0%", "75.0%", " ▁█", "gbm 3", "age 60%, gap1 40%"):
        assert word in text
    assert "up 0:01:01" in text


def test_a_tier_that_is_down_says_why() -> None:
    tier = TierView(name="redis", healthy=False, reason="connection refused")
    tiers = TiersView(
        name="t", tiers=[tier], loads=0, load_failures=0, joined=0, refreshes=0, waiting=0
    )
    assert "down: connection refused" in shown(snapshot_of(tiers=[tiers]))


def test_names_say_nothing_to_the_terminal() -> None:
    text = shown(snapshot_of(cache_view("[red]evil\x1b]0;title\x07\n")), trouble="\x1b[2J")
    assert "[red]evil" in text
    assert "\x1b]0" not in text
    assert "\x1b[2J" not in text


def test_nothing_observed_says_what_to_do() -> None:
    assert "Nothing is observed" in shown(snapshot_of())


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    tier = TierView(name="redis", healthy=False)
    tiers = TiersView(
        name="t", tiers=[tier], loads=0, load_failures=0, joined=0, refreshes=0, waiting=0
    )
    assert "31m" not in shown(snapshot_of(tiers=[tiers]))


def test_a_token_is_sent_and_the_answer_read(snapshot: Snapshot) -> None:
    with serving(200, msgspec.json.encode(snapshot)) as (url, seen):
        assert SnapshotClient(url, "secret").read() == snapshot
        assert SnapshotClient(url.removeprefix("http://"), None).read() == snapshot
    assert seen == ["Bearer secret", None]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, b"", "wants a valid token; give one by --token or AUGURY_TOKEN"),
        (403, b"", "the token may not read"),
        (429, b"", "too many requests"),
        (302, b"", "does not answer as augury serve of this version: status 302"),
        (200, b"<html>", "does not answer as augury serve"),
        (200, b'{"at": "x"}', "does not answer as augury serve"),
    ],
)
def test_refusals_are_one_line(status: int, body: bytes, message: str) -> None:
    with serving(status, body) as (url, _), pytest.raises(ServiceError, match=message) as refused:
        SnapshotClient(url, "secret").read()
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ftp://x"], "is no URL"),
        (["http://x:99999"], "is no URL"),
        (["http://u:p@x"], "is no URL"),
        (["http://x/path"], "is no URL"),
        (["http://127.0.0.1:9", "--token", "a\nb"], "a token is printable ASCII text"),
        (["https://127.0.0.1:9", "--ca", __file__], "has no certificates"),
        (["http://127.0.0.1:9"], "no answer from http://127.0.0.1:9: "),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", *arguments]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert not told.out


def test_json_is_the_snapshot(snapshot: Snapshot, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(200, msgspec.json.encode(snapshot)) as (url, _):
        assert main(["top", url, "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out, type=Snapshot) == snapshot


def test_once_prints_the_tables(snapshot: Snapshot, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(200, msgspec.json.encode(snapshot)) as (url, _):
        assert main(["top", url, "--once"]) == 0
    assert "precision" in capsys.readouterr().out


def test_a_certificate_file_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "--ca", str(tmp_path / "none.pem")]) == 2
    assert "does not exist" in capsys.readouterr().err
