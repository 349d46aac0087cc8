"""A cached model answers as the bare one does, whatever is asked and whatever goes wrong."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial, update_wrapper, wraps
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from augury import Cache, _native
from augury.errors import ConfigurationError, InputError, MissingExtraError, OutputError
from augury.inference import CachedLayers, CachedModel
from augury.inference.adapters import adapter_of
from augury.inference.adapters.contract import Leaf
from augury.inference.lookup import Form
from augury.tiers import Memory, Tiers

Array = NDArray[Any]
LONG = 60.0


class Model:
    """Runs a function, and counts the rows that it is given."""

    def __init__(self, function: Callable[[Array], Any]) -> None:
        self.function = function
        self.batches: list[int] = []

    def __call__(self, rows: Array) -> Any:
        self.batches.append(len(rows))
        return self.function(rows)


def check_same(got: Any, expected: Any) -> None:
    assert type(got) is type(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.tobytes() == expected.tobytes()


# Each a function of rows whose output for a row depends on that row alone.
OUTPUTS: dict[str, Callable[[Array], Array]] = {
    "the rows": lambda rows: rows,
    "reversed": lambda rows: rows[:, ::-1] if rows.ndim > 1 else rows,
    "by column": np.asfortranarray,
    "bytes": lambda rows: np.array(
        [len(row.tobytes()) % 7 + row.tobytes().count(0) for row in rows], np.uint8
    ).reshape(len(rows)),
    "texts": lambda rows: np.array([f"{row.tobytes()[:3]!r:40}" for row in rows], "U40"),
    "big-endian": lambda rows: np.array([sum(row.tobytes()) for row in rows], ">f4"),
    "half": lambda rows: np.array([[sum(row.tobytes())] * 3 for row in rows], "f2").reshape(-1, 3),
    "complex": lambda rows: np.array([sum(row.tobytes()) * 1j for row in rows], "c8"),
    "three axes": lambda rows: np.array(
        [[[len(row.tobytes())] * 2] * 2 for row in rows], ">i2"
    ).reshape(-1, 2, 2),
    "times": lambda rows: np.array([sum(row.tobytes()) for row in rows], "datetime64[s]"),
    "nothing": lambda rows: np.zeros((len(rows), 0)),
}


@st.composite
def layouts(draw: st.DrawFn) -> Array:
    """Arrays of many dtypes, shapes and orders, with rows that are equal."""
    dtype = draw(
        st.one_of(
            npst.boolean_dtypes(),
            npst.integer_dtypes(endianness="?"),
            npst.unsigned_integer_dtypes(endianness="?"),
            npst.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
            npst.complex_number_dtypes(endianness="?"),
            npst.datetime64_dtypes(),
            npst.timedelta64_dtypes(),
            npst.byte_string_dtypes(max_len=5),
            npst.unicode_string_dtypes(max_len=5),
        )
    )
    shape = draw(npst.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    array = draw(npst.arrays(dtype, shape))
    if len(array):
        array = array[draw(st.lists(st.integers(0, len(array) - 1), max_size=12))]
    order = draw(st.sampled_from(["as it is", "by column", "every second", "backwards"]))
    if order == "by column":
        return np.asfortranarray(array)
    if order == "every second":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return array[::-1] if order == "backwards" else array


@settings(max_examples=300, deadline=None)
@given(
    st.lists(layouts(), min_size=1, max_size=4),
    st.sampled_from(sorted(OUTPUTS)),
    st.sampled_from(["digest", "row"]),
    st.booleans(),
    st.sampled_from([1, 3, 1000]),
)
def test_outputs_are_those_of_the_bare_model(
    batches: list[Array], output: str, verify: str, bypass: bool, capacity: int
) -> None:
    function = OUTPUTS[output]
    cached = CachedModel(function, Cache(capacity), verify=verify, bypass=bypass)
    for batch in batches * 2:
        check_same(cached(batch), function(batch))
    stats = cached.stats
    assert stats.rows == stats.hits + stats.duplicates + stats.computed


@settings(max_examples=100, deadline=None)
@given(st.lists(layouts(), min_size=1, max_size=3), st.sampled_from(sorted(OUTPUTS)))
def test_tiers_hold_outputs_as_well(batches: list[Array], output: str) -> None:
    function = OUTPUTS[output]
    tiers: Tiers[Any, Any] = Tiers([Memory(1000)])
    for batch in batches * 2:
        # One that begins anew finds what outputs look like in the tiers.
        check_same(CachedModel(function, tiers)(batch), function(batch))


@pytest.mark.parametrize("verify", ["digest", "row"])
def test_outputs_without_columns_need_nothing_in_the_cache(verify: str) -> None:
    cache: Cache[Any, Any] = Cache(100)
    for _ in range(2):
        cached = CachedModel(OUTPUTS["nothing"], cache, verify=verify)
        check_same(cached(np.ones((3, 2))), np.zeros((3, 0)))
        for key in [key for key in cache if len(key) == 16]:  # what outputs look like
            del cache[key]


def test_hits_may_be_written_to() -> None:
    cached = CachedModel(lambda rows: rows * 2, Cache(100))
    rows = np.ones((3, 2))
    for _ in range(3):
        answer = cached(rows)
        np.testing.assert_array_equal(answer, rows * 2)
        answer[:] = 7


@pytest.mark.parametrize("store", [Cache, lambda n: Tiers([Memory(n)])])
def test_colliding_digests_are_told_apart_by_the_rows(
    store: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_native, "digest_rows", lambda rows: np.full(2 * len(rows), 7, np.uint64))
    rows = np.arange(12).reshape(6, 2)
    cached = CachedModel(lambda rows: rows * 2, store(100), verify="row", bypass=False)
    for chosen in ([0, 1, 0, 2, 1], [2], [0], [5, 5, 0], [0, 5]):
        np.testing.assert_array_equal(cached(rows[chosen]), rows[chosen] * 2)
    fooled = CachedModel(lambda rows: rows * 2, store(100), bypass=False)
    assert fooled(rows[[0, 1]]).tolist() == [[0, 2], [0, 2]]


@pytest.mark.parametrize("verify", ["digest", "row"])
def test_a_model_may_write_to_the_rows_that_it_is_given(verify: str) -> None:
    def model(rows: Array) -> Array:
        rows *= 2
        return rows[:, 0]

    cached = CachedModel(model, Cache(100), verify=verify)
    for _ in range(2):
        assert cached(np.array([[1], [2]])).tolist() == [2, 4]
    assert cached.stats.hits == 2
    assert cached(np.array([[4], [2], [2]])).tolist() == [8, 4, 4]


def test_zeros_and_nans_are_told_apart_by_their_bits() -> None:
    model = Model(np.signbit)
    cached = CachedModel(model, Cache(100))
    nan, other = np.float64("nan"), np.array([0xFFF8000000000001], np.uint64).view("f8")[0]
    rows = np.array([[0.0], [-0.0], [nan], [other], [nan], [0.0]])
    check_same(cached(rows), np.signbit(rows))
    assert model.batches == [4]


def test_rows_of_other_dtypes_and_shapes_are_other_rows() -> None:
    model = Model(lambda rows: rows.reshape(len(rows), -1).sum(axis=1))
    cached = CachedModel(model, Cache(100))
    batches: list[Array] = [
        np.zeros((2, 4), "<i4"),
        np.zeros((2, 4), "<f4"),
        np.zeros((2, 4), ">f4"),
        np.zeros((2, 2), "<f8"),
        np.zeros((2, 2, 2), "<f4"),
        np.zeros(2, "<f4"),
    ]
    for batch in batches:
        check_same(cached(batch), batch.reshape(2, -1).sum(axis=1))
    assert model.batches == [1] * len(batches)


class Refusing:
    """As tensors with a gradient do."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise RuntimeError("no array today\nnor tomorrow")


