"""What is written behind survives the end of the process, if that is not violent."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

WRITES = 300

PROGRAM = f"""
import sys, time
import augury
from augury.sources import SQL, Coalesced, Resilient, Source
from augury.tiers import Memory, Tiers

kind, url = sys.argv[1:3]

class Late(Source):
    writable = True
    def __init__(self, source): self.source = source
    def load_many(self, keys): return self.source.load_many(keys)
    def store_many(self, items):
        time.sleep(0.02)
        self.source.store_many(items)
    def remove_many(self, keys): self.source.remove_many(keys)

source = Late(SQL(url, table="rows", key="name", row="value"))
if kind == "resilient":
    source = Coalesced(Resilient(source))
tiers = Tiers([Memory(1000)], source=source, write="behind", tags=lambda key: [key[-1]])
for number in range({WRITES}):
    tiers[f"key {{number}}"] = number
    if kind == "killed" and number == {WRITES} // 2:
        tiers.flush()
        print("flushed", flush=True)
if kind == "task":
    import asyncio
    asyncio.run(tiers.aset("last", 1))
if kind == "error":
    raise SystemExit("an error of the program")
if kind == "killed":
    print("queued", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "rows.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE rows (name TEXT PRIMARY KEY, value INTEGER)")
    connection.close()
    return path


def rows(database: Path) -> dict[str, int]:
    with sqlite3.connect(database) as connection:
        found = dict(connection.execute("SELECT name, value FROM rows"))
    connection.close()
    return found


def program(kind: str, database: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, kind, f"sqlite:///{database}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kind", ["plain", "resilient", "task", "error"])
def test_an_interpreter_that_ends_by_itself_writes_everything(kind: str, database: Path) -> None:
    with program(kind, database) as process:
        _, said = process.communicate(timeout=120)
    assert said.strip() == ("an error of the program" if kind == "error" else "")
    assert rows(database) == {f"key {number}": number for number in range(WRITES)} | (
        {"last": 1} if kind == "task" else {}
    )


def test_a_crash_loses_at_most_what_was_queued(database: Path) -> None:
    with program("killed", database) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "flushed\n"
        assert process.stdout.readline() == "queued\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    written = rows(database)
    assert written.items() <= {f"key {number}": number for number in range(WRITES)}.items()
    assert {f"key {number}" for number in range(WRITES // 2 + 1)} <= written.keys()
