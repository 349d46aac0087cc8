"""Memcached servers that are down, hang, are full, or talk nonsense: loud, and never for ever."""

import os
import socket
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from augury.errors import TierError
from augury.tiers import Entry, Lease
from augury.tiers.memcached import Memcached
from augury.tiers.memcached.server import Server
from tests.servers.memcached import Memcached as RealServer
from tests.servers.memcached import memcached
from tests.servers.process import free_port

ONE_LINE = r"^Memcached server [^\n]+$"
LEASE = Lease(until=2**32)
PATIENT = 10.0
"""Seconds; for calls that should be answered, on a busy machine."""


@pytest.fixture
def server() -> Iterator[RealServer]:
    with memcached() as server:
        yield server


@contextmanager
def opened(*addresses: str, timeout: float = 0.2) -> Iterator[Memcached]:
    with closing(Memcached(addresses, timeout=timeout)) as tier:
        yield tier


def calls(tier: Memcached, key: Hashable) -> list[Callable[[], object]]:
    entry = Entry(1)
    return [
        lambda: tier.get_many([key]),
        lambda: tier.set_many({key: entry}),
        lambda: tier.delete_many([key]),
        lambda: tier.lease_many([key], LEASE),
        lambda: tier.lease_many([key], Lease(until=2**32, writes=True)),
        lambda: tier.fill_many({key: entry}, LEASE),
        lambda: tier.replace_many({key: entry}, {key: entry.version}),
        lambda: tier.release_many([key], LEASE),
        lambda: tier.get_changed({key: b""}),
        tier.clear,
    ]


def all_raise(tier: Memcached, key: Hashable = "a", match: str = ONE_LINE) -> None:
    for call in calls(tier, key):
        with pytest.raises(TierError, match=match):
            call()
    health = tier.health()
    assert not health.up
    assert "\n" not in health.reason


def works(tier: Memcached, key: Hashable = "a") -> None:
    tier.set_many({key: Entry("works")})
    found = tier.get_many([key])[key]
    assert isinstance(found, Entry)
    assert found.value == "works"
    assert tier.health().up


def test_down_from_the_start_and_up_later() -> None:
    with opened(f"127.0.0.1:{free_port()}") as tier:
        all_raise(tier, match="refused")
    with memcached() as server, opened(server.address, timeout=PATIENT) as tier:
        server.kill()
        all_raise(tier, match="refused")
        server.start()
        works(tier)


def test_no_such_host_and_no_such_socket() -> None:
    for address in ("host.invalid:11211", "/nowhere/socket"):
        with opened(address) as tier:
            all_raise(tier)


def test_killed_and_restarted(server: RealServer) -> None:
    with opened(server.address, timeout=PATIENT) as tier:
        works(tier)
        server.kill()
        all_raise(tier)
        server.restart()
        assert tier.get_many(["a"]) == {}
        works(tier)


def test_a_restart_between_two_calls_is_not_noticed(server: RealServer) -> None:
    """Nobody is told of the old connections, however many there are."""
    with opened(server.address, timeout=PATIENT) as tier:
        many = next(iter(tier._servers.values()))
        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(many.link()).version()
        assert len(many._idle) == 5
        server.restart()
        for call in calls(tier, "a"):
            call()


def test_killed_while_it_is_asked(server: RealServer) -> None:
    with opened(server.address, timeout=PATIENT) as tier:
        works(tier)
        server.pause()
        failures: list[TierError] = []

        def ask() -> None:
            try:
                tier.get_many(["a"])
            except TierError as error:
                failures.append(error)

        asking = [threading.Thread(target=ask) for _ in range(3)]
        for thread in asking:
            thread.start()
        time.sleep(0.1)
        server.kill()
        for thread in asking:
            thread.join()
        assert len(failures) == 3


def test_a_compare_and_swap_never_outlives_its_connection(server: RealServer) -> None:
    """A new server counts from the start, so that its numbers are those of the old one."""
    store = b"%s a 0 0 3%s\r\n%s\r\n"
    with closing(Server(server.address, PATIENT)) as asked:
        with asked.link() as link:
            link.send([store % (b"set", b"", b"old")], b"STORED")
            number = link.fetch([b"a"])[b"a"][1]
            server.restart()
            with asked.link() as other:
                other.send([store % (b"set", b"", b"new")], b"STORED")
                assert other.fetch([b"a"])[b"a"] == (b"new", number)
            with pytest.raises(TierError, match=ONE_LINE):
                link.send([store % (b"cas", b" " + number, b"bad")], b"STORED", b"EXISTS")
            with pytest.raises(TierError, match=ONE_LINE):
                link.send([store % (b"cas", b" " + number, b"bad")], b"STORED", b"EXISTS")
        with asked.link() as link:
            assert link.fetch([b"a"])[b"a"][0] == b"new"


def test_hung_and_back(server: RealServer) -> None:
    with opened(server.address) as tier:
        while not tier.health().up:  # however busy the machine is
            pass
        server.pause()
        all_raise(tier, match="did not answer within 0.2 s")
        server.resume()
    with opened(server.address, timeout=PATIENT) as tier:
        works(tier)


def test_a_late_reply_is_never_taken_for_another(server: RealServer) -> None:
    with opened(server.address, timeout=PATIENT) as tier:
        tier.set_many({key: Entry(key) for key in range(50)})
        for impatient in tier._servers.values():
            impatient.timeout = 0.05
        for key in range(10):
            server.pause()
            with pytest.raises(TierError):
                tier.get_many([key])
            with pytest.raises(TierError):
                tier.set_many({key: Entry(key)})
            server.resume()
        for impatient in tier._servers.values():
            impatient.timeout = PATIENT
        for key in range(50):
            found = tier.get_many([key])[key]
            assert isinstance(found, Entry)
            assert found.value == key


