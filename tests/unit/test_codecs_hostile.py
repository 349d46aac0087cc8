"""Bytes that are not what was written count as corrupt, run nothing and take little memory."""

import contextlib
import importlib
import os
import pickle
import random
import struct
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xxhash
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from augury.codecs import Keyring, Serializer
from augury.codecs.formats import arrow, msgpack
from augury.errors import CodecError, ConfigurationError, CorruptValueError, MissingExtraError

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
SECRET = b"sixteen bytes or more"
CONTEXT = b"user:7"


class Foreign:
    """What only pickle can carry."""

    def __eq__(self, other: object) -> bool:
        return type(other) is Foreign

    __hash__ = None  # type: ignore[assignment]


FLAG: list[str] = []


def set_flag() -> None:
    FLAG.append("ran")


class Attack:
    """A pickle that sets a flag where it is read."""

    def __reduce__(self) -> Any:
        return set_flag, ()


def sealed(codec: int, payload: bytes, flags: int = 0, context: bytes = b"") -> bytes:
    """Return an envelope whose checksum fits, as an attacker can make it."""
    header = struct.pack("<3sBBBH", b"\xf5Au", 1, codec, flags, 0)
    bound = header + struct.pack("<I", len(context)) + context
    return header + payload + xxhash.xxh3_128_digest(bound + payload)


def test_the_layout_is_as_documented() -> None:
    assert Serializer().dumps(b"abc", CONTEXT) == sealed(0, b"abc", context=CONTEXT)


SERIALIZERS = {
    "plain": Serializer(),
    "compressed": Serializer(compress_above=0),
    "encrypted": Serializer(keys=Keyring({7: KEY})),
    "signed": Serializer(pickle=SECRET),
    "all": Serializer(keys=Keyring({7: KEY}), pickle=SECRET, compress_above=0),
}
VALUES = {
    "bytes": b"value" * 9,
    "text": "väl" * 9,
    "tree": {"id": 7, "rows": [(1, "a"), (2, "b")], "big": 2**70, "t": (1,)},
    "array": np.arange(4),
    "empty": b"",
}


def samples() -> list[Any]:
    found: list[tuple[Serializer, Any, str]]
    found = [(s, v, name) for name, s in SERIALIZERS.items() for v in VALUES.values()]
    found += [(SERIALIZERS[name], Foreign(), name) for name in ("signed", "all")]
    return [pytest.param(s, v, id=f"{name}-{type(v).__name__}") for s, v, name in found]


@pytest.mark.parametrize(("serializer", "value"), samples())
def test_every_flipped_bit_and_every_truncation_is_found(
    serializer: Serializer, value: Any
) -> None:
    data = serializer.dumps(value, CONTEXT)
    assert np.array_equal(serializer.loads(data, CONTEXT), value)
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptValueError):
            serializer.loads(bytes(damaged), CONTEXT)
    for length in range(len(data)):
        with pytest.raises(CorruptValueError):
            serializer.loads(data[:length], CONTEXT)
    for more in (b"\0", data):
        with pytest.raises(CorruptValueError):
            serializer.loads(data + more, CONTEXT)
    for context in (b"", b"user:8", CONTEXT + b"\0"):
        with pytest.raises(CorruptValueError):
            serializer.loads(data, context)


@given(st.binary(), st.sampled_from(sorted(SERIALIZERS)))
def test_random_bytes_are_no_value(data: bytes, name: str) -> None:
    for foreign in (data, b"\xf5Au\x01" + data):
        with pytest.raises(CorruptValueError):
            SERIALIZERS[name].loads(foreign)


@pytest.mark.parametrize("name", SERIALIZERS)
def test_other_formats_are_no_value(name: str) -> None:
    import msgspec

    for foreign in (
        b"",
        b"plain text",
        b'{"json": 1}',
        pickle.dumps(Attack()),
        msgspec.msgpack.encode([1]),
        zstandard.compress(b"abc"),
        np.arange(5).tobytes(),
    ):
        with pytest.raises(CorruptValueError):
            SERIALIZERS[name].loads(foreign)
    assert FLAG == []


