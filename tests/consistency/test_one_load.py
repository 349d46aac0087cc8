"""However many ask for a missing key at once, in however many processes, it is loaded once."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from typing import Any, Literal

import pytest

from augury.tiers import Memory, Tiers
from augury.tiers.redis import Redis
from tests.servers.valkey import shared

pytest.importorskip("redis")

PROCESSES = 4
ASKING = 1_000

Mode = Literal["ttl", "tracked", "validated"]


def ask_at_once(url: str, mode: Mode, awaits: bool, begin: Any, answers: Any) -> None:
    """Be one of the processes; report how many got the value."""
    import redis

    counting = redis.Redis.from_url(url)

    def load(key: str) -> int:
        time.sleep(0.05)
        return int(counting.incr(f"{key} was loaded"))

    name = f"one load {mode} {awaits}"
    last = Redis(url, namespace=name, timeout=30.0)
    tiers: Tiers[str, int] = Tiers(
        [Memory(10), last], source=load, consistency=mode, ttl=60, lease=30
    )
    with tiers:
        got = by_tasks(tiers, name, begin) if awaits else by_threads(tiers, name, begin)
    answers.put(got)


def by_threads(tiers: Tiers[str, int], key: str, begin: Any) -> list[int]:
    got: list[int] = []
    together = threading.Barrier(ASKING + 1)

    def get() -> None:
        together.wait()
        got.append(tiers[key])

    threads = [threading.Thread(target=get) for _ in range(ASKING)]
    for thread in threads:
        thread.start()
    begin.wait()
    together.wait()
    for thread in threads:
        thread.join()
    return got


def by_tasks(tiers: Tiers[str, int], key: str, begin: Any) -> list[int]:
    async def main() -> list[int]:
        begin.wait()
        found = await asyncio.gather(*(tiers.aget(key) for _ in range(ASKING)))
        await tiers.aclose()
        return found

    return asyncio.run(main())


@pytest.mark.parametrize("awaits", [False, True], ids=["threads", "tasks"])
@pytest.mark.parametrize(
    "mode", ["ttl", "tracked", pytest.param("validated", marks=pytest.mark.slow)]
)
def test_a_missing_key_is_loaded_once(mode: Mode, awaits: bool) -> None:
    server = shared()
    context = multiprocessing.get_context("spawn")
    begin, answers = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=ask_at_once, args=(server.url, mode, awaits, begin, answers))
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    got = [answers.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert got == [[1] * ASKING] * PROCESSES
    assert int(server.ask("GET", f"one load {mode} {awaits} was loaded")) == 1
