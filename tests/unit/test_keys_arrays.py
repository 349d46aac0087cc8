"""Keys of NumPy arrays: by dtype, shape and elements, not by how they lie in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from augury import keys
from augury.errors import KeyEncodingError

dtypes = (
    hnp.scalar_dtypes().filter(lambda d: d.char not in "gG")
    | hnp.array_dtypes(hnp.scalar_dtypes().filter(lambda d: d.char not in "gG"))
)  # fmt: skip


@given(hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_dims=3)))
def test_memory_layout_does_not_count(array: np.ndarray[Any, Any]) -> None:
    key = keys.encode(array)
    spaced = np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim else array
    for same in (
        array.copy(order="F"),
        array.astype(array.dtype.newbyteorder(">")),
        array.astype(array.dtype.newbyteorder("<")),
        spaced,
    ):
        assert keys.encode(same) == key
        assert keys.digest(same) == keys.digest(array)


@given(
    st.sampled_from(["<i4", "<f4", "?", "<c8", "<M8[s]", "S3", "<U2"]),
    st.data(),
)
def test_keys_are_equal_exactly_if_the_bytes_are(dtype: str, data: st.DataObject) -> None:
    shapes = hnp.array_shapes(max_dims=2, max_side=3)
    elements = {"allow_nan": False} if dtype in ("<f4", "<c8") else None
    left, right = (data.draw(hnp.arrays(dtype, shapes, elements=elements)) for _ in "ab")
    same = left.shape == right.shape and left.tobytes() == right.tobytes()
    assert (keys.encode(left) == keys.encode(right)) == same


def test_what_counts() -> None:
    base = np.arange(6.0)
    different: list[Any] = [
        base,
        base.astype("f4"),
        base.astype("i8"),
        base.reshape(2, 3),
        base.reshape(3, 2),
        base.reshape(2, 3).T,
        base.astype(object),
        base.astype("S4"),
        base.view("M8[s]"),
        base.view("M8[ms]"),
        base.view([("a", "f8")]),
        base.view([("b", "f8")]),
        base.view([("a", "f4"), ("b", "f4")]),
        base.view(np.recarray),
        np.ma.array(base, mask=base > 3),
        np.ma.array(base, mask=base > 2),
        -base,  # of which the first element is -0.0
        base.tolist(),
        base[1],
        np.float32(1),
        1.0,
        np.int64(1),
        np.bool_(True),
        np.str_("a"),
        np.bytes_(b"a"),
        np.datetime64("2026-01-01"),
        np.timedelta64(1, "s"),
        np.dtype("f8"),
        np.float64,
    ]
    assert len({keys.encode(value) for value in different}) == len(different)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("size", [3, 100_000])
def test_all_nans_are_one(dtype: str, size: int) -> None:
    array = np.zeros(size, dtype)
    array[-1] = np.nan
    odd = array.copy()
    odd.real[-1] = -odd.real[-1]
    assert odd.tobytes() != array.tobytes()
    before = odd.tobytes()
    assert keys.digest(odd) == keys.digest(array) != keys.digest(np.zeros(size, dtype))
    assert odd.tobytes() == before


def test_padding_and_masked_elements_do_not_count() -> None:
    aligned = np.dtype([("a", "i1"), ("b", "i8")], align=True)
    one, other = np.zeros(3, aligned), np.frombuffer(b"\xff" * 48, aligned).copy()
    other["a"], other["b"] = 0, 0
    assert one.tobytes() != other.tobytes()
    assert keys.encode(one) == keys.encode(other)
    masked = [np.ma.array([1, under], mask=[False, True]) for under in (2, 3)]
    assert keys.encode(masked[0]) == keys.encode(masked[1])


def test_objects_and_strings_are_keyed_one_by_one() -> None:
    array = np.array([["a", 1], [None, 2.5]], dtype=object)
    assert keys.encode(array) == keys.encode(array.copy(order="F"))
    array[1, 0] = object()
    with pytest.raises(KeyEncodingError, match=r"value\[1, 0\]: cannot make"):
        keys.encode(array)
    texts = np.array(["a", "long enough to lie elsewhere"], np.dtypes.StringDType())
    assert keys.encode(texts) == keys.encode(texts.copy())


def test_a_large_array_digests_as_it_encodes(tmp_path: Any) -> None:
    from hashlib import blake2b

    array = np.random.default_rng(0).random((300, 1000))
    for value in (array, array.T, array[::2, 1:], array.astype("f4"), array.view("i8")):
        assert keys.digest(value) == blake2b(keys.encode(value), digest_size=16).digest()
    np.save(tmp_path / "a.npy", array)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert keys.encode(mapped)[-100:] == keys.encode(array)[-100:]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.longdouble(1), "differ between machines; convert it to float64"),
        (np.zeros(1, "c32"), "differ between machines"),
        (np.array([None, np.zeros(1, "g")], object), r"value\[1\]: cannot .* differ between"),
        (np.array([np.longdouble(1)], object), r"value\[\?\]: cannot .* differ between"),
        ({"a": np.zeros(1, [("f", "g")])}, r"value\['a'\]: cannot .* differ between"),
        (np.add, "numpy.ufunc"),
        (np.random.default_rng(), "register it"),
    ],
)
def test_what_has_no_key(value: Any, message: str) -> None:
    with pytest.raises(KeyEncodingError, match=message):
        keys.encode(value)
