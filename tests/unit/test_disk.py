"""The disk tier: what it keeps, how much, and who leaves."""

import asyncio
import os
import random
import sys
import threading
import time
from collections.abc import Hashable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from augury.codecs import Keyring, Serializer
from augury.errors import ConfigurationError, CorruptValueError, MissingExtraError, TierError
from augury.tiers import Entry, Lease
from augury.tiers.disk.records import PAGE, Records
from augury.tiers.disk.tier import Disk, name_of

MIB = 1 << 20


@pytest.fixture
def tier(tmp_path: Path) -> Iterator[Disk]:
    tier = Disk(tmp_path / "cache", "2MiB")
    yield tier
    tier.close()


def values(tier: Disk, keys: object) -> dict[object, object]:
    return {key: it.value for key, it in tier.get_many(keys).items() if isinstance(it, Entry)}  # type: ignore[arg-type]


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("capacity", ["1KiB", "1TiB", 0, -1, "many", "10%"])
def test_a_capacity_out_of_range_is_refused(tmp_path: Path, capacity: int | str) -> None:
    with pytest.raises(ConfigurationError, match=r"^[^\n]+$"):
        Disk(tmp_path, capacity)


def test_a_timeout_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        Disk(tmp_path, timeout=0)


def test_without_the_package_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(MissingExtraError, match=r"augury\[disk\]"):
        Disk(tmp_path)