@given(st.integers(0, 255), st.binary(max_size=200), st.sampled_from([0, 1]))
def test_forged_payloads_raise_nothing_else(codec: int, payload: bytes, flags: int) -> None:
    with contextlib.suppress(CorruptValueError, MissingExtraError):
        SERIALIZERS["plain"].loads(sealed(codec, payload, flags))


@pytest.mark.parametrize("seed", range(20))
def test_damage_behind_a_fitting_checksum_raises_nothing_else(seed: int) -> None:
    chance = random.Random(seed)
    values = [*VALUES.values(), {"a": (np.ones((2, 3), "f4"), {1, "x"})}, [2**80, "\ud800"]]
    values.append(importlib.import_module("pyarrow").table({"a": [1, None], "b": ["x", "y"]}))
    for value in values:
        data = Serializer().dumps(value)
        codec, payload = data[4], data[8:-16]
        for _ in range(60):
            damaged = bytearray(payload or b"\0")
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            with contextlib.suppress(CorruptValueError, MissingExtraError):
                SERIALIZERS["plain"].loads(sealed(codec, bytes(damaged)))


def peak_of(data: bytes, serializer: Serializer) -> int:
    """Return the most bytes that Python held while it refused the data."""
    tracemalloc.start()
    try:
        with pytest.raises(CorruptValueError):
            serializer.loads(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_decompression_has_a_bound() -> None:
    serializer = Serializer(max_bytes=1 << 20)
    bomb = zstandard.compress(bytes(1 << 26))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 26))
    forged = zstandard.FRAME_HEADER + b"\xe0" + struct.pack("<Q", (1 << 20) - 1) + b"\x01\0\0"
    for frame in (bomb, unsized, forged, b"", zstandard.compress(b"abc") * 2):
        assert peak_of(sealed(0, frame, flags=1), serializer) < 1 << 18
    with pytest.raises(CodecError, match="max_bytes"):
        serializer.dumps(bytes((1 << 20) + 1))
    longest = bytes(1 << 20)
    assert serializer.loads(serializer.dumps(longest)) == longest
    with pytest.raises(CorruptValueError, match="too big"):
        Serializer(max_bytes=10).loads(serializer.dumps(b"a" * 11))


@pytest.mark.parametrize(
    "payload",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\x7f\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x03",
        b"\x91" * 100_000,
        b"\xdc\xff\xff" * 20_000,
        b"\x81\xc0" * 50_000,
    ],
    ids=["list", "dict", "bytes", "extension", "deep", "deep lists", "deep dicts"],
)
def test_forged_lengths_and_depths_take_little_memory(payload: bytes) -> None:
    assert peak_of(sealed(msgpack.NUMBER, payload), Serializer()) < 1 << 24


def test_forged_extensions_within_each_other_end() -> None:
    payload = b"\x90"
    for _ in range(3000):
        payload = b"\xc9" + struct.pack(">IB", len(payload) + 1, 3) + b"\x91" + payload
    data = sealed(msgpack.NUMBER, payload)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            Serializer().loads(data)
        except CorruptValueError as error:
            failures.append(error)

    thread = threading.Thread(target=read)  # whose stack is smaller than the main one's
    thread.start()
    thread.join()
    assert len(failures) == 1


@pytest.mark.parametrize(
    "head",
    [
        ["C", "<f8", [1 << 60]],
        ["C", "<f8", [-1]],
        ["C", "<f8", [1 << 40, 0, 1 << 40]],
        ["C", "|O", [1]],
        ["C", "<U0", [1 << 40]],
        ["C", "|V99999999999", [2]],
        ["C", "f8,(100000,100000)f8", [0]],
        ["C", {"names": ["a"], "formats": ["|O"], "offsets": [0], "itemsize": 8}, [1]],
        ["S", "<f8", [1 << 50]],
        ["X", "<f8", [1]],
    ],
    ids=str,
)
def test_forged_arrays_are_no_value(head: Any) -> None:
    import msgspec

    packed = msgspec.msgpack.encode(head)
    for elements in (b"", b"\0" * 8):
        payload = len(packed).to_bytes(4, "little") + packed + elements
        if head[2] == [1 << 40, 0, 1 << 40] or head[0] == "X":
            payload += b"\0"
        assert peak_of(sealed(3, payload), Serializer()) < 1 << 20


