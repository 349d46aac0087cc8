"""Processes that write to a disk tier are killed at any moment; nobody ever reads a wrong value."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Hashable
from hashlib import sha256
from pathlib import Path

import pytest

from augury.errors import TierError
from augury.tiers import Entry, Lease
from augury.tiers.disk import Disk

KEYS = 300
FORK = multiprocessing.get_context("fork")


def value(key: int, number: int) -> bytes:
    """What nobody could make up: of a key, with a number, of some length."""
    seed = f"{key} {number}".encode()
    return seed + b" " + sha256(seed).digest() * random.Random(seed).choice([1, 30, 300, 1_000])


def is_right(key: int, found: object) -> bool:
    assert isinstance(found, bytes)
    whose, number, _ = found.split(b" ", 2)
    return int(whose) == key and found == value(key, int(number))


def write(folder: Path, seed: int) -> None:
    tier, chance = Disk(folder, "4MiB", timeout=5), random.Random(seed)
    while True:
        keys = chance.sample(range(KEYS), chance.choice([1, 1, 10]))
        entries: dict[Hashable, Entry] = {
            key: Entry(value(key, chance.randrange(1 << 30))) for key in keys
        }
        way = chance.random()
        if way < 0.5:
            tier.set_many(entries)
        elif way < 0.6:
            tier.delete_many(keys)
        elif way < 0.61:
            tier.clear()
        else:
            lease = Lease(time.time() + 1, writes=way < 0.8)
            tier.lease_many(keys, lease)
            tier.fill_many(entries, lease)


def read(folder: Path, wrong: "multiprocessing.sharedctypes.Synchronized[int]") -> None:
    tier = Disk(folder, "4MiB", timeout=5)
    tier.on_corrupt = lambda _: setattr(wrong, "value", wrong.value + 1)
    while True:
        for key, found in tier.get_many(random.sample(range(KEYS), 20)).items():
            if isinstance(found, Entry) and not is_right(int(str(key)), found.value):
                wrong.value += 1


def kill_rounds(folder: Path, rounds: int) -> float:
    """Return how long the slowest opening took."""
    chance = random.Random(rounds)
    wrong = FORK.Value("i", 0)
    slowest = 0.0
    readers = [FORK.Process(target=read, args=(folder, wrong), daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for turn in range(rounds):
            writers = [
                FORK.Process(target=write, args=(folder, turn * 3 + me), daemon=True)
                for me in range(3)
            ]
            for writer in writers:
                writer.start()
            time.sleep(chance.uniform(0.0, 0.15))
            for writer in writers:
                assert writer.pid is not None
                os.kill(writer.pid, signal.SIGKILL)
                writer.join()
            if turn % 10 == 9:  # and now and then a reader
                assert readers[0].pid is not None
                os.kill(readers[0].pid, signal.SIGKILL)
                readers[0].join()
                readers[0] = FORK.Process(target=read, args=(folder, wrong), daemon=True)
                readers[0].start()
            start = time.perf_counter()
            tier = Disk(folder, "4MiB", timeout=5)
            found = tier.get_many(range(KEYS))
            slowest = max(slowest, time.perf_counter() - start)
            for key, held in found.items():
                assert not isinstance(held, Entry) or is_right(int(str(key)), held.value)
            tier.set_many({"still": Entry(turn)})
            assert (tier.health().bytes or 0) <= 4 << 20
            tier.close()
            assert wrong.value == 0
            assert all(reader.is_alive() for reader in readers)
    finally:
        for reader in readers:
            reader.kill()
            reader.join()
    return slowest


def test_killed_writers_leave_nothing_wrong(tmp_path: Path) -> None:
    kill_rounds(tmp_path, 6)


@pytest.mark.slow
def test_a_hundred_rounds_of_killed_writers(tmp_path: Path) -> None:
    try:
        slowest = kill_rounds(tmp_path, 100)
    except TierError as error:  # pragma: no cover
        pytest.fail(f"a killed process held others up: {error}")
    print(f"slowest opening with all reads: {slowest * 1e3:.1f} ms")