def test_nothing_is_touched_before_it_is_used(tmp_path: Path) -> None:
    tier = Disk(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    tier.close()


def test_what_was_stored_is_there_when_opened_again(tmp_path: Path) -> None:
    for turn in range(3):
        tier = Disk(tmp_path, "2MiB")
        assert values(tier, range(3)) == {n: n for n in range(turn)}
        tier.set_many({turn: Entry(turn)})
        tier.close()


def test_two_tiers_of_a_process_share_a_folder(tmp_path: Path) -> None:
    one, two = Disk(tmp_path, "2MiB"), Disk(f"{tmp_path}/.", "4MiB")
    one.set_many({"a": Entry(1)})
    assert values(two, ["a"]) == {"a": 1}
    one.close()
    two.delete_many(["a"])
    assert values(two, ["a"]) == {}
    two.close()


@pytest.mark.parametrize("longest", [100, 1_000, 3_000, 60_000])
def test_a_long_random_load_stays_within_the_capacity(tmp_path: Path, longest: int) -> None:
    tier, chance = Disk(tmp_path, "1MiB"), random.Random(longest)
    worst = 0
    for _ in range(2_000):
        keys = [chance.randrange(5_000) for _ in range(chance.choice([1, 1, 20]))]
        tier.set_many({key: Entry(chance.randbytes(chance.randrange(longest))) for key in keys})
        if chance.random() < 0.1:
            tier.delete_many(keys)
        worst = max(worst, tier.health().bytes or 0)
    assert MIB // 2 < worst <= MIB
    assert size_of(tmp_path) <= 2 * MIB + (32 << 20)
    tier.close()


def test_a_file_with_too_many_holes_begins_anew(tier: Disk) -> None:
    tier.set_many({n: Entry(os.urandom(50_000)) for n in range(20)})
    tier._file_pages = 10
    tier.set_many({"a": Entry(1)})
    tier._file_pages = 10_000
    assert values(tier, ["a", 0]) == {}
    tier.set_many({"a": Entry(2)})
    assert values(tier, ["a"]) == {"a": 2}


def test_an_entry_too_large_is_forgotten_with_what_it_replaces(tier: Disk) -> None:
    tier.set_many({"a": Entry(1)})
    tier.set_many({"a": Entry(os.urandom(200_000)), "b": Entry(2)})
    assert values(tier, ["a", "b"]) == {"b": 2}


def test_who_was_read_stays(tier: Disk) -> None:
    popular = [f"popular {n}" for n in range(20)]
    tier.set_many({key: Entry(b"x" * 1_000) for key in popular})
    for n in range(5_000):
        if n % 50 == 0:
            tier.get_many(popular)
        tier.set_many({n: Entry(b"x" * 1_000)})
    assert set(tier.get_many(popular)) == set(popular)
    assert len(tier.get_many(range(4_000))) < 2_000


def test_who_has_expired_leaves_first(tier: Disk) -> None:
    tier.set_many({f"stays {n}": Entry(b"x" * 1_000) for n in range(500)})
    soon = time.time() + 0.2
    tier.set_many({f"leaves {n}": Entry(b"x" * 1_000, expires=soon) for n in range(300)})
    while time.time() < soon:
        time.sleep(0.01)
    tier.set_many({f"new {n}": Entry(b"x" * 1_000) for n in range(200)})
    assert len(tier.get_many([f"stays {n}" for n in range(500)])) == 500
    assert len(tier.get_many([f"new {n}" for n in range(200)])) == 200


def test_nothing_is_left_behind(tier: Disk) -> None:
    """Every record of the queue and of the deadlines goes with its entry."""
    chance = random.Random(5)
    for _ in range(300):
        keys = [chance.randrange(50) for _ in range(5)]
        expires = chance.choice([float("inf"), time.time() + chance.random(), time.time() + 99])
        tier.set_many({key: Entry(b"x" * 100, expires=expires) for key in keys})
        tier.lease_many(keys[:1], Lease(time.time() + 5, writes=True))
        tier.delete_many(keys[:2])
    tier.delete_many(range(50))
    opened = tier._folder.open()
    with opened.env.begin() as txn:
        assert txn.stat(opened.main)["entries"] == 0


def test_a_lease_without_an_end_holds(tier: Disk) -> None:
    lease = Lease(float("inf"))
    assert tier.lease_many(["a"], lease) == {}
    assert tier.get("a") == lease
    assert tier.fill_many({"a": Entry(1)}, lease) == {"a"}


def test_a_long_key_has_a_digest_for_a_name() -> None:
    assert name_of("a") == b"\x01s1:a"
    assert len(name_of("k" * 1_000)) == 33
    assert name_of("k" * 1_000) != name_of("k" * 1_001)


def test_a_frame_under_another_key_is_a_reported_miss(tier: Disk) -> None:
    heard: list[CorruptValueError] = []
    tier.on_corrupt = heard.append
    tier.set_many({"a": Entry("mine"), "b": Entry("yours")})
    with tier._folder.write(10_000) as (txn, opened):
        records = Records(txn, opened.main, opened.marks, 100)
        frame = records.get(name_of("b"))
        assert frame is not None
        records.put(name_of("a"), frame)
    assert values(tier, ["a", "b"]) == {"b": "yours"}
    assert len(heard) == 1
    lease = Lease(time.time() + 60)
    assert tier.lease_many(["a"], lease) == {}
    assert len(heard) == 2


@pytest.mark.parametrize("value", [b"", b"x" * 1_000, "", "text", "\xe4\udc80", 7, [1]], ids=repr)
@pytest.mark.parametrize(
    "key", ["a", "", "\xe4", b"a", "k" * 470, "k" * 480, 7, ("a", 1)], ids=repr
)
def test_one_key_is_read_as_many_are(tier: Disk, key: Hashable, value: object) -> None:
    """By the native function or, with many or with tags, by `frame.unpack`."""
    soon = round(time.time()) + 60.5
    entry = Entry(value, written=1.5, fresh_until=soon, expires=soon, cost=0.25)
    for stored in (entry, Entry(value), Entry(value, tags=(("t", b"g"),))):
        tier.set_many({key: stored})
        tier._folder.open().reader.name(key)  # the first one looks whether the folder is there
        assert tier.get(key) == tier.get_many([key, "other"])[key] == stored
        tier._simple = not tier._simple
        assert tier.get(key) == tier.get_many([key, "other"])[key] == stored
    assert tier.get("other") is None
    tier.set_many({key: Entry(value, expires=time.time() + 0.05)})
    time.sleep(0.06)
    assert tier.get(key) is None


def test_the_native_name_is_the_encoding(tier: Disk) -> None:
    name = tier._folder.open().reader.name
    name("")
    for size in [*range(300), *range(460, 500)]:
        for key in ("k" * size, b"k" * size):
            assert name(key) in (None, name_of(key))
    assert name("k" * 400) is not None
    for key in (7, "\xe4", None, ("a",), True):
        assert name(key) is None


def test_encrypted_entries_are_read_by_their_serializer_only(tmp_path: Path) -> None:
    sealed = Disk(tmp_path, "2MiB", serializer=Serializer(keys=Keyring({1: bytes(32)})))
    plain = Disk(tmp_path, "2MiB")
    heard: list[CorruptValueError] = []
    sealed.on_corrupt = plain.on_corrupt = heard.append
    for _ in range(2):
        sealed.set_many({"a": Entry("secret")})
        plain.set_many({"b": Entry("forged")})
        assert values(sealed, ["a"]) == {"a": "secret"}
        assert sealed.get("b") is None
        assert plain.get("a") is None
    assert len(heard) == 4
    sealed.close()
    plain.close()


@pytest.mark.parametrize("at", range(0, 200, 3))
def test_a_flipped_bit_is_never_a_wrong_value(tier: Disk, at: int) -> None:
    heard: list[CorruptValueError] = []
    tier.on_corrupt = heard.append
    entry = Entry(b"value" * 20, expires=time.time() + 60)
    tier.set_many({"a": entry})
    with tier._folder.write(10_000) as (txn, _):
        record = bytearray(txn.get(name_of("a")))
        record[at % len(record)] ^= 0x10
        txn.put(name_of("a"), bytes(record))
    found = tier.get_many(["a"])
    # The first bytes are the number of the entry, which is no part of what is returned.
    assert "a" not in found or (at % len(record) < 8 and values(tier, "a") == {"a": entry.value})
    tier.set_many({"a": Entry(2)})
    assert values(tier, "a") == {"a": 2}


def test_threads_read_and_write_at_once(tier: Disk) -> None:
    failures: list[BaseException] = []

    def run(me: int) -> None:
        chance = random.Random(me)
        try:
            for _ in range(300):
                key = chance.randrange(20)
                if chance.random() < 0.3:
                    tier.set_many({key: Entry((key, me))})
                else:
                    assert all(v[0] == k for k, v in values(tier, [key]).items())  # type: ignore[index]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(me,)) for me in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_closing_while_others_use_it(tmp_path: Path) -> None:
    for _ in range(20):
        tier = Disk(tmp_path, "2MiB")
        tier.set_many({"a": Entry(1)})
        failures: list[BaseException] = []

        def run(tier: Disk = tier, failures: list[BaseException] = failures) -> None:
            try:
                while True:
                    tier.get_many(["a"])
                    tier.set_many({"a": Entry(1)})
            except TierError:
                pass
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.005)
        tier.close()
        for thread in threads:
            thread.join()
        assert not failures


