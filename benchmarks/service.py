"""How many entries a second the HTTP API serves on one core, beside what it cannot beat.

    python benchmarks/service.py [--seconds 3] [--rounds 5] [--json]

Each contender is a server process on core 0; this process asks on core 1, over kept connections, a
request under way on each. Contenders take turns within each round. `bare` is uvicorn with an
application that knows one answer by heart: the most that anything behind uvicorn reaches. `fastapi`
is the usual way to serve entries from a dict. Where other processes use the cores, too, what counts
is how many requests a server serves in a second of its own CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import uvloop

KEYS = 10_000
CONNECTIONS = 32
COMMAND = str(Path(sys.executable).with_name("augury"))
TOKEN = "benchmark"
VALUE = b"v" * 100

BARE = """
async def app(scope, receive, send):
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"100")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"v" * 100})
"""
FASTAPI = """
from fastapi import FastAPI, HTTPException, Request, Response
app = FastAPI()
entries = {}

@app.get("/v1/caches/pages/entries/{key}")
async def read(key: str):
    if key not in entries:
        raise HTTPException(404)
    return Response(entries[key], media_type="application/octet-stream")

@app.put("/v1/caches/pages/entries/{key}", status_code=204)
async def write(key: str, request: Request):
    entries[key] = await request.body()
"""


class Client(asyncio.Protocol):
    """A connection that sends the next request as soon as a response has come."""

    def __init__(self, request: Callable[[], bytes], status: bytes) -> None:
        self._request = request
        self._begins = b"HTTP/1.1 " + status
        self._unread = b""
        self.done = 0
        self.late: list[float] = []
        self.wrong: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._at = time.perf_counter()
        self._transport.write(self._request())

    def data_received(self, data: bytes) -> None:
        self._unread += data
        head, found, body = self._unread.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) < int(length or 0):
            return
        if not head.startswith(self._begins):
            self.wrong = head
            self._transport.abort()
            return
        self._unread = b""
        self.done += 1
        self.late.append(time.perf_counter() - self._at)
        self._send()


class Rate(NamedTuple):
    per_second: float
    per_cpu_second: float
    p99: float


def cpu_seconds(process: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def ask(server: int, port: int, method: str, seconds: float, token: str | None) -> Rate:
    """Ask a server for a while, and return how many requests it served."""
    number = 0

    def request() -> bytes:
        nonlocal number
        number += 7919  # prime to the number of keys: all of them come, in a scattered order
        head = f"{method} /v1/caches/pages/entries/key:{number % KEYS} HTTP/1.1\r\nHost: 127.0.0.1"
        if token is not None:
            head += f"\r\nAuthorization: Bearer {token}"
        if method == "PUT":
            return f"{head}\r\nContent-Length: {len(VALUE)}\r\n\r\n".encode() + VALUE
        return f"{head}\r\n\r\n".encode()

    loop = asyncio.get_running_loop()
    status = b"204" if method == "PUT" else b"200"
    made = [
        await loop.create_connection(lambda: Client(request, status), "127.0.0.1", port)
        for _ in range(CONNECTIONS)
    ]
    clients = [client for _, client in made]
    before = sum(client.done for client in clients)
    began, used = time.perf_counter(), cpu_seconds(server)
    await asyncio.sleep(seconds)
    while method == "PUT" and sum(client.done for client in clients) < KEYS:
        await asyncio.sleep(0.1)  # all keys are read later
    took, used = time.perf_counter() - began, cpu_seconds(server) - used
    done = sum(client.done for client in clients) - before
    for transport, _ in made:
        transport.abort()
    for client in clients:
        if client.wrong is not None:
            raise SystemExit(f"unexpected response: {client.wrong!r}")
    late = sorted(second for client in clients for second in client.late)
    return Rate(done / took, done / used, late[len(late) * 99 // 100])


def start(command: list[str]) -> tuple[subprocess.Popen[str], int]:
    """Start a server on core 0, and return it and its port, which it says on its first line."""
    process = subprocess.Popen(
        ["taskset", "-c", "0", *command], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline().rstrip().rpartition(":")[2])


def augury(folder: Path, tokens: str = "") -> list[str]:
    """Return the command of our service."""
    file = folder / f"augury{len(tokens)}.toml"
    file.write_text(f'[caches.pages]\ncapacity = {2 * KEYS}\npolicy = "s3fifo"\n{tokens}')
    return [COMMAND, "serve", "--config", str(file), "--port", "0"]


def uvicorn(folder: Path, name: str, source: str) -> list[str]:
    """Return the command of a peer: an application behind uvicorn as we run it."""
    (folder / f"{name}.py").write_text(source)
    run = (
        "import socket, sys, uvicorn; sys.path.insert(0, sys.argv[1]);"
        "s = socket.create_server(('127.0.0.1', 0)); print(f':{s.getsockname()[1]}', flush=True);"
        "c = uvicorn.Config(f'{sys.argv[2]}:app', loop='uvloop', http='httptools', log_config=None,"
        "access_log=False, lifespan='off', server_header=False);"
        "uvicorn.Server(c).run([s])"
    )
    return [sys.executable, "-c", run, str(folder), name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {1})
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    tokens = f'[service.tokens.one]\nsha256 = "{digest}"\nscopes = ["read", "write"]\n'
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commands = {
            "bare": uvicorn(folder, "bare", BARE),
            "augury": augury(folder),
            "augury, token": augury(folder, tokens),
            "fastapi": uvicorn(folder, "usual", FASTAPI),
        }
        servers = {name: start(command) for name, command in commands.items()}
        measured: dict[str, list[Rate]] = {}
        try:
            for number in range(arguments.rounds + 1):  # the first one stores all keys, and warms
                for name, (server, port) in servers.items():
                    token = TOKEN if "token" in name else None
                    for method in ("PUT", "GET"):
                        if name == "bare" and method == "PUT":
                            continue
                        got = uvloop.run(ask(server.pid, port, method, arguments.seconds, token))
                        if number:
                            measured.setdefault(f"{method} {name}", []).append(got)
        finally:
            for process, _ in servers.values():
                process.terminate()
                process.wait()
    rows: list[dict[str, Any]] = [
        {
            "contender": name,
            "per_second": statistics.median(rate.per_second for rate in got),
            "per_cpu_second": statistics.median(rate.per_cpu_second for rate in got),
            "of_bare": statistics.median(
                rate.per_cpu_second / bare.per_cpu_second
                for rate, bare in zip(got, measured["GET bare"], strict=True)
            ),
            "p99_ms": statistics.median(rate.p99 for rate in got) * 1e3,
        }
        for name, got in measured.items()
    ]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            "{contender:18} {per_second:9,.0f} /s {per_cpu_second:9,.0f} per CPU second"
            "  {of_bare:.2f} of bare  p99 {p99_ms:5.2f} ms".format(**row)
        )


if __name__ == "__main__":
    main()