def test_one_of_three_is_down() -> None:
    """Its keys fail and go nowhere else, so that nothing old is there once it is back."""
    with ExitStack() as stack:
        servers = [stack.enter_context(memcached()) for _ in range(3)]
        tier = stack.enter_context(opened(*(it.address for it in servers), timeout=PATIENT))
        keys = list(range(60))
        tier.set_many({key: Entry("old") for key in keys})
        servers[0].kill()
        with pytest.raises(TierError, match=servers[0].address):
            tier.get_many(keys)
        up, down = [], []
        for key in keys:
            try:
                tier.set_many({key: Entry("new")})
                up.append(key)
            except TierError:
                down.append(key)
        assert len(up) > 20
        assert len(down) > 5
        for key in up:
            assert isinstance(tier.get_many([key])[key], Entry)
        all_raise(tier, down[0])
        servers[0].restart()
        assert {key for key in keys if tier.get_many([key])} == set(up)
        works(tier, down[0])


def test_a_deletion_reaches_whom_it_can() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(memcached()) for _ in range(3)]
        tier = stack.enter_context(opened(*(it.address for it in servers), timeout=PATIENT))
        keys = list(range(60))
        tier.set_many({key: Entry("old") for key in keys})
        for down in servers:
            down.kill()
            with pytest.raises(TierError, match=down.address):
                tier.delete_many(keys)
            down.restart()
            assert tier.get_many(keys) == {}
            tier.set_many({key: Entry("old") for key in keys})


def test_out_of_memory() -> None:
    with memcached("-m", "2", "-M") as server, opened(server.address, timeout=PATIENT) as tier:
        kept: dict[Hashable, bytes] = {key: os.urandom(50_000) for key in range(200)}
        entries = {key: Entry(value) for key, value in kept.items()}
        for _ in range(2):
            with pytest.raises(TierError, match="is out of memory"):
                tier.set_many(entries)
            found = tier.get_many(list(kept))
            assert 0 < len(found) < 200
            for key, it in found.items():
                assert isinstance(it, Entry)
                assert it.value == kept[key]
        tier.delete_many(list(kept))
        works(tier)


def test_a_full_server_forgets_something_older() -> None:
    with memcached("-m", "2") as server, opened(server.address, timeout=PATIENT) as tier:
        for key in range(200):
            tier.set_many({key: Entry(os.urandom(50_000))})
        assert 199 in tier.get_many(range(200))
        assert len(tier.get_many(range(200))) < 200
        works(tier)


@contextmanager
def impostor(answer: Callable[[socket.socket, bytes], object]) -> Iterator[str]:
    """Something that says it is Memcached, and answers all else in its own way."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def talk(client: socket.socket) -> None:
        with client:
            try:
                while received := client.recv(65_536):
                    if received == b"version\r\n":
                        client.sendall(b"VERSION 1.6.18\r\n")
                    elif answer(client, received) is not None:
                        return
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            open_ones.append(client)
            threading.Thread(target=talk, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield "{}:{}".format(*listener.getsockname())
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for client in open_ones:
            client.close()


NONSENSE = [
    b"",
    b"\r\n",
    b"\n",
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    b"ERROR\r\n",
    b"CLIENT_ERROR bad\r\nSTORED\r\n",
    b"SERVER_ERROR on fire\r\n",
    b"VALUE\r\n",
    b"VALUE a 0 x 1\r\nabc\r\nEND\r\n",
    b"VALUE another 0 3 1\r\nabc\r\nEND\r\n",
    b"VALUE a 0 -7 1\r\nEND\r\n",
    b"VALUE a 0 3000000000 1\r\nabc",
    b"\xff\x00\xfe" * 1_000 + b"\r\n",
    b"key=%%%\nSTORED\r\nSTORED\r\n",
    b"NOT_STORED",
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda it: repr(it[:24]))
def test_nonsense(nonsense: bytes) -> None:
    def answer(client: socket.socket, _: bytes) -> Any:
        client.sendall(nonsense)
        return None if nonsense else "hang up"

    with impostor(answer) as address, opened(address) as tier:
        for call in calls(tier, "a"):
            with pytest.raises(TierError, match=ONE_LINE):
                call()


def test_bytes_that_nobody_asked_for_end_a_connection() -> None:
    answered = threading.Event()

    def answer(client: socket.socket, _: bytes) -> None:
        client.sendall(b"END\r\n")
        answered.wait(PATIENT)
        client.sendall(b"STORED\r\n")

    with impostor(answer) as address, opened(address, timeout=PATIENT) as tier:
        assert tier.get_many(["a"]) == {}
        answered.set()
        server = next(iter(tier._servers.values()))
        first = server._idle[0]
        first.sock.recv(1, socket.MSG_PEEK)
        with server.link() as link:
            assert link.client is not first


def test_a_server_that_dribbles_does_not_hold_its_caller() -> None:
    """Each byte comes in time, and the whole never does."""
    stop = threading.Event()

    def answer(client: socket.socket, _: bytes) -> None:
        while not stop.wait(0.02):
            client.sendall(b"x")

    with impostor(answer) as address, opened(address) as tier:
        for call in calls(tier, "a"):
            with pytest.raises(TierError, match="did not answer within"):
                call()
        stop.set()


def test_others_that_write_all_the_time_do_not_hold_a_lease_for_ever() -> None:
    def answer(client: socket.socket, asked: bytes) -> None:
        client.sendall(b"END\r\n" if asked.startswith(b"gets") else b"NOT_STORED\r\n")

    with (
        impostor(answer) as address,
        opened(address, timeout=PATIENT) as tier,
        pytest.raises(TierError, match="too fast to lease"),
    ):
        tier.lease_many(["a"], LEASE)