def test_forks_while_threads_use_it(tier: Disk) -> None:
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            tier.set_many({"a": Entry(1)})
            tier.get_many(["a", "b"])
            tier.get("a")
            tier.get(7)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(10):
            if (child := os.fork()) == 0:
                status = 1
                try:
                    tier.set_many({turn: Entry(turn)})
                    status = 0 if values(tier, [turn]) == {turn: turn} else 2
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert values(tier, range(10)) == {n: n for n in range(10)}


def test_coroutines_read_without_a_thread(tier: Disk) -> None:
    tier.set_many({"a": Entry(1)})
    threads: list[int] = []
    tier.on_corrupt = lambda _: threads.append(threading.get_ident())
    with tier._folder.write(10_000) as (txn, _):
        txn.put(name_of("a"), b"damaged")

    async def run() -> None:
        await tier.aget_many(["a"])

    asyncio.run(run())
    assert threads == [threading.get_ident()]


class Machine(RuleBasedStateMachine):
    """May forget, never lies; what was just written and fits is there."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.tier = Disk(self.folder, "1MiB")
        self.tier.clear()
        self.model: dict[int, bytes] = {}

    @rule(keys=st.lists(st.integers(0, 40), max_size=5), size=st.integers(0, 70_000))
    def set(self, keys: list[int], size: int) -> None:
        for key in keys:
            self.model[key] = os.urandom(8) * (size // 8)
        self.tier.set_many({key: Entry(self.model[key]) for key in keys})
        if keys and size < 60_000:
            assert values(self.tier, keys[-1:]) == {keys[-1]: self.model[keys[-1]]}

    @rule(keys=st.lists(st.integers(0, 40), max_size=5))
    def delete(self, keys: list[int]) -> None:
        self.tier.delete_many(keys)
        for key in keys:
            self.model.pop(key, None)

    @rule(key=st.integers(0, 40), value=st.binary())
    def fill(self, key: int, value: bytes) -> None:
        lease = Lease(time.time() + 60)
        if self.tier.lease_many([key], lease):
            return
        self.model.pop(key, None)
        if self.tier.fill_many({key: Entry(value)}, lease):
            self.model[key] = value

    @rule()
    def reopen(self) -> None:
        self.tier.close()
        self.tier = Disk(self.folder, "1MiB")

    @rule()
    def clear(self) -> None:
        self.tier.clear()
        self.model.clear()

    @invariant()
    def never_lies(self) -> None:
        for key, value in values(self.tier, range(41)).items():
            assert self.model[key] == value  # type: ignore[index]
        assert (self.tier.health().bytes or 0) <= MIB

    def teardown(self) -> None:
        self.tier.close()


def test_any_order_of_operations(tmp_path: Path) -> None:
    Machine.folder = tmp_path
    machine = Machine.TestCase
    machine.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
    machine().runTest()


def test_pages_are_those_of_the_machine() -> None:
    assert os.sysconf("SC_PAGE_SIZE") == PAGE