class Sparse:
    """As the matrices of SciPy."""

    def toarray(self) -> Array:
        return np.zeros((2, 1))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[1], [2, 3]], "ragged"),
        ([["a", None]], "Python objects"),
        (np.array([[1, "a"]], object), "Python objects"),
        (5.0, "single value"),
        (np.float64(5), "single value"),
        (None, "Python objects"),
        (np.zeros((2, 1), [("a", "O")]), "Python objects"),
        (np.ma.masked_array([[1, 2]], mask=[[True, False]]), "masked"),
        (Refusing(), "cannot be made an array: no array today"),
        (Sparse(), "a sparse matrix"),
    ],
)
def test_what_has_no_rows_is_refused(rows: Any, said: str) -> None:
    model = Model(lambda rows: rows)
    cached = CachedModel(model, Cache(100))
    with pytest.raises(InputError, match=said) as raised:
        cached(rows)
    assert "\n" not in str(raised.value)
    assert model.batches == []


def failing(rows: Array) -> Array:
    if (rows == 13).any():
        raise ZeroDivisionError
    return rows


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda rows: rows[:-1], "returned 1 rows for 2 rows"),
        (lambda rows: np.concatenate([rows, rows]), "returned 4 rows for 2 rows"),
        (lambda rows: rows.sum(), "a single value for 2 rows"),
        (lambda rows: 5, "a single value"),
        (lambda rows: None, "a NoneType"),
        (lambda rows: np.array([object()] * len(rows)), "Python objects"),
        (lambda rows: (row for row in rows), "a generator"),
        (lambda rows: (rows, rows), "a tuple"),
        (lambda rows: np.ma.masked_array(rows, mask=True), "a masked array"),
        (lambda rows: Refusing(), "cannot be made an array: no array today"),
        (lambda rows: Sparse(), "a sparse matrix"),
        (lambda rows: np.zeros(len(rows), [("a", "<f4")]), "named fields"),
        (lambda rows: [[1], [1, 2]], "not equally long"),
    ],
)
def test_wrong_outputs_are_told_and_nothing_is_stored(
    function: Callable[[Array], Any], said: str
) -> None:
    cache: Cache[Any, Any] = Cache(100)
    broken = [True]

    def model(rows: Array) -> Any:
        return function(rows) if broken else rows

    cached = CachedModel(model, cache)
    rows = np.array([[1], [2]])
    for _ in range(2):
        with pytest.raises(OutputError, match=said):
            cached(rows)
    assert len(cache) == 0
    broken.clear()
    np.testing.assert_array_equal(cached(rows), rows)
    assert len(cache) == 3  # both rows, and what outputs look like


