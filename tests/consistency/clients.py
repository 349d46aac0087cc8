"""Processes that use the same tiers at random and record what they saw, while faults happen."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal

from augury.errors import AuguryError, InvalidationError
from augury.events import Fault, Trouble
from augury.sources import SQL, Source
from augury.tiers import Memory, Tiers
from augury.tiers.redis import Redis
from tests.consistency.history import Operation, Recorder, read_history

KEYS = ("a", "b", "c")
_RETRY = 0.02


@dataclass(frozen=True)
class Plan:
    """What processes do."""

    server: str
    """URL of the last tier."""
    folder: Path
    """Where they record."""
    consistency: Literal["ttl", "tracked", "validated"]
    source: str | None = None
    """URL of a Valkey server or of a database that is true; None: the last tier is."""
    seconds: float = 3.0
    processes: int = 3
    threads: int = 2
    near_ttl: float | None = None
    lease: float = 2.0
    timeout: float = 0.25
    ttl: float = 0.5
    """Short, so that entries expire and are refreshed."""
    stale: float = 0.5
    slow: float = 0.0
    """Up to how long the source takes to answer, in seconds."""
    namespace: str = "history"
    writes: float = 0.2
    """Share of operations that write."""
    invalidates: bool = True
    """Whether keys are invalidated, too. That ends the lease of whoever writes one, so that until
    his write ends some may see the new value and others then the old one."""
    writers: int = 3
    """How many of the processes write; the others only read."""

    def open(self, **options: Any) -> Tiers[str, str]:
        """Return tiers as each process has them."""
        return Tiers(
            [Memory(100), Redis(self.server, namespace=self.namespace, timeout=self.timeout)],
            source=self.open_source(),
            consistency=self.consistency,
            near_ttl=self.near_ttl,
            lease=self.lease,
            ttl=self.ttl,
            negative_ttl=self.ttl,
            stale=self.stale,
            tags=lambda key: ("even" if ord(key) % 2 == 0 else "odd",),
            **options,
        )

    def open_source(self) -> Source[str, str] | None:
        """Return what is true."""
        if self.source is None:
            return None
        if self.source.startswith("redis"):
            true: Source[str, str] = Hash(self.source)
        else:
            true = SQL(self.source, table="rows", key="name", row="value")
        return Slow(true, self.slow)


class Hash(Source[str, str]):
    """The rows of a hash in a Valkey server."""

    writable = True

    def __init__(self, url: str) -> None:
        import redis

        self._client: Any = redis.Redis.from_url(url, decode_responses=True)

    def load_many(self, keys: Sequence[str]) -> dict[str, str]:
        rows = self._client.hmget("rows", list(keys))
        return {key: row for key, row in zip(keys, rows, strict=True) if row is not None}

    def store_many(self, items: Mapping[str, str]) -> None:
        self._client.hset("rows", mapping=dict(items))

    def remove_many(self, keys: Sequence[str]) -> None:
        self._client.hdel("rows", *keys)

    def close(self) -> None:
        self._client.close()


class Slow(Source[str, str]):
    """Another source whose requests and answers take their time."""

    writable = True

    def __init__(self, source: Source[str, str], seconds: float) -> None:
        self._source = source
        self._seconds = seconds

    def _wait(self) -> None:
        if self._seconds:
            time.sleep(self._seconds * random.random() ** 2)

    def load_many(self, keys: Sequence[str]) -> dict[str, str]:
        self._wait()
        found = self._source.load_many(keys)
        self._wait()
        return found

    def store_many(self, items: Mapping[str, str]) -> None:
        self._wait()
        self._source.store_many(items)
        self._wait()

    def remove_many(self, keys: Sequence[str]) -> None:
        self._wait()
        self._source.remove_many(keys)
        self._wait()

    def close(self) -> None:
        self._source.close()


class Client:
    """A thread of a process, and what it does; each second one runs coroutines."""

    def __init__(
        self,
        plan: Plan,
        tiers: Tiers[str, str],
        recorder: Recorder,
        name: str,
        *,
        awaits: bool,
        writes: bool,
    ) -> None:
        self._plan = plan
        self._tiers = tiers
        self._recorder = recorder
        self._name = name
        self._dice = random.Random(name)
        self._numbers = itertools.count()
        self._end = time.monotonic() + plan.seconds
        self._awaits = awaits
        self._writes = plan.writes if writes else 0.0
        self._runner: asyncio.Runner | None = None

    def run(self) -> None:
        """Read and write until the time is over."""
        with asyncio.Runner() as runner:
            if self._awaits:
                self._runner = runner
            self._work()

    def _call(self, method: str, *arguments: Any) -> Any:
        if self._runner is None:
            return getattr(self._tiers, method)(*arguments)
        return self._runner.run(getattr(self._tiers, f"a{method}")(*arguments))

    def _work(self) -> None:
        if self._writes:
            self._set(list(KEYS))
        while time.monotonic() < self._end:
            keys = self._dice.sample(KEYS, self._dice.choice([1, 1, 1, 2, 3]))
            if self._dice.random() >= self._writes:
                self._read(keys)
                continue
            match self._dice.randrange(32):
                case 0 | 1 | 2 | 3:
                    self._delete(keys)
                case 4 | 5 | 6 | 7 if self._plan.invalidates:
                    self._invalidate(keys)
                case 8:
                    self._invalidate_tag()
                case _:
                    self._set(keys)

    def _read(self, keys: list[str]) -> None:
        begin = time.monotonic_ns()
        # An error is an answer, too: nothing was read.
        with contextlib.suppress(AuguryError):
            if len(keys) == 1:
                found = {keys[0]: self._call("get", keys[0])}
            else:
                found = dict.fromkeys(keys) | self._call("get_many", keys)
            self._recorder.read(found, begin)

    def _set(self, keys: list[str]) -> None:
        values = {key: f"{self._name}-{next(self._numbers)}" for key in keys}
        self._write("set", dict(values), lambda: self._call("set_many", values))

    def _delete(self, keys: list[str]) -> None:
        self._write("delete", dict.fromkeys(keys), lambda: self._call("delete_many", keys))

    def _invalidate(self, keys: list[str]) -> None:
        # Where a source is true, this changes nothing that anybody can see.
        gone = {} if self._plan.source else dict.fromkeys(keys)
        self._write("invalidate", gone, lambda: self._call("invalidate", *keys))

    def _invalidate_tag(self) -> None:
        odd = self._dice.random() < 0.5
        keys = [key for key in KEYS if ord(key) % 2 == odd]
        gone = {} if self._plan.source else dict.fromkeys(keys)
        self._write("tag", gone, lambda: self._call("invalidate_tag", "odd" if odd else "even"))

    def _write(self, how: str, values: dict[str, str | None], write: Callable[[], None]) -> None:
        """Write; do as users are told to when an invalidation cannot be delivered."""
        faulty.dropped = False
        with contextlib.suppress(AuguryError, _DroppedError), self._recorder.write(values, how):
            try:
                write()
            except InvalidationError:
                if self._plan.source is None:
                    raise
                self._invalidate_at_last(list(values))
            if faulty.dropped:
                raise _DroppedError

    def _invalidate_at_last(self, keys: list[str]) -> None:
        while True:
            with contextlib.suppress(InvalidationError):
                self._call("invalidate", *keys)
                return
            time.sleep(_RETRY)


class _DroppedError(Exception):
    pass


class _Faulty(threading.local):
    dropped = False


faulty = _Faulty()


def _on_fault(fault: Fault) -> None:
    if fault.trouble is Trouble.DROPPED:
        faulty.dropped = True


def use(plan: Plan, number: int, begin: Any) -> None:
    """Be one of the processes."""
    recorder = Recorder(plan.folder / f"{number}.jsonl", number)
    with plan.open(on_fault=_on_fault) as tiers:
        begin.wait()
        clients = [
            Client(
                plan,
                tiers,
                recorder,
                f"{number}.{thread}",
                awaits=thread % 2 == 1,
                writes=number < plan.writers,
            )
            for thread in range(plan.threads)
        ]
        threads = [threading.Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@dataclass
class Run:
    """Processes under way."""

    plan: Plan
    processes: list[BaseProcess] = field(default_factory=list)
    killed: list[BaseProcess] = field(default_factory=list)

    def kill_one(self) -> None:
        """Kill a process in the middle of whatever it does."""
        victim = self.processes.pop()
        victim.kill()
        victim.join()
        self.killed.append(victim)


@contextlib.contextmanager
def running(plan: Plan) -> Iterator[Run]:
    """Start processes, and wait in the end until they are done."""
    context = multiprocessing.get_context("spawn")
    begin = context.Barrier(plan.processes + 1)
    run = Run(plan)
    try:
        for number in range(plan.processes):
            process: BaseProcess = context.Process(target=use, args=(plan, number, begin))
            process.start()
            run.processes.append(process)
        begin.wait(60)
        yield run
        for process in run.processes:
            process.join(plan.seconds + 60)
            assert process.exitcode == 0, "a client failed, or hangs"
    finally:
        for process in run.processes:
            process.kill()


def history_of(plan: Plan) -> dict[str, list[Operation]]:
    """Return what the processes recorded."""
    return read_history(sorted(plan.folder.glob("*.jsonl")))


def left_in_tier(plan: Plan) -> dict[str, str]:
    """Return what the last tier serves, asked by a process that has seen nothing before."""
    with Tiers[str, str](
        [Redis(plan.server, namespace=plan.namespace, timeout=5.0)], consistency="validated"
    ) as last:
        return last.get_many(KEYS)
