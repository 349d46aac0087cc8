"""The key of an encrypted tier changes under load: all is read, none of it lies in the clear."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from augury.codecs import Keyring, Serializer
from augury.tiers import Entry
from augury.tiers.disk import Disk

KEYS = 200
SPAWN = multiprocessing.get_context("spawn")
MARK = b"PLAINTEXT"
SECRETS = {number: sha256(b"key %d" % number).digest() for number in (1, 2, 3)}
STAGES = [((1,), 1), ((1, 2), 1), ((1, 2), 2), ((2,), 2), ((2, 3), 2), ((2, 3), 3), ((3,), 3)]
"""Keys of two rotations, and which of them encrypts. All enter a stage before the next begins."""


def value(key: int, number: int) -> bytes:
    seed = b"%d %d " % (key, number)
    return seed + MARK + sha256(seed).digest() * (1 + number % 40)


def opened(folder: str, numbers: tuple[int, ...], encrypts: int) -> Disk:
    ring = Keyring({number: SECRETS[number] for number in numbers}, encrypts=encrypts)
    return Disk(folder, "16MiB", serializer=Serializer(keys=ring), timeout=30)


def work(folder: str, stage: Any, reached: Any, wrong: Any, reads: Any, seed: int) -> None:
    """Read and write until the last stage, with the keyring of the stage that it is."""
    at, chance = 0, random.Random(seed)
    tier = opened(folder, *STAGES[0])
    missed: list[object] = []
    tier.on_corrupt = missed.append
    while stage.value < len(STAGES):
        if stage.value != at:
            at = stage.value
            tier.close()
            tier = opened(folder, *STAGES[at])
            tier.on_corrupt = missed.append
        reached[seed] = at
        keys = chance.sample(range(KEYS), 10)
        found = tier.get_many(keys)
        for key in keys:
            entry = found.get(key)
            number = int(entry.value.split(b" ")[1]) if isinstance(entry, Entry) else -1
            if not isinstance(entry, Entry) or entry.value != value(key, number):
                wrong[seed] += 1
        reads[seed] += len(keys)
        tier.set_many({key: Entry(value(key, chance.randrange(1 << 30))) for key in keys[:3]})
    wrong[seed] += len(missed)
    tier.close()


def list_of(workers: int) -> Any:
    return SPAWN.Array("i", [0] * workers)


def test_rotation_under_load(tmp_path: Path) -> None:
    folder = str(tmp_path / "tier")
    with closing(opened(folder, *STAGES[0])) as tier:
        tier.set_many({key: Entry(value(key, key)) for key in range(KEYS)})
    workers = 4
    stage = SPAWN.Value("i", 0)
    reached, wrong, reads = (list_of(workers) for _ in range(3))
    given = (folder, stage, reached, wrong, reads)
    run: list[Any] = [SPAWN.Process(target=work, args=(*given, seed)) for seed in (0, 1)]
    run += [threading.Thread(target=work, args=(*given, seed)) for seed in (2, 3)]
    for each in run:
        each.start()
    for at in range(len(STAGES)):
        stage.value = at
        before = list(reads)
        while any(
            at != there or now < 200 + then
            for there, now, then in zip(reached, reads, before, strict=True)
        ):
            assert all(each.is_alive() for each in run)
            time.sleep(0.01)
        with closing(opened(folder, *STAGES[at])) as tier:  # what the old key wrote is replaced
            tier.set_many({key: Entry(value(key, key)) for key in range(KEYS)})
    stage.value = len(STAGES)
    for each in run:
        each.join()
    assert list(wrong) == [0] * workers
    files = [file.read_bytes() for file in tmp_path.glob("**/*") if file.is_file()]
    assert sum(map(len, files)) > KEYS * len(MARK)
    assert not any(MARK in content for content in files)
    assert not any(secret in content for content in files for secret in SECRETS.values())


def test_what_a_dropped_key_wrote_is_a_miss_and_told(tmp_path: Path) -> None:
    with closing(opened(str(tmp_path), (1,), 1)) as tier:
        tier.set_many({7: Entry(b"old")})
    with closing(opened(str(tmp_path), (2,), 2)) as tier:
        told: list[str] = []
        tier.on_corrupt = lambda error: told.append(str(error))
        assert not tier.get_many([7])
        assert "stored with key 1" in told[0]