def test_functions_get_arrays_also_where_looking_up_does_not_pay() -> None:
    adapter = adapter_of(lambda rows: rows.sum(axis=1), None)
    returned, rows = adapter.bare([[1, 2], [3, 4]])
    assert (returned.tolist(), rows) == ([3, 7], 2)


def test_a_model_that_writes_into_its_input_is_found_by_the_whole_row() -> None:
    def model(rows: Array) -> Array:
        rows += 1
        return rows

    cached = CachedModel(model, Cache(100), verify="row", bypass=False)
    for _ in range(2):
        np.testing.assert_array_equal(cached(np.array([[1], [2]])), [[2], [3]])
    assert cached.stats.computed == 2


def test_classes_are_no_models() -> None:
    with pytest.raises(ConfigurationError, match="Model is a class; pass an object of it"):
        CachedModel(Model, Cache(10))


def test_an_error_for_one_batch_poisons_nothing() -> None:
    cached = CachedModel(failing, Cache(100), bypass=False)
    good, bad = np.array([[1], [2]]), np.array([[1], [13], [3]])
    np.testing.assert_array_equal(cached(good), good)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cached(bad)
    np.testing.assert_array_equal(cached([[3], [1]]), [[3], [1]])
    assert cached.stats.hits == 1


def test_outputs_that_change_their_form_are_refused() -> None:
    def model(rows: Array) -> Array:
        return rows.astype("f4") if (rows == 13).any() else rows

    cached = CachedModel(model, Cache(100), bypass=False)
    cached(np.array([[1], [2]]))
    with pytest.raises(OutputError, match=r"another shape or type .* <f4 \[1\] instead of <i8"):
        cached(np.array([[13]]))
    np.testing.assert_array_equal(cached(np.array([[1], [3]])), [[1], [3]])


