"""`augury serve` as a process: signals, slow and hostile clients, TLS, and what a stop writes."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.servers.process import wait_until
from tests.servers.service import Served, refused, serving
from tests.servers.tls import self_signed

CACHE = '[caches.pages]\ncapacity = 100\npolicy = "lru"\n'
SERVICE = "[service]\nread_seconds = 0.3\nstop_seconds = 30\nbody_limit = 1000000\n" + CACHE
PAGE = "/v1/caches/pages/entries/a"
BEGUN = f"PUT {PAGE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nab".encode()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, SERVICE) as service:
        yield service


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Served]:
    """Let a service wait long for clients, so that tests can begin requests and end them."""
    with serving(tmp_path, SERVICE.replace("0.3", "60")) as service:
        yield service


def everything(connection: socket.socket) -> bytes:
    """Return what comes until the server hangs up."""
    received = b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return received


def accepts(service: Served) -> bool:
    try:
        service.connect().close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_serves_and_stops(service: Served, number: signal.Signals) -> None:
    assert service.line == f"augury: listening on http://127.0.0.1:{service.port}\n"
    with httpx.Client(base_url=service.url) as client:
        assert client.put(PAGE, content=b"1").status_code == 204
        assert client.get(PAGE).content == b"1"
        service.signal(number)
        assert service.ended() == (0, "")


def test_it_says_so_as_json(tmp_path: Path) -> None:
    with serving(tmp_path, SERVICE, "--json") as service:
        assert json.loads(service.line)["url"].startswith("http://127.0.0.1:")


def test_requests_under_way_finish(patient: Served) -> None:
    with patient.connect() as begun, patient.connect() as idle:
        begun.sendall(BEGUN)
        wait_until(lambda: httpx.get(f"{patient.url}/healthz").is_success, "it does not serve")
        patient.signal()
        assert everything(idle) == b""
        wait_until(lambda: not accepts(patient), "it still accepts")
        begun.sendall(b"cd")
        assert everything(begun).startswith(b"HTTP/1.1 204")
    assert patient.ended() == (0, "")


def test_requests_that_do_not_end_are_given_up(tmp_path: Path) -> None:
    patient = SERVICE.replace("0.3", "60").replace("= 30", "= 1")
    with serving(tmp_path, patient) as service, service.connect() as begun:
        begun.sendall(BEGUN)
        wait_until(lambda: httpx.get(f"{service.url}/healthz").is_success, "it does not serve")
        service.signal()
        assert service.ended()[0] == 0


def test_a_second_signal_ends_it_at_once(patient: Served) -> None:
    with patient.connect() as begun:
        begun.sendall(BEGUN)
        wait_until(lambda: httpx.get(f"{patient.url}/healthz").is_success, "it does not serve")
        patient.signal()
        wait_until(lambda: not accepts(patient), "it still accepts")
        patient.signal()
        assert patient.ended()[0] == -signal.SIGTERM


def test_a_port_in_use(service: Served, tmp_path: Path) -> None:
    line = refused(tmp_path, SERVICE, "--port", str(service.port))
    assert f"cannot listen on 127.0.0.1 port {service.port}: address already in use" in line


def test_addresses_that_cannot_be(tmp_path: Path) -> None:
    assert "service.tokens" in refused(tmp_path, SERVICE, "--host", "0.0.0.0")
    token = '[service.tokens.one]\nsha256 = "' + "0" * 64 + '"\n'
    assert "cannot listen on 192.0.2.1" in refused(tmp_path, SERVICE + token, "--host", "192.0.2.1")


def test_a_configuration_that_cannot_be(tmp_path: Path) -> None:
    assert "capacity" in refused(tmp_path, "[caches.pages]\ncapacity = -1\n")


# Clients


def test_a_head_that_does_not_end(service: Served) -> None:
    with service.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: ")
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in answer


def test_a_head_that_does_not_begin(service: Served) -> None:
    with service.connect() as client:
        assert everything(client) == b""


def test_a_second_head_that_does_not_end(service: Served) -> None:
    with service.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HT")
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1 408") == 1


def test_a_body_that_does_not_end(service: Served) -> None:
    with service.connect() as client:
        client.sendall(BEGUN)
        assert everything(client).startswith(b"HTTP/1.1 408")


def test_headers_without_end(service: Served) -> None:
    with service.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        answer = b""
        try:
            for _ in range(100):
                client.sendall(b"X-A: " + b"a" * 10_000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            answer = everything(client)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    assert httpx.get(f"{service.url}/healthz").is_success


def test_what_is_no_http(service: Served) -> None:
    with service.connect() as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert everything(client).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: -1",
        b"Content-Length: 1x",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked",
    ],
)
def test_lengths_that_contradict_each_other(service: Served, head: bytes) -> None:
    with service.connect() as client:
        client.sendall(
            f"PUT {PAGE} HTTP/1.1\r\nHost: localhost\r\n".encode() + head + b"\r\n\r\nabc"
        )
        assert everything(client).startswith(b"HTTP/1.1 400")


def test_a_chunked_body_that_is_too_long(service: Served) -> None:
    with service.connect() as client:
        client.sendall(
            f"PUT {PAGE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        try:
            for _ in range(20):
                client.sendall(b"186A0\r\n" + b"x" * 100_000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = everything(client)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert httpx.get(service.url + PAGE).status_code == 404


def test_a_client_that_does_not_read(service: Served) -> None:
    with httpx.Client(base_url=service.url) as client:
        client.put(PAGE, content=b"x" * 1_000_000)
    request = f"GET {PAGE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with service.connect() as slow:
        assert httpx.get(f"{service.url}/healthz").is_success
        wait_until(lambda: sockets(service) == 2, "there is not this one alone")
        slow.sendall(request * 50)  # more than the kernel keeps
        wait_until(lambda: sockets(service) == 1, "the connection stays")
    assert httpx.get(f"{service.url}/healthz").is_success


def sockets(service: Served) -> int:
    """Return how many TCP sockets the process has open, the listening one included."""
    listed = Path(f"/proc/{service.process.pid}/net/tcp").read_text().splitlines()[1:]
    inodes = {line.split()[9] for line in listed}
    opened = list(Path(f"/proc/{service.process.pid}/fd").iterdir())
    links = [os.readlink(each) for each in opened if each.is_symlink()]
    return sum(link[8:-1] in inodes for link in links if link.startswith("socket:["))


def test_requests_one_behind_the_other(service: Served) -> None:
    put = f"PUT {PAGE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1".encode()
    get = f"GET {PAGE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    with service.connect() as client:
        client.sendall(put + get)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 204")
    assert answer.endswith(b"\r\n\r\n1")


# TLS


def test_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    files = f'tls_certificate = "{certificate}"\ntls_key = "{key}"\n'
    configuration = SERVICE.replace(CACHE, files + CACHE)
    with serving(tmp_path, configuration) as service:
        assert service.url.startswith("https://")
        trusting = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=service.url, verify=trusting) as client:
            assert client.put(PAGE, content=b"1").status_code == 204
            assert client.get(PAGE).content == b"1"
        with service.connect() as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"200" not in everything(plain)
        service.signal()
        assert service.ended()[0] == 0
    key.write_text("no key")
    assert "no certificate and its key in PEM" in refused(tmp_path, configuration)
    key.unlink()
    assert "No such file" in refused(tmp_path, configuration)


# What a stop writes


def behind(folder: Path) -> str:
    return f"""
[caches.pages]
ttl = 3600
write = "behind"
[[caches.pages.tiers]]
kind = "memory"
capacity = 1000
[[caches.pages.tiers]]
kind = "disk"
folder = "{folder / "tier"}"
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_waits_to_be_written_is_written(tmp_path: Path, number: signal.Signals) -> None:
    with (
        serving(tmp_path, behind(tmp_path)) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        for key in range(300):
            path = f"/v1/caches/pages/entries/{key}"
            assert client.put(path, content=b"%d" % key).status_code == 204
        service.signal(number)
        code, _ = service.ended()
    assert code == (0 if number is signal.SIGTERM else -signal.SIGKILL)
    with (
        serving(tmp_path, behind(tmp_path)) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        found = 0
        for key in range(300):
            read = client.get(f"/v1/caches/pages/entries/{key}")
            assert read.status_code == 404 or read.content == b"%d" % key
            found += read.is_success
    assert found == 300 or number is signal.SIGKILL
