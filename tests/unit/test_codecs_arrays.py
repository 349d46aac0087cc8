"""Arrays, tables and tensors, alone and within containers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from augury.codecs import Serializer
from augury.errors import CodecError

SERIALIZER = Serializer()


def through(value: Any) -> Any:
    return SERIALIZER.loads(SERIALIZER.dumps(value))


def assert_same_array(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert one.dtype.isalignedstruct == other.dtype.isalignedstruct
    if one.dtype.names is None:
        assert one.tobytes() == other.tobytes()
    else:
        for name in one.dtype.names:  # what lies between the fields is not part of the value
            assert_same_array(one[name], other[name])


PORTABLE = hnp.scalar_dtypes().filter(lambda dtype: dtype.char not in "gG")
DTYPES = hnp.nested_dtypes(PORTABLE, max_itemsize=64).filter(
    lambda dtype: dtype.subdtype is None and dtype.itemsize > 0
)


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_side=4)))
def test_arrays_come_back_exactly(array: Any) -> None:
    array = np.asarray(array)
    assert_same_array(through(array), array)
    assert_same_array(through([(array,)])[0][0], array)


@given(hnp.from_dtype(np.dtype("f8")) | PORTABLE.flatmap(hnp.from_dtype))
def test_scalars_come_back_exactly(scalar: Any) -> None:
    for back in (through(scalar), through({"key": scalar})["key"]):
        assert type(back) is type(scalar)
        if isinstance(scalar, np.generic):
            assert back.dtype == scalar.dtype
            assert back.tobytes() == scalar.tobytes()


BASE = np.arange(24, dtype="i4").reshape(2, 3, 4)


@pytest.mark.parametrize(
    "array",
    [
        BASE,
        np.asfortranarray(BASE),
        BASE[:, ::2, ::-1],
        BASE.T,
        np.broadcast_to(BASE[0, 0], (5, 4)),
        BASE.astype(">i4"),
        np.array(3.5),
        np.zeros((0, 3)),
        np.zeros((3, 0), order="F"),
        np.array(["2026-01-01", "NaT"], "M8[25s]"),
        np.array([1, -1], "m8[ns]"),
        np.array(["a", "öä"]),
        np.array([b"a\0b"]),
        np.array([(1, 2.5, "x")], dtype=[("a", "u1"), ("b", "f8"), ("c", "U3")]),
        np.zeros(3, np.dtype([("a", "u1"), ("b", ("f4", (2, 2)))], align=True)),
        np.zeros(2, np.dtype({"names": ["x"], "formats": ["i2"], "offsets": [3], "itemsize": 9})),
        np.zeros(2, np.dtype([("in", [("x", "i2")]), ("when", "M8[us]")])),
        np.zeros(2, [(("title", "a"), "i4"), ("b", "i2")]),
        np.array([np.nan, -0.0, np.inf], "f2"),
    ],
    ids=lambda array: f"{array.dtype.kind}{array.shape}",
)
def test_odd_arrays_come_back_exactly(array: Any) -> None:
    back = through(array)
    assert_same_array(back, array)
    assert back.flags.writeable
    assert back.flags.owndata
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    assert back.flags.f_contiguous if fortran else back.flags.c_contiguous


@pytest.mark.parametrize(
    "value",
    [
        np.array([None, {}]),
        np.zeros(2, [("a", "O")]),
        np.longdouble(1),
        np.array([1], "g"),
        np.ma.masked_array([1, 2], [True, False]),
        np.zeros(2, [("a", "i4")]).view(np.recarray),
        np.zeros(2, np.dtype("i4", metadata={"unit": "m"})),
        np.zeros(2, [((5, "a"), "i4")]),
        np.zeros(2, "V0"),
    ],
    ids=lambda value: str(value.dtype),
)
def test_other_arrays_are_refused(value: Any) -> None:
    for wrapped in (value, [value]):
        with pytest.raises(CodecError):
            SERIALIZER.dumps(wrapped)


def arrow_values() -> list[Any]:
    pa = pytest.importorskip("pyarrow")
    table = pa.table(
        {
            "id": pa.array([1, None, 3], pa.int16()),
            "name": pa.array(["a", None, "c"]).dictionary_encode(),
            "tags": pa.array([["x"], [], None]),
            "when": pa.array([0, 1, None], pa.timestamp("us", "Europe/Rome")),
            "both": pa.array([{"x": 1}, None, {"x": 2}]),
        },
        metadata={"made": "here"},
    )
    return [
        table,
        table.slice(1, 1),
        table.schema.empty_table(),
        pa.concat_tables([table, table.slice(2)]),
        pa.table({}),
        table.to_batches()[0],
        pa.RecordBatch.from_pylist([], schema=table.schema),
    ]


@pytest.mark.parametrize("number", range(7))
def test_tables_come_back_exactly(number: int) -> None:
    value = arrow_values()[number]
    for back in (through(value), through({"table": (value,)})["table"][0]):
        assert type(back) is type(value)
        assert back.equals(value, check_metadata=True)
        assert back.schema.equals(value.schema, check_metadata=True)


def test_foreign_extension_types_of_arrow_are_refused() -> None:
    pa: Any = pytest.importorskip("pyarrow")

    class Metres(pa.ExtensionType):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(pa.int64(), "test.metres")

        def __arrow_ext_serialize__(self) -> bytes:
            return b""

    column = pa.ExtensionArray.from_storage(Metres(), pa.array([1]))
    nested = pa.ListArray.from_arrays([0, 1], column)
    for array in (column, nested):
        with pytest.raises(CodecError, match="extension type"):
            SERIALIZER.dumps(pa.table({"a": array}))
    if hasattr(pa, "uuid"):  # since pyarrow 18
        canonical = pa.table({"a": pa.array([b"1" * 16], pa.uuid())})
        assert through(canonical).equals(canonical)


def test_compressed_buffers_of_arrow_are_no_value() -> None:
    from augury.codecs.formats import arrow

    pa = pytest.importorskip("pyarrow")
    for column in (pa.array([0] * 1000), pa.array(["a"] * 100).dictionary_encode()):
        table = pa.table({"a": column})
        sink = pa.BufferOutputStream()
        sink.write(b"T")
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
            writer.write(table)
        with pytest.raises(ValueError, match="compressed"):
            arrow.decode(memoryview(sink.getvalue()))
        assert arrow.decode(memoryview(arrow.encode(table))).equals(table)


def test_frames_are_refused() -> None:
    for library in ("pandas", "polars"):
        frame = pytest.importorskip(library).DataFrame({"a": [1]})
        with pytest.raises(CodecError, match=library):
            SERIALIZER.dumps(frame)


def test_tensors_come_back_exactly() -> None:
    torch = pytest.importorskip("torch")
    tensors = [
        torch.arange(6).reshape(2, 3),
        torch.arange(6).reshape(2, 3).t(),
        torch.tensor(1.5, dtype=torch.bfloat16),
        torch.zeros((0, 3), dtype=torch.bool),
        torch.tensor([1 + 2j]).conj(),
    ]
    for tensor in tensors:
        for back in (through(tensor), through({"layer": [tensor]})["layer"][0]):
            assert type(back) is torch.Tensor
            assert back.dtype == tensor.dtype
            assert back.shape == tensor.shape
            assert torch.equal(back, tensor)


def test_other_tensors_are_refused() -> None:
    torch = pytest.importorskip("torch")
    for tensor in (
        torch.zeros(2, requires_grad=True),
        torch.nn.Parameter(torch.zeros(2)),
        torch.zeros(2, device="meta"),
        torch.eye(2).to_sparse(),
    ):
        with pytest.raises(CodecError):
            SERIALIZER.dumps([tensor])