@pytest.mark.parametrize(
    ("dtype", "shape"), [("no dtype", ()), ("|O", ()), ("<f8,<f8", ()), ("<f8", (-1,))]
)
def test_what_others_wrote_of_outputs_is_no_matter(dtype: str, shape: tuple[int, ...]) -> None:
    cache: Cache[Any, Any] = Cache(100)
    rows = np.array([[1.0], [2.0]])
    CachedModel(np.square, cache, bypass=False)(rows)
    [space] = [key for key in cache if len(key) == 16]
    cache[space] = msgspec.msgpack.encode(Form((Leaf(dtype, shape),)))
    cached = CachedModel(np.square, cache, bypass=False)
    for _ in range(2):
        np.testing.assert_array_equal(cached(rows), np.square(rows))
    assert cached.stats.hits == 2


def test_time_to_live_and_clearing() -> None:
    now = [0.0]
    model = Model(lambda rows: rows)
    cache: Cache[Any, Any] = Cache(100, clock=lambda: now[0])
    cached = CachedModel(model, cache, ttl=10, bypass=False)
    rows = np.array([[1], [2]])
    for time, runs in ((0.0, 1), (9.0, 1), (11.0, 2), (12.0, 2)):
        now[0] = time
        np.testing.assert_array_equal(cached(rows), rows)
        assert len(model.batches) == runs
    cache.clear()
    np.testing.assert_array_equal(cached(rows), rows)
    assert len(model.batches) == 3


def test_a_listener_of_the_cache_may_call_the_model() -> None:
    now = [0.0]
    told: list[float] = []

    def gone(key: Any, value: Any, cause: object) -> None:
        if not told:
            told.append(5.0)
            told.append(cached(np.array([5.0]))[0])

    cache: Cache[Any, Any] = Cache(100, clock=lambda: now[0], on_evict=gone)
    cached = CachedModel(lambda rows: rows * 2, cache, ttl=1, bypass=False)
    cached(np.array([1.0]))
    now[0] = 5.0
    cached.changed()  # so that it is read anew what outputs look like, which has expired
    caller = threading.Thread(target=cached, args=(np.array([1.0]),), daemon=True)
    caller.start()
    caller.join(LONG)
    assert told == [5.0, 10.0]


def test_functions_of_other_code_share_nothing_and_of_equal_code_all() -> None:
    cache: Cache[Any, Any] = Cache(100)
    rows = np.array([[1.0], [2.0]])

    def times(factor: float) -> Callable[[Array], Array]:
        return lambda rows: rows * factor

    first, second, third = (CachedModel(times(each), cache) for each in (2.0, 3.0, 2.0))
    np.testing.assert_array_equal(first(rows), rows * 2)
    np.testing.assert_array_equal(second(rows), rows * 3)
    np.testing.assert_array_equal(third(rows), rows * 2)
    assert third.stats.hits == 2
    np.testing.assert_array_equal(second(rows), rows * 3)
    assert len(cache) == 6  # with what outputs look like


def test_a_model_that_changes_with_every_call_runs_once_for_each() -> None:
    calls = 0

    def doubling(rows: Array) -> Array:
        nonlocal calls
        calls += 1
        rows *= 2
        return rows

    cached = CachedModel(doubling, Cache(100), bypass=False)
    for count in range(1, 4):
        np.testing.assert_array_equal(cached(np.array([[1], [2]])), [[2], [4]])
        assert calls == count
    np.testing.assert_array_equal(cached(np.array([[1], [1]])), [[2], [2]])


FACTOR = 2.0


def times_global(rows: Array) -> Array:
    return rows * FACTOR


def test_variables_of_functions_are_part_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    cached = CachedModel(times_global, Cache(100), bypass=False)
    rows = np.array([[1.0], [2.0]])
    for factor in (2.0, 5.0, 2.0):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        np.testing.assert_array_equal(cached(rows), rows * factor)
    assert cached.stats.hits == 2  # as it was at first
    factor = 3.0
    cached = CachedModel(lambda rows: rows * factor, Cache(100), bypass=False)
    np.testing.assert_array_equal(cached(rows), rows * 3)
    factor = 4.0
    np.testing.assert_array_equal(cached(rows), rows * 4)


