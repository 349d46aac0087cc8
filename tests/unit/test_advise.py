"""`augury advise` against real servers: what it finds, and what it does with bad ones."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("redis")
pytest.importorskip("typer")

import redis

from augury.advice.redis import RedisAdvice, advise
from augury.cli import main
from augury.errors import ConfigurationError, SourceError
from tests.servers.process import free_port, wait_until
from tests.servers.redis import redis_server
from tests.servers.valkey import Valkey, valkey


@contextmanager
def load(
    server: Valkey, work: Callable[[redis.Redis, np.random.Generator], object]
) -> Iterator[None]:
    """Clients that go on while the block runs."""
    stop = threading.Event()

    def run(seed: int) -> None:
        rng = np.random.default_rng(seed)
        with redis.Redis(port=server.port) as client:
            while not stop.is_set():
                try:
                    work(client, rng)
                except redis.RedisError:
                    time.sleep(0.01)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def aside(client: redis.Redis, rng: np.random.Generator) -> None:
    """Reads with popularity, a write after each miss, and pairs that go together."""
    for rank in rng.zipf(1.2, 100).tolist():
        key = f"user:{rank % 3000}"
        if client.get(key) is None:
            client.set(key, b"x" * (200 + rank % 700))
    order = int(rng.integers(20))
    for key in (f"order:{order}", f"customer:{order}"):
        if client.get(key) is None:
            client.set(key, b"y" * 50, ex=1000)


def no_change(server: Valkey) -> dict[str, Any]:
    info = server.ask("INFO")
    return {name: info[name] for name in ("maxmemory", "maxmemory_policy", "db0")}


@pytest.mark.parametrize(("start", "software"), [(valkey, "Valkey"), (redis_server, "Redis")])
def test_it_predicts_the_hit_ratio_of_the_server_that_it_watches(start: Any, software: str) -> None:
    with (
        start(maxmemory="2500kb", maxmemory_policy="allkeys-random") as server,
        load(server, aside),
    ):
        time.sleep(2)
        found = advise(server.url, seconds=3)
    assert found.watched is not None
    assert found.watched.ended == "time"
    assert found.watched.reads > 1000
    assert found.watched.hit_ratio is not None
    limit = found.present.settings.maxmemory
    rows = {each.policy: each for each in found.forecasts if each.maxmemory == limit}
    assert abs(rows["allkeys-random"].hit_ratio - found.watched.hit_ratio) < 0.08
    assert {"allkeys-lru", "allkeys-lfu", "volatile-ttl", "noeviction", "augury auto"} <= set(rows)
    by_size = [each.hit_ratio for each in found.forecasts if each.policy == "allkeys-lru"]
    assert by_size == sorted(by_size)
    assert found.present.software.startswith(software)
    assert {each.prefix for each in found.prefixes} >= {"user:", "order:"}
    assert any(
        (each.after[:6], each.after[6:]) == ("order:", each.comes.removeprefix("customer:"))
        for each in found.pairs
    )


def test_the_report_and_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "commands"
    with valkey(maxmemory="2mb", maxmemory_policy="allkeys-random") as server, load(server, aside):
        time.sleep(1)
        assert main(["advise", "--redis", server.url, "--seconds", "2", "--out", str(out)]) == 0
        told = server.ask("CONFIG", "GET", "maxmemory-policy")
    assert "allkeys-random" in str(told)  # nothing was applied
    written, warned = capsys.readouterr()
    assert "Predicted hit ratio by maxmemory" in written
    assert "MONITOR slows the server" in warned
    for line in out.read_text().splitlines():
        assert line.split()[0] in {"CONFIG", "EXPIRE", "UNLINK"}
        assert line in written


def test_the_keyspace_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with valkey() as server, redis.Redis(port=server.port) as client:
        hostile = b'a "b"\n\r\x00\x1b[31m\xff;rm -rf /'
        client.set(hostile, b"x" * 50_000)
        client.set(b"k" * 100_000, b"huge name")
        for at in range(300):
            client.hset(f"session:{at}", mapping={"a": at})
        for name in [hostile, b"session:1", b"k" * 100_000]:
            client.restore(name, 0, client.dump(name), replace=True, idletime=100_000)
        before = no_change(server)
        assert main(["advise", "--redis", server.url, "--keyspace", "--json"]) == 0
        assert no_change(server) == before
        assert client.object("idletime", b"session:1") >= 100_000  # looking is no use
        assert server.ask("INFO", "commandstats").get("cmdstat_monitor") is None
        assert server.ask("INFO", "commandstats").get("cmdstat_keys") is None
        found = json.loads(capsys.readouterr().out)
        assert found["watched"] is None
        assert found["forecasts"] == []
        assert found["sampled_keys"] == 302
        assert {each["key"] for each in found["cold"]} >= {"session:1"}
        unlink = [each["command"] for each in found["suggestions"] if "UNLINK" in each["command"]]
        assert r'UNLINK "a \"b\"\n\x0d\x00\x1b[31m\xff;rm -rf /"' in unlink
        assert all(len(each) < 5000 for each in unlink)
        assert all("\x1b" not in each for each in unlink)
        # redis-cli and servers read inline commands alike.
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            raw.sendall(next(each for each in unlink if "rm -rf" in each).encode() + b"\r\n")
            assert raw.recv(10) == b":1\r\n"
        assert not client.exists(hostile)


def test_an_idle_and_empty_server() -> None:
    with valkey() as server:
        found = advise(server.url, seconds=0.3)
        assert found.watched is not None
        assert (found.watched.reads, found.sampled_keys, found.forecasts) == (0, 0, [])
        assert "no reads were watched" in " ".join(found.notes)
        assert advise(server.url, keyspace=True).suggestions == []


def test_it_ends_in_time_and_leaves_no_monitor_behind() -> None:
    with valkey() as server, load(server, aside):
        begun = time.monotonic()
        found = advise(server.url, seconds=0.5, keyspace=False)
        assert found.watched is not None
        assert found.watched.seconds < time.monotonic() - begun
        wait_until(lambda: monitors(server) == 0, "MONITOR goes on")
        limited = advise(server.url, seconds=60, most_bytes=50_000)
        assert limited.watched is not None
        assert limited.watched.ended == "bytes"
        few = advise(server.url, seconds=60, sample=500)
        assert few.watched is not None
        assert few.watched.ended == "commands"


def monitors(server: Valkey) -> int:
    listed: bytes = server.ask("CLIENT", "LIST")
    return sum(b"cmd=monitor" in line for line in listed.splitlines())


def test_an_interrupt_ends_monitor() -> None:
    with valkey() as server:

        def interrupt(what: str, share: float) -> None:
            if what == "Watching" and share > 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            advise(server.url, seconds=30, progress=interrupt)
        wait_until(lambda: monitors(server) == 0, "MONITOR goes on")


def test_a_server_that_dies_meanwhile() -> None:
    with valkey() as server:
        threading.Timer(0.5, server.kill).start()
        with pytest.raises(SourceError, match="cannot be reached") as failure:
            advise(server.url, seconds=30)
        assert "\n" not in str(failure.value)
        server.start()


def test_commands_of_other_databases_are_left_out() -> None:
    with valkey() as server:

        def elsewhere(client: redis.Redis, rng: np.random.Generator) -> None:
            with redis.Redis(port=server.port, db=3) as other:
                other.get(f"far:{rng.integers(5)}")
            client.get("near:1")

        with load(server, elsewhere):
            found = advise(server.url, seconds=0.5)
            there = advise(f"{server.url}/3", seconds=0.5)
        assert found.watched is not None
        assert there.watched is not None
        assert found.watched.keys == 1
        assert 1 < there.watched.keys <= 5
        assert "other databases" in " ".join(found.notes)


def test_binary_keys_are_watched() -> None:
    def binary(client: redis.Redis, rng: np.random.Generator) -> None:
        key = b'\x00"\\\r\n\xff' + bytes([int(rng.integers(256))])
        if client.get(key) is None:
            client.set(key, b"\xff" * 300)

    with valkey(maxmemory="2mb", maxmemory_policy="allkeys-lru") as server, load(server, binary):
        found = advise(server.url, seconds=1)
    assert found.watched is not None
    assert found.watched.keys <= 256
    assert all(key.key.startswith(r'"\x00\"\\\x0d\n\xff') for key in found.big)


def test_without_the_right_to_monitor_the_keyspace_is_looked_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with valkey() as server:
        server.ask("SET", "user:1", "x")
        server.ask(
            "ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-monitor", "-config"
        )
        url = f"redis://limited:secret@127.0.0.1:{server.port}"
        found = advise(url, seconds=0.2)
        assert found.watched is None
        assert found.sampled_keys == 1
        said = " ".join(found.notes)
        assert "refuses MONITOR" in said
        assert "refuses CONFIG" in said
        assert main(["advise", "--redis", url, "--seconds", "0.2"]) == 0
        assert "secret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("rights", "refused"), [("-info", "INFO"), ("-scan", "SCAN"), ("-@all", "INFO")]
)
def test_a_user_who_may_not_even_look(rights: str, refused: str) -> None:
    with valkey() as server:
        server.ask("ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", rights)
        with pytest.raises(SourceError, match=f"refuses {refused}|refuses") as failure:
            advise(f"redis://limited:secret@127.0.0.1:{server.port}", keyspace=True)
        assert "secret" not in str(failure.value)


def test_a_wrong_password_and_none() -> None:
    with valkey(requirepass="right") as server:
        for user in (":wrong@", "", "nobody:wrong@"):
            with pytest.raises(
                SourceError, match="does not accept this user and password"
            ) as failure:
                advise(f"redis://{user}127.0.0.1:{server.port}", keyspace=True)
            assert "wrong" not in str(failure.value)
        assert isinstance(
            advise(f"redis://:right@127.0.0.1:{server.port}", keyspace=True), RedisAdvice
        )


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert main(["advise", "--redis", f"redis://u:secret@127.0.0.1:{port}", "--keyspace"]) == 2
    said = capsys.readouterr().err
    assert f"127.0.0.1:{port}/0 cannot be reached" in said
    assert "secret" not in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x01\x02\r\n" * 5, b""]
)
def test_what_is_no_redis(reply: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            while True:
                try:
                    accepted, _ = listening.accept()
                except OSError:
                    return
                with accepted:
                    accepted.recv(1000)
                    accepted.sendall(reply)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(SourceError, match=r"does not answer|cannot be reached"):
            advise(f"redis://127.0.0.1:{port}", keyspace=True)
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "url", ["http://user:secret@127.0.0.1", "127.0.0.1:6379", "", "redis://u:secret@127.0.0.1:abc"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL must be redis://") as failure:
        advise(url)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize(
    "options", [["--seconds", "0"], ["--seconds", "-1"], ["--seconds", "nan"], ["--sample", "0"]]
)
def test_numbers_that_make_no_sense(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", "--redis", "redis://127.0.0.1:1", *options]) == 2
    assert "must be" in capsys.readouterr().err


def test_a_node_of_a_cluster_says_so() -> None:
    with valkey(cluster_enabled="yes") as server:
        server.ask("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        found = advise(server.url, keyspace=True)
    assert "one node of a cluster" in " ".join(found.notes)
