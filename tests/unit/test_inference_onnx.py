"""Sessions of ONNX Runtime, of models that are made here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augury import Cache
from augury.errors import ConfigurationError, InputError, OutputError
from augury.inference import Batcher, CachedModel

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def linear(scale: float = 1.0, rows: Any = "rows", element: int | None = None) -> Any:
    """A model of the inputs a (3 wide) and b (2 wide): the outputs sum and a doubled."""
    helper, kind = onnx.helper, element or onnx.TensorProto.FLOAT
    weight = onnx.numpy_helper.from_array(
        (scale * np.arange(6).reshape(3, 2)).astype(np.float32), "weight"
    )
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["a", "weight"], ["product"]),
            helper.make_node("Add", ["product", "b"], ["sum"]),
            helper.make_node("Add", ["a", "a"], ["doubled"]),
        ],
        "linear",
        [
            helper.make_tensor_value_info("a", kind, [rows, 3]),
            helper.make_tensor_value_info("b", kind, [rows, 2]),
        ],
        [
            helper.make_tensor_value_info("sum", kind, [rows, 2]),
            helper.make_tensor_value_info("doubled", kind, [rows, 3]),
        ],
        [weight],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def relu() -> Any:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [helper.make_tensor_value_info("x", kind, ["rows", 2])],
        [helper.make_tensor_value_info("y", kind, ["rows", 2])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def session(model: Any) -> Any:
    return onnxruntime.InferenceSession(
        model if isinstance(model, str) else model.SerializeToString(),
        providers=["CPUExecutionProvider"],
    )


def inputs(count: int, seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "a": random.random((count, 3), np.float32),
        "b": random.random((count, 2), np.float32),
    }


def test_outputs_are_those_of_the_session() -> None:
    bare = session(linear())
    cached = CachedModel(bare, Cache(1_000), bypass=False)
    rows = inputs(20)
    rows = {name: array[[0, 1, 1, *range(20)]] for name, array in rows.items()}
    expected = bare.run(None, rows)
    for _ in range(2):
        returned = cached(rows)
        assert isinstance(returned, list)
        for mine, its in zip(returned, expected, strict=True):
            assert mine.dtype == its.dtype
            assert np.array_equal(mine, its)
    assert cached.stats.computed == 20


def test_chosen_outputs_come_alone() -> None:
    bare = session(linear())
    rows = inputs(5)
    for names in ("doubled", "doubled, sum"):
        cached = CachedModel(bare, Cache(1_000), method=names)
        expected = bare.run(names.replace(" ", "").split(","), rows)
        for mine, its in zip(cached(rows), expected, strict=True):
            assert np.array_equal(mine, its)
    with pytest.raises(ConfigurationError, match="sum, doubled; not 'product'"):
        CachedModel(bare, Cache(10), method="product")


def test_rows_that_differ_in_one_input_are_two() -> None:
    cached = CachedModel(session(linear()), Cache(1_000), bypass=False)
    rows = inputs(4)
    cached(rows)
    other = rows | {"b": rows["b"] + 1}
    assert np.array_equal(cached(other)[0], session(linear()).run(None, other)[0])
    assert cached.stats.computed == 8


def test_a_model_of_one_input_takes_an_array_or_a_list() -> None:
    cached = CachedModel(session(relu()), Cache(1_000), bypass=False)
    rows = [[-1.0, 2.0], [3.0, -4.0]]
    for given in (rows, np.array(rows, np.float32), {"x": np.array(rows, np.float32)}):
        assert cached(given)[0].tolist() == [[0.0, 2.0], [3.0, 0.0]]
    assert cached.stats.computed == 2


def test_another_model_shares_nothing_and_the_same_one_all(tmp_path: Path) -> None:
    cache: Cache[Any, Any] = Cache(1_000)
    rows = inputs(6)
    first = CachedModel(session(linear()), cache, bypass=False)
    first(rows)
    onnx.save(linear(2.0), tmp_path / "other.onnx")
    other = CachedModel(session(str(tmp_path / "other.onnx")), cache, bypass=False)
    assert not np.array_equal(other(rows)[0], first(rows)[0])
    assert other.stats.hits == 0
    onnx.save(linear(), tmp_path / "same.onnx")
    same = CachedModel(session(str(tmp_path / "same.onnx")), cache, bypass=False)
    assert np.array_equal(same(rows)[0], first(rows)[0])


def test_weights_beside_the_model_belong_to_it(tmp_path: Path) -> None:
    prints: list[bytes] = []
    for scale in (1.0, 1.0, 2.0):
        folder = tmp_path / str(len(prints))
        folder.mkdir()
        onnx.save(
            linear(scale),
            folder / "model.onnx",
            save_as_external_data=True,
            location="weights",
            size_threshold=0,
        )
        cached = CachedModel(session(str(folder / "model.onnx")), Cache(10))
        assert (folder / "weights").exists()
        prints.append(cached._main._adapter.fingerprint())
    assert prints[0] == prints[1] != prints[2]


def test_a_model_whose_file_is_gone_needs_a_version(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(linear(), path)
    bare = session(str(path))
    path.unlink()
    with pytest.raises(ConfigurationError, match="version="):
        CachedModel(bare, Cache(10))(inputs(2))
    cached = CachedModel(bare, Cache(10), version="3")
    assert np.array_equal(cached(inputs(2))[0], bare.run(None, inputs(2))[0])


def test_a_fixed_batch_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'a' has the fixed size 8 .*dynamic batch axis"):
        CachedModel(session(linear(rows=8)), Cache(10))


def test_what_is_no_row_of_all_inputs_is_refused() -> None:
    cached = CachedModel(session(linear()), Cache(10))
    rows = inputs(3)
    with pytest.raises(InputError, match="inputs a, b"):
        cached(rows["a"])
    with pytest.raises(InputError, match="inputs a, b, not a"):
        cached({"a": rows["a"]})
    with pytest.raises(InputError, match="differ in their number of rows"):
        cached(rows | {"b": rows["b"][:2]})
    with pytest.raises(InputError, match="input 'b' is ragged"):
        cached(rows | {"b": [[1.0], [1.0, 2.0], [3.0]]})
    with pytest.raises(InputError, match="input 'b' is no array of f4"):
        cached(rows | {"b": [["x", "y"]] * 3})
    with pytest.raises(InputError, match="Python objects"):
        cached(rows | {"b": np.array([["x", 1]] * 3, object)})


def test_bytes_of_another_order_are_read_as_the_numbers_they_are() -> None:
    bare, rows = session(linear()), inputs(3)
    swapped = {name: array.astype(">f4") for name, array in rows.items()}
    for mine, its in zip(CachedModel(bare, Cache(10))(swapped), bare.run(None, rows), strict=True):
        assert np.array_equal(mine, its)


def test_the_sessions_own_errors_pass_and_poison_nothing() -> None:
    bare = session(linear())
    cached = CachedModel(bare, Cache(1_000), bypass=False)
    rows = inputs(3)
    with pytest.raises(Exception, match="Got invalid dimensions"):
        cached(rows | {"a": np.zeros((3, 4), np.float32)})
    with pytest.raises(Exception, match="Unexpected input data type"):
        cached({name: array.astype(float) for name, array in rows.items()})
    assert np.array_equal(cached(rows)[0], bare.run(None, rows)[0])


def test_outputs_without_a_row_each_are_refused() -> None:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)],
        "total",
        [helper.make_tensor_value_info("x", kind, ["rows", 2])],
        [helper.make_tensor_value_info("y", kind, [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(OutputError, match="a single value for 3 rows"):
        CachedModel(session(model), Cache(10))(np.arange(6, dtype="f4").reshape(3, 2))


def test_decimals_round_each_input() -> None:
    cached = CachedModel(session(linear()), Cache(10), decimals=2, bypass=False)
    rows = inputs(1)
    first = cached(rows)
    rows = {name: array.round(2) + np.float32(0.001) for name, array in rows.items()}
    assert np.array_equal(cached(rows)[0], first[0])


def test_batches_that_are_not_looked_up_and_those_of_several_calls() -> None:
    bare = session(relu())
    cached = CachedModel(bare, Cache(1_000))
    cached._main._bypass.looks_up = False  # type: ignore[union-attr]
    cached._main._bypass._every = 1 << 20  # type: ignore[union-attr]
    rows = np.array([[-1.0, 2.0], [3.0, -4.0]], np.float32)
    for given in (rows, rows.tolist(), {"x": rows}):
        assert np.array_equal(cached(given)[0], bare.run(None, {"x": rows})[0])

    bare = session(linear())
    adapter = CachedModel(bare, Cache(1_000))._main._adapter
    parts = [adapter.read(inputs(3, seed)).given for seed in range(3)]
    together = {name: np.concatenate([part[name] for part in parts]) for name in ("a", "b")}
    outputs = adapter.run(adapter.join(parts), None).leaves
    for mine, its in zip(outputs, bare.run(None, together), strict=True):
        assert np.array_equal(mine, its)


def test_a_batcher_joins_the_inputs_of_several_calls() -> None:
    bare = session(linear())
    with (
        Batcher(CachedModel(bare, Cache(1_000)), max_batch=6, max_wait=30) as batcher,
        ThreadPoolExecutor(3) as threads,
    ):
        asked = [threads.submit(batcher.call_many, inputs(2, seed)) for seed in range(3)]
        for seed, each in enumerate(asked):
            for mine, its in zip(each.result(), bare.run(None, inputs(2, seed)), strict=True):
                assert np.allclose(mine, its, rtol=1e-6)