def scaled(factor: float) -> Callable[[Callable[[Array], Array]], Callable[[Array], Array]]:
    def decorate(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
        @wraps(function)
        def outer(rows: Array) -> Array:
            return function(rows) * factor

        return outer

    return decorate


class Scaled:
    def __init__(self, function: Callable[[Array], Array], factor: float) -> None:
        update_wrapper(self, function)
        self.function = function
        self.factor = factor

    def __call__(self, rows: Array) -> Array:
        return self.function(rows) * self.factor


@pytest.mark.parametrize(
    "decorated",
    [lambda factor: scaled(factor)(np.abs), lambda factor: Scaled(times_global, factor)],
)
def test_decorators_are_part_of_a_function(decorated: Callable[[float], Any]) -> None:
    cache: Cache[Any, Any] = Cache(100)
    rows = np.array([[1.0], [2.0]])
    for factor in (2.0, 3.0):
        function = decorated(factor)
        np.testing.assert_array_equal(CachedModel(function, cache)(rows), function(rows))


def helped(rows: Array) -> Array:
    return times_global(rows) if len(rows) else helped(rows)


class Named:
    def __call__(self, rows: Array) -> Array:
        return rows * FACTOR


@pytest.mark.parametrize("model", [helped, scaled(1.0)(times_global), Named(), Named().__call__])
def test_variables_of_what_a_function_calls_are_part_of_it(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = CachedModel(model, Cache(100), bypass=False)
    rows = np.array([[1.0], [2.0]])
    for factor in (2.0, 5.0, 2.0):
        monkeypatch.setitem(globals(), "FACTOR", factor)
        np.testing.assert_array_equal(cached(rows), rows * factor)
    assert cached.stats.hits == 2


def test_code_of_the_class_is_part_of_a_callable_object(monkeypatch: pytest.MonkeyPatch) -> None:
    cache: Cache[Any, Any] = Cache(100)
    rows = np.array([[1.0], [2.0]])
    np.testing.assert_array_equal(CachedModel(Named(), cache)(rows), rows * FACTOR)
    monkeypatch.setattr(Named, "__call__", lambda self, rows: -rows)
    np.testing.assert_array_equal(CachedModel(Named(), cache)(rows), -rows)


class Scale:
    """Multiplies; counts its calls."""

    def __init__(self, factor: float, lock: Any = None) -> None:
        self.factor = factor
        self.lock = lock
        self.calls = 0

    def __call__(self, rows: Array) -> Array:
        self.calls += 1
        return rows * self.factor

    times = __call__


@pytest.mark.parametrize("lock", [None, threading.Lock()])  # of which one cannot be pickled
def test_objects_are_told_apart_by_what_they_hold(lock: Any) -> None:
    cache: Cache[Any, Any] = Cache(100)
    rows = np.array([[1.0], [2.0]])
    makers: list[Callable[[float], CachedModel]] = [
        lambda factor: CachedModel(Scale(factor, lock), cache, bypass=False),
        lambda factor: CachedModel(Scale(factor, lock).times, cache, bypass=False),
        lambda factor: CachedModel(Scale(factor, lock), cache, method="times", bypass=False),
        lambda factor: CachedModel(partial(np.multiply, factor), cache, bypass=False),
    ]
    for make in makers:
        two, three = make(2.0), make(3.0)
        for _ in range(2):
            np.testing.assert_array_equal(two(rows), rows * 2)
            np.testing.assert_array_equal(three(rows), rows * 3)
        assert two.stats.hits == three.stats.hits == 2


def test_a_model_is_not_exchanged_unnoticed() -> None:
    cached = CachedModel(np.negative, Cache(100))
    assert cached.model is np.negative
    with pytest.raises(AttributeError):
        cached.model = np.square  # type: ignore[misc]


def test_versions_share_nothing() -> None:
    cache: Cache[Any, Any] = Cache(100)
    for version in ("1", "2", "1"):
        CachedModel(np.negative, cache, version=version)(np.array([[1]]))
    assert len(cache) == 4


def test_a_forked_child_shares_nothing_but_what_was_there() -> None:
    cached = CachedModel(lambda rows: rows * 2, Cache(100))
    rows = np.arange(4)[:, None]
    cached(rows)
    child = os.fork()
    if not child:
        os._exit(0 if (cached(rows) == rows * 2).all() and cached.stats.hits == 4 else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_a_thread_looks_at_the_model_answers() -> None:
    reading, go = threading.Event(), threading.Event()

    class Read:
        def __call__(self, rows: Array) -> Array:
            return rows * 2

        def __getstate__(self) -> int:
            reading.set()
            assert go.wait(LONG)
            return 1

    cached = CachedModel(Read(), Cache(100))
    rows = np.array([[1], [2]])
    thread = threading.Thread(target=cached, args=(rows,))
    thread.start()
    assert reading.wait(LONG)
    child = os.fork()
    if not child:
        signal.alarm(int(LONG))  # which ends a child that waits for ever
        go.set()
        os._exit(0 if (cached(rows) == rows * 2).all() else 1)
    go.set()
    thread.join(LONG)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    "parameter", ["verify", "decimals", "version", "ttl", "cache", "bypass", "method", "stats"]
)
def test_parameters_are_checked(parameter: str) -> None:
    options: dict[str, Any] = {"cache": Cache(10), parameter: -1.5}
    with pytest.raises(ConfigurationError, match=parameter):
        CachedModel(lambda rows: rows, **options)


def test_rounding_shares_outputs_and_tells_how_wrong_they_are() -> None:
    model = Model(lambda rows: rows[:, 0] * 2)
    cached = CachedModel(model, Cache(100), decimals=1, bypass=False)
    rows = np.array([[1.0], [1.03125], [2.0], [-0.0], [0.0], [-0.03125]])
    np.testing.assert_array_equal(cached(rows), [2.0, 2.0, 4.0, -0.0, -0.0, -0.0])
    assert model.batches == [3]
    error = cached.error(rows)
    assert (error.rows, error.differing, error.greatest) == (6, 3, 0.0625)
    integers = np.array([[1], [2]])
    assert cached.error(integers).differing == 0
    with pytest.raises(InputError, match="no rows"):
        cached.error(rows[:0])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f8"])
@pytest.mark.parametrize("decimals", [3, 300, -300])
def test_rounding_makes_one_of_no_numbers_that_are_far_apart(dtype: str, decimals: int) -> None:
    cached = CachedModel(lambda rows: rows[:, 0], Cache(100), decimals=decimals, bypass=False)
    great = np.finfo(dtype).max
    rows = np.array([[0], [70], [500], [great / 2], [great], [np.inf], [-np.inf], [np.nan]], dtype)
    if decimals < 0:
        rows = rows[[0, -3, -2, -1]]
    check_same(cached(rows), rows[:, 0])


def test_rounding_and_whole_rows_go_together() -> None:
    cached = CachedModel(np.square, Cache(100), decimals=1, verify="row", bypass=False)
    cached(np.array([[1.0]]))
    np.testing.assert_array_equal(cached(np.array([[1.01]])), [[1.0]])
    assert cached.stats.hits == 1


@pytest.mark.parametrize(
    ("dtype", "decimals", "first", "second"),
    [
        ("f8", 10, 1e300, 2e300),
        ("f8", 10, 1e15, 1e15 + 0.125),
        ("f8", 300, 1e100, 2e100),
        ("f4", 40, 1.0, 2.0),
        ("f2", 5, 1.0, 2.0),
        ("f2", -5, 1.0, np.inf),
    ],
)
def test_rounding_tells_numbers_apart_that_are_too_large_for_it(
    dtype: str, decimals: int, first: float, second: float
) -> None:
    cached = CachedModel(lambda rows: rows[:, 0], Cache(100), decimals=decimals, bypass=False)
    rows = np.array([[first], [second], [np.nan], [-np.inf]], dtype)
    assert np.array_equal(cached(rows), rows[:, 0], equal_nan=True)


def test_layers_without_torch_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"augury\[torch\]"):
        CachedLayers(None, "body", Cache(10))