class TestPickle:
    def test_only_what_no_codec_takes_is_pickled(self) -> None:
        serializer = Serializer(pickle=SECRET)
        assert serializer.dumps([1]) == Serializer().dumps([1])
        assert serializer.loads(serializer.dumps([Foreign()], CONTEXT), CONTEXT) == [Foreign()]
        with pytest.raises(CodecError, match="cannot pickle"):
            serializer.dumps(lambda: 0)
        with pytest.raises(CodecError):
            Serializer().dumps(Foreign())

    def test_a_pickle_runs_only_if_its_signature_fits(self) -> None:
        FLAG.clear()
        bomb = pickle.dumps(Attack(), protocol=5)
        good = Serializer(pickle=SECRET).dumps(Attack(), CONTEXT)
        assert bomb in good
        readers = {
            "none": Serializer(),
            "another": Serializer(pickle=b"another secret of sixteen"),
            "keys": Serializer(keys=Keyring({1: KEY}), pickle=SECRET),
        }
        for reader in readers.values():
            with pytest.raises(CorruptValueError):
                reader.loads(good, CONTEXT)
        reader = Serializer(pickle=SECRET)
        forged = [sealed(codec, bomb, flags) for codec in range(256) for flags in range(8)]
        forged += [sealed(6, bomb + bytes(32), 4), sealed(6, zstandard.compress(bomb), 1)]
        for code in range(128):  # within MessagePack
            nested = b"\xc9" + struct.pack(">IB", len(bomb), code) + bomb
            forged += [sealed(2, nested), sealed(2, b"\x91" + nested)]
        forged += [good[:4] + bytes([codec]) + good[5:] for codec in range(6)]
        for data in forged:
            with contextlib.suppress(CorruptValueError, MissingExtraError):
                reader.loads(data)
        with pytest.raises(CorruptValueError):
            reader.loads(good, b"user:8")
        assert FLAG == []
        reader.loads(good, CONTEXT)
        assert FLAG == ["ran"]
        FLAG.clear()

    def test_what_cannot_be_unpickled_counts_as_corrupt(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        serializer = Serializer(pickle=SECRET)
        data = serializer.dumps(Foreign())
        monkeypatch.delattr(sys.modules[__name__], "Foreign")
        with pytest.raises(CorruptValueError):
            serializer.loads(data)


class TestKeys:
    def test_rotation(self) -> None:
        old = Serializer(keys=Keyring({1: KEY}))
        both = Serializer(keys=Keyring({1: KEY, 2: OTHER_KEY}))
        new = Serializer(keys=Keyring({2: OTHER_KEY}))
        written_before, written_after = old.dumps("value"), both.dumps("value")
        assert both.loads(written_before) == both.loads(written_after) == "value"
        assert new.loads(written_after) == "value"
        for serializer, data in ((new, written_before), (old, written_after)):
            with pytest.raises(CorruptValueError, match="not in the keyring"):
                serializer.loads(data)

    def test_another_key_under_the_number_counts_as_corrupt(self) -> None:
        data = Serializer(keys=Keyring({1: KEY})).dumps("value")
        with pytest.raises(CorruptValueError):
            Serializer(keys=Keyring({1: OTHER_KEY})).loads(data)

    def test_plain_and_encrypted_do_not_mix(self) -> None:
        encrypted = Serializer(keys=Keyring({1: KEY}))
        with pytest.raises(CorruptValueError, match="not encrypted"):
            encrypted.loads(Serializer().dumps("value"))
        with pytest.raises(CorruptValueError, match="no keys"):
            Serializer().loads(encrypted.dumps("value"))

    def test_nothing_is_readable_and_no_two_are_alike(self) -> None:
        serializer = Serializer(keys=Keyring({1: KEY}), pickle=SECRET)
        for value in ("a secret text", Foreign()):
            ours, theirs = serializer.dumps(value), serializer.dumps(value)
            assert ours != theirs
            assert b"secret" not in ours
            assert b"Foreign" not in ours

    @pytest.mark.parametrize(
        "keys", [{}, {0: KEY}, {65536: KEY}, {True: KEY}, {1: b"short"}, {1: "a" * 32}], ids=str
    )
    def test_odd_keys_are_refused(self, keys: Any) -> None:
        with pytest.raises(ConfigurationError):
            Keyring(keys)

    @pytest.mark.parametrize("encrypts", [0, 3, "1"])
    def test_a_key_that_is_not_there_cannot_encrypt(self, encrypts: Any) -> None:
        with pytest.raises(ConfigurationError, match="to encrypt"):
            Keyring({1: KEY, 2: OTHER_KEY}, encrypts=encrypts)

    def test_repr_tells_no_key(self) -> None:
        assert repr(Keyring({1: KEY, 2: OTHER_KEY})) == "Keyring(encrypts=2, others=[1])"


@pytest.mark.parametrize(
    "parameters",
    [{"pickle": b"short"}, {"pickle": "x" * 20}, {"compress_above": -1}, {"max_bytes": 0}],
)
def test_odd_parameters_are_refused(parameters: Any) -> None:
    with pytest.raises(ConfigurationError):
        Serializer(**parameters)


class TestMissing:
    def test_zstandard(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = Serializer().dumps("a" * 5000)
        monkeypatch.setitem(sys.modules, "zstandard", None)
        with pytest.raises(MissingExtraError, match=r"augury\[codecs\]"):
            Serializer()
        serializer = Serializer(compress_above=None)
        assert serializer.loads(serializer.dumps("a" * 5000)) == "a" * 5000
        with pytest.raises(MissingExtraError, match="zstandard"):
            serializer.loads(data)

    def test_cryptography(self, monkeypatch: pytest.MonkeyPatch) -> None:
        name = "cryptography.hazmat.primitives.ciphers.aead"
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtraError, match=r"augury\[security\]"):
            Keyring({1: KEY})

    def test_pyarrow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        table = importlib.import_module("pyarrow").table({"a": [1]})
        for value in (table, [table]):
            data = Serializer().dumps(value)
            with monkeypatch.context() as patched:
                patched.setitem(sys.modules, "pyarrow.ipc", None)
                with pytest.raises(MissingExtraError, match="pyarrow"):
                    Serializer().loads(data)
                with pytest.raises(MissingExtraError, match="pyarrow"):
                    Serializer().dumps(value)

    @pytest.mark.parametrize(("package", "extra"), [("torch", "torch"), ("safetensors", "codecs")])
    def test_torch(self, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, "safetensors.torch", raising=False)
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtraError, match=rf"{package} .*augury\[{extra}\]"):
            Serializer().loads(sealed(5, b""))


def test_threads_share_a_serializer() -> None:
    serializer = Serializer(compress_above=0, keys=Keyring({1: KEY}))
    failures: list[object] = []

    def work(number: int) -> None:
        for length in range(200):
            value = {"n": [number] * length, "bytes": os.urandom(length)}
            if serializer.loads(serializer.dumps(value)) != value:
                failures.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_short_or_incompressible_values_are_not_compressed() -> None:
    serializer = Serializer(compress_above=100)
    assert len(serializer.dumps(b"a" * 100)) == 100 + 24
    assert len(serializer.dumps(b"a" * 101)) < 70
    assert len(serializer.dumps(os.urandom(1000))) == 1000 + 24


def test_importing_the_codecs_imports_no_library(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys; from augury.codecs import Serializer; Serializer(compress_above=None)"
        ".dumps([1]); heavy = {'pyarrow', 'torch', 'safetensors', 'zstandard', 'cryptography'};"
        "sys.exit(str(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_arrow_stays_valid_without_the_bytes() -> None:
    table = importlib.import_module("pyarrow").table({"a": list(range(100))})
    buffer = bytearray(arrow.encode(table))
    back = arrow.decode(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert back.equals(table)
