"""What a configuration describes is made as a whole, or not at all."""

import sqlite3
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

pytest.importorskip("pydantic_settings")

import augury
from augury.cli import main
from augury.config import build, load_settings
from augury.errors import SettingsError, TierError
from tests.servers import valkey

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        path = tmp_path / "augury.toml"
        path.write_text(text)
        return path

    return write


def threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name != "augury-background"}


def test_caches_are_made_as_described(write: Write) -> None:
    path = write('[caches.few]\ncapacity = 2\npolicy = "lru"\n[caches.small]\ncapacity = "1kB"\n')
    with build(load_settings(path)) as built:
        few, small = built.caches["few"], built.caches["small"]
        assert isinstance(few, augury.Cache)
        assert isinstance(small, augury.Cache)
        assert (few.capacity, few.policy.name, small.capacity) == (2, "lru", 1000)
        small["a"] = b"x" * 400
        small["b"] = ("text/plain", b"x" * 400)
        assert small.weight == 810
        small["c"] = b"x" * 2000
        assert "c" not in small
        assert {view.name for view in built.observer.snapshot().caches} == {"few", "small"}


def test_what_was_written_behind_is_there_after_closing(write: Write) -> None:
    path = write(
        '[caches.s]\nttl = "1h"\nwrite = "behind"\n'
        '[[caches.s.tiers]]\nkind = "memory"\n'
        '[[caches.s.tiers]]\nkind = "disk"\nfolder = "disk"\ncapacity = "8MiB"\n'
    )
    before = threads()
    with build(load_settings(path)) as built:
        for number in range(200):
            built.caches["s"][f"k{number}"] = number
    assert threads() <= before
    with build(load_settings(path)) as again:
        assert [again.caches["s"][f"k{number}"] for number in range(200)] == list(range(200))
    again.close()


def test_redis_has_its_password_from_the_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", str(valkey.shared().port))
    path = write(
        '[caches.s]\nconsistency = "tracked"\n[[caches.s.tiers]]\nkind = "memory"\n'
        '[[caches.s.tiers]]\nkind = "redis"\nurl = "redis://127.0.0.1:${PORT}"\n'
    )
    with build(load_settings(path)) as built:
        tiers = built.caches["s"]
        assert isinstance(tiers, augury.Tiers)
        tiers["a"] = 1
        assert all(health.up for health in tiers.health().values())


def test_answers_are_registered(write: Write, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "sales.db") as database:
        database.execute("CREATE TABLE sales (month INTEGER, amount REAL)")
        database.executemany("INSERT INTO sales VALUES (?, ?)", [(1, 5.0), (2, 7.0)])
    database.close()
    path = write(
        f'[caches.kept]\n[answers.shop]\ndatabase = "sqlite:///{tmp_path}/sales.db"\ncache = "kept"'
        '\n[answers.shop.queries.sum]\ntolerance = "5%"\nconfidence = 0.9\n'
        'sql = "SELECT sum(amount) FROM sales WHERE month BETWEEN :first AND :last"\n'
        'parameters = { first = "int", last = { kind = "int", most = 12 } }\n'
    )
    with build(load_settings(path)) as built:
        shop = built.answers["shop"]
        assert shop.ask("sum", first=1, last=2).value == 12.0
        assert shop.ask("sum", first=1, last=2).origin == "cache"
        assert len(built.caches["kept"]) == 1  # type: ignore[arg-type]
        with pytest.raises(augury.AuguryError, match="at most 12"):
            shop.ask("sum", first=1, last=13)
    assert main(["config", "check", "--connect"]) == 0


def test_nothing_is_left_over_when_something_cannot_be_made(write: Write, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = write(
        'registry = "file"\n[caches.fine]\n'
        '[caches.a]\nttl = "1h"\nwrite = "behind"\n'
        '[[caches.a.tiers]]\nkind = "disk"\nfolder = "disk"\n'
        '[caches.b]\n[[caches.b.tiers]]\nkind = "memory"\n'
        '[[caches.b.tiers]]\nkind = "disk"\nfolder = "disk-b"\n'
        '[caches.c]\nmodel = "no such file"\npolicy = "learned"\n'
        '[answers.shop]\ndatabase = "sqlite://"\n'
        '[answers.shop.queries.odd]\nsql = "DELETE FROM sales"\n'
        '[answers.shop.queries.none]\nsql = "SELECT 1 FROM t WHERE a = :a"\n'
    )
    before = threads()
    with pytest.raises(SettingsError) as raised:
        build(load_settings(path))
    assert [line.partition(":")[0] for line in raised.value.mistakes] == [
        "registry",
        "caches.b",
        "caches.c",
        "answers.shop.queries.odd",
        "answers.shop.queries.none",
    ]
    assert threads() <= before


def test_servers_that_are_down_are_no_mistake_but_are_told(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write('[caches.s]\nttl = 1\ntiers = [{kind = "redis", url = "redis://:hunter2@127.0.0.1:1"}]\n')
    assert main(["config", "check"]) == 0
    assert "redis://***@127.0.0.1:1" in capsys.readouterr().out
    assert main(["config", "check", "--connect"]) == 1
    printed = capsys.readouterr().out
    assert "caches.s.redis: down: " in printed
    assert "hunter2" not in printed


def test_checking_makes_no_folders(write: Write, tmp_path: Path) -> None:
    write(
        'registry = "models"\n[training]\nfolder = "logs"\n[caches.a]\nrecord = true\n'
        '[caches.s]\nttl = 1\ntiers = [{kind = "disk", folder = "disk"}]\n'
    )
    assert main(["config", "check", "--json"]) == 0
    assert [each.name for each in tmp_path.iterdir()] == ["augury.toml"]


def test_the_example_is_valid(write: Write, tmp_path: Path) -> None:
    example = (resources.files("augury.config") / "example.toml").read_text()
    path = write(example)
    with build(load_settings(path)) as built:
        assert list(built.caches) == ["users", "pages", "sessions"]
    # What it shows in comments is valid, too.
    lines = [line.removeprefix("# ") for line in example.splitlines()]
    start = lines.index("[answers.flights]")
    queries = "\n".join(lines[start:]).replace("#\n", "\n").replace("${PGPASSWORD}", "secret")
    assert "flights" in load_settings(write(queries)).answers


def test_a_closed_tier_takes_nothing(write: Write) -> None:
    path = write('[caches.s]\nttl=1\ntiers = [{kind = "disk", folder = "disk"}]\n')
    built = build(load_settings(path))
    built.close()
    with pytest.raises(TierError):
        del built.caches["s"]["a"]
