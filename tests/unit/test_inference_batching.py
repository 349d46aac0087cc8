"""Rows that many tasks and threads ask about at once become small batches."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from augury import Cache
from augury.errors import ConfigurationError, InputError, OutputError, OverloadError
from augury.inference import Batcher, CachedModel
from augury.inference.frames import join
from augury.tiers import Memory, Tiers

LONG = 60.0
Array = NDArray[Any]


class Model:
    """Negates rows, once it is let go; keeps what it was asked."""

    def __init__(self, *, open: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.asked = threading.Semaphore(0)
        self.go = threading.Event()
        if open:
            self.go.set()

    def __call__(self, rows: Array) -> Array:
        self.batches.append(rows[:, 0].tolist())
        self.asked.release()
        assert self.go.wait(LONG)
        if (rows == -13).any():
            raise ZeroDivisionError("-13")
        return -rows[:, 0]

    @property
    def rows(self) -> list[int]:
        return sorted(row for batch in self.batches for row in batch)


class Changing:
    """An estimator that multiplies by how often it was fitted."""

    def __init__(self) -> None:
        self.factor = 1
        self.go = threading.Event()
        self.go.set()
        self.asked = threading.Event()

    def fit(self) -> None:
        self.factor += 1

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def predict(self, rows: Array) -> Array:
        factor = self.factor
        self.asked.set()
        assert self.go.wait(LONG)
        return rows[:, 0] * factor

    def __getstate__(self) -> int:
        return self.factor


class Several:
    def fit(self) -> None: ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def predict(self, rows: Array) -> list[Array]:
        return [rows[:, 0], rows * 2]


def batcher(model: Any, capacity: int = 1_000, **options: Any) -> Batcher:
    return Batcher(CachedModel(model, Cache(capacity)), **options)


async def wait_for(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not condition():
            await asyncio.sleep(0.001)


def test_rows_of_tasks_become_one_batch() -> None:
    model = Model()

    async def ask() -> list[Any]:
        async with batcher(model, max_wait=LONG, max_batch=10) as ask:
            return await asyncio.gather(*(ask([row]) for row in range(10)))

    assert asyncio.run(ask()) == [-row for row in range(10)]
    assert [sorted(batch) for batch in model.batches] == [list(range(10))]


def test_a_batch_goes_when_the_first_row_has_waited() -> None:
    model = Model()
    with batcher(model, max_wait=0.001, max_batch=1_000) as ask:
        assert ask.call([4]) == -4
    assert model.batches == [[4]]


def test_more_rows_than_a_batch_takes_become_several() -> None:
    model = Model()
    with batcher(model, max_batch=4) as ask:
        rows = np.arange(10)[:, None]
        np.testing.assert_array_equal(ask.call_many(rows), -np.arange(10))
    assert [len(batch) for batch in model.batches] == [4, 4, 2]


def test_hits_do_not_wait_for_the_model() -> None:
    model = Model()
    cached = CachedModel(model, Cache(100))
    cached(np.array([[1], [2]]))
    model.go.clear()

    async def ask() -> None:
        async with Batcher(cached, max_wait=0) as ask:
            slow = asyncio.ensure_future(ask([3]))
            await wait_for(lambda: len(model.batches) == 2)
            np.testing.assert_array_equal(await ask.many([[1], [2], [1]]), [-1, -2, -1])
            assert not slow.done()
            model.go.set()
            assert await slow == -3

    asyncio.run(ask())
    assert cached.stats.hits == 3


def test_equal_rows_are_computed_once_also_of_threads_and_batches() -> None:
    model = Model(open=False)
    with batcher(model, max_wait=0, max_batch=2, workers=4) as ask, ThreadPoolExecutor(8) as pool:

        async def tasks() -> list[Any]:
            return await asyncio.gather(*(ask([row % 4]) for row in range(40)))

        threads = [pool.submit(ask.call_many, [[0], [1], [2], [3], [0]]) for _ in range(7)]
        running = pool.submit(asyncio.run, tasks())
        assert model.asked.acquire(timeout=LONG)
        model.go.set()
        assert running.result(LONG) == [-(row % 4) for row in range(40)]
        for thread in threads:
            np.testing.assert_array_equal(thread.result(LONG), [0, -1, -2, -3, 0])
        assert model.rows == [0, 1, 2, 3]
        stats = ask._call._stats
        assert stats.computed == 4
        assert stats.rows == 40 + 7 * 5 == stats.hits + stats.duplicates + stats.computed


def test_cancelling_one_leaves_the_others_their_answer() -> None:
    model = Model(open=False)

    async def ask() -> None:
        async with batcher(model, max_wait=0) as ask:
            first, second = (asyncio.ensure_future(ask([7])) for _ in range(2))
            await wait_for(lambda: len(model.batches) == 1)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            model.go.set()
            assert await second == -7

    asyncio.run(ask())
    assert model.batches == [[7]]


def test_what_nobody_waits_for_any_more_is_kept() -> None:
    model = Model(open=False)

    async def ask() -> None:
        async with batcher(model, max_wait=0) as ask:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await ask([7])
            model.go.set()
            await wait_for(lambda: not ask._under_way)
            assert await ask([7]) == -7

    asyncio.run(ask())
    assert model.batches == [[7]]


@pytest.mark.parametrize("tiers", [False, True])
@pytest.mark.parametrize("verify", ["digest", "row"])
def test_who_gives_up_may_reuse_the_memory(verify: str, tiers: bool) -> None:
    model = Model(open=False)
    store: Any = Tiers([Memory(100)]) if tiers else Cache(100)
    cached = CachedModel(model, store, verify=verify)

    async def ask() -> None:
        async with Batcher(cached, max_wait=0) as ask:
            first = asyncio.ensure_future(ask([0]))
            await wait_for(lambda: len(model.batches) == 1)
            rows = np.array([[7], [8]])
            second = asyncio.ensure_future(ask.many(rows))
            await wait_for(lambda: ask._waiting == 2)
            second.cancel()
            rows[:] = 50
            model.go.set()
            assert await first == 0
            np.testing.assert_array_equal(await ask.many([[7], [8], [50]]), [-7, -8, -50])

    asyncio.run(ask())


def test_a_model_that_writes_to_its_input_and_fails_is_run_on_the_rows_again() -> None:
    def model(rows: Array) -> Array:
        rows *= 2
        if (rows == -26).any():
            raise ZeroDivisionError
        return rows[:, 0]

    with batcher(model, max_wait=0) as ask:
        with pytest.raises(ZeroDivisionError):
            ask.call_many([[1], [-13], [3], [4]])
        np.testing.assert_array_equal(ask.call_many([[1], [3], [4]]), [2, 6, 8])


def test_a_row_that_makes_the_model_fail_harms_no_other() -> None:
    model = Model()

    async def ask() -> list[Any]:
        async with batcher(model, max_wait=LONG, max_batch=32) as ask:
            rows = (-13 if row == 11 else row for row in range(32))
            return await asyncio.gather(*(ask([row]) for row in rows), return_exceptions=True)

    answers = asyncio.run(ask())
    assert isinstance(answers.pop(11), ZeroDivisionError)
    assert answers == [-row for row in range(32) if row != 11]
    assert len(model.batches) == 1 + 2 * 5


def test_a_model_that_is_down_is_not_tried_for_every_row() -> None:
    batches = []

    def model(rows: Array) -> Array:
        batches.append(len(rows))
        raise OSError("down")

    with batcher(model, max_wait=LONG, max_batch=64) as ask:
        with pytest.raises(OSError, match="down"):
            ask.call_many(np.arange(64)[:, None])
        assert batches == [64, 32, 32]
        assert not ask._under_way
        assert not ask._waiting


def test_an_error_poisons_nothing() -> None:
    model = Model()
    with batcher(model, max_wait=0) as ask:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                ask.call([-13])
        assert ask.call([5]) == -5
    assert model.batches == [[-13], [-13], [5]]


@pytest.mark.parametrize("error", [StopIteration(), SystemExit(), asyncio.CancelledError()])
def test_any_error_reaches_who_asked_and_ends_no_thread(error: BaseException) -> None:
    def model(rows: Array) -> Array:
        if rows[0, 0] == 1:
            raise error
        return rows

    with batcher(model, max_wait=0) as ask:
        with pytest.raises(type(error)):
            ask.call([1])
        assert ask.call([2]) == [2]


def test_wrong_outputs_and_inputs_are_told() -> None:
    with batcher(lambda rows: rows[:-1], max_wait=0) as ask:
        with pytest.raises(OutputError, match="returned 0 rows for 1 rows"):
            ask.call_many([[1], [2]])
        with pytest.raises(InputError, match="ragged"):
            ask.call_many([[1], [2, 3]])
        with pytest.raises(InputError, match="Python objects"):
            ask.call([None])


def test_too_many_rows_are_refused_and_others_are_not() -> None:
    model = Model(open=False)

    async def ask() -> None:
        async with batcher(model, max_wait=0, max_queue=3) as ask:
            first = asyncio.ensure_future(ask([0]))
            await wait_for(lambda: len(model.batches) == 1)
            waiting = asyncio.ensure_future(ask.many([[1], [2], [3]]))
            await wait_for(lambda: ask._waiting == 3)
            with pytest.raises(OverloadError, match="max_queue=3"):
                await ask([4])
            same = asyncio.ensure_future(ask.many([[0], [1], [2], [3]]))  # takes no room
            await asyncio.sleep(0)
            model.go.set()
            assert await first == 0
            np.testing.assert_array_equal(await waiting, [-1, -2, -3])
            np.testing.assert_array_equal(await same, [0, -1, -2, -3])
            assert await ask([4]) == -4

    asyncio.run(ask())


def test_closing_computes_what_was_asked_about() -> None:
    model = Model()
    ask = batcher(model, max_wait=LONG)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask.call, [3])
        while not ask._waiting:
            threading.Event().wait(0.001)
        ask.close()
        assert answer.result(LONG) == -3
    with pytest.raises(ConfigurationError, match="closed"):
        ask.call([4])
    ask.close()


def test_rows_of_different_types_are_different_batches() -> None:
    seen: list[tuple[Any, ...]] = []

    def model(rows: Array) -> Array:
        seen.append((rows.dtype.str, rows.shape))
        return rows * 2

    async def ask() -> list[Any]:
        async with batcher(model, max_wait=0.05) as ask:
            rows = [[1], [2], [1.0], [1, 2], np.array([3], "<i4"), [4.0]]
            return await asyncio.gather(*(ask(row) for row in rows))

    answers = asyncio.run(ask())
    assert [answer.tolist() for answer in answers] == [[2], [4], [2.0], [2, 4], [6], [8.0]]
    assert [answer.dtype.str for answer in answers] == ["<i8", "<i8", "<f8", "<i8", "<i4", "<f8"]
    assert sorted(seen) == [("<f8", (2, 1)), ("<i4", (1, 1)), ("<i8", (1, 2)), ("<i8", (2, 1))]


def test_a_model_that_reuses_its_memory_is_read_in_time() -> None:
    memory = np.zeros(1)

    def model(rows: Array) -> Array:
        memory[:] = rows[:, 0]
        return memory

    async def ask() -> list[Any]:
        async with batcher(model, max_wait=0, max_batch=1) as ask:
            return await asyncio.gather(*(ask([row]) for row in range(50)))

    assert asyncio.run(ask()) == list(range(50))


def test_nothing_of_a_former_model_is_served() -> None:
    model = Changing()
    with Batcher(CachedModel(model, Cache(100)), max_wait=0) as ask, ThreadPoolExecutor(1) as pool:
        ask.call_many([[1], [2]])
        model.go.clear()
        model.asked.clear()
        both = pool.submit(ask.call_many, [[1], [3]])  # one of them is found
        assert model.asked.wait(LONG)
        model.fit()
        model.go.set()
        np.testing.assert_array_equal(both.result(LONG), [2, 6])
        np.testing.assert_array_equal(ask.call_many([[1], [3]]), [2, 6])


@pytest.mark.parametrize("max_batch", [1, 8])
def test_a_model_that_changes_with_every_call_answers(max_batch: int) -> None:
    calls = 0

    def counting(rows: Array) -> Array:
        nonlocal calls
        calls += 1
        return rows[:, 0] * 2

    with batcher(counting, max_wait=0, max_batch=max_batch) as ask:
        for _ in range(3):
            np.testing.assert_array_equal(ask.call_many([[1], [2], [1]]), [2, 4, 2])
    assert calls <= 12


def test_outputs_of_several_arrays_are_taken_apart() -> None:
    with batcher(Several(), max_wait=0) as ask:
        one, two = ask.call([1, 2])
        assert one == 1
        assert two.tolist() == [2, 4]


def test_no_rows() -> None:
    with batcher(Model(), max_wait=0) as ask:
        assert ask.call_many(np.zeros((0, 2))).shape == (0,)


def check_joined(model: Any, rows: list[Any], expected: Any, **options: Any) -> None:
    """Ask about each row in a call of its own, so that they are joined."""
    cached = CachedModel(model, Cache(100), bypass=False, **options)

    async def ask() -> list[Any]:
        async with Batcher(cached, max_wait=LONG, max_batch=len(rows)) as ask:
            return await asyncio.gather(*map(ask.many, rows))

    for got, one in zip(asyncio.run(ask()), expected, strict=True):
        np.testing.assert_allclose(np.asarray(got)[0], np.asarray(one), rtol=1e-6)
    assert cached.stats.batches == len(rows)
    assert cached.stats.computed == len(rows)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_joined(library: str) -> None:
    frames: Any = pytest.importorskip(library)
    linear = pytest.importorskip("sklearn.linear_model")
    frame = frames.DataFrame({"a": [1.0, 2.0, 5.0], "b": [1, 0, 1]})
    model = linear.LinearRegression().fit(frame, [1.0, 2.0, 3.0])
    rows = [frame[at : at + 1] for at in range(3)]
    check_joined(model, rows, model.predict(frame))


def test_frames_of_other_categories_are_refused_together() -> None:
    pandas: Any = pytest.importorskip("pandas")
    frames = [pandas.DataFrame({"a": pandas.Categorical([each])}) for each in "ab"]
    with pytest.raises(InputError, match="categories"):
        join(frames)


def test_tensors_are_joined() -> None:
    torch: Any = pytest.importorskip("torch")

    class Sum(torch.nn.Module):  # type: ignore[misc]
        def forward(self, a: Any, b: Any) -> Any:
            return a + b

    tensor = torch.arange(6.0).reshape(3, 2)
    double = torch.nn.Linear(2, 2).eval()
    with torch.no_grad():
        check_joined(double, list(tensor.split(1)), double(tensor))
    pairs = [(row, row) for row in tensor.split(1)]
    check_joined(Sum().eval(), pairs, 2 * tensor)
    named = [{"b": row, "a": row} for row in tensor.split(1)]
    check_joined(Sum().eval(), named, 2 * tensor)


def test_texts_are_joined() -> None:
    check_joined(lambda texts: np.array([len(each) for each in texts]), [["a"], ["bcd"]], [1, 3])


def test_a_text_is_a_row() -> None:
    with batcher(lambda texts: np.array([len(each) for each in [*texts, ""]][:-1])) as ask:
        assert ask.call("four\0") == 5


def test_what_modules_return_is_taken_apart() -> None:
    torch: Any = pytest.importorskip("torch")

    @dataclasses.dataclass
    class Answer:
        logits: Any
        hidden: Any = None

    Pair = collections.namedtuple("Pair", "first second")

    class Shaped(torch.nn.Module):  # type: ignore[misc]
        def forward(self, rows: Any) -> Any:
            return [Pair(rows, (rows * 2,)), {"a": Answer(rows)}]

    with batcher(Shaped().eval(), max_wait=0) as ask:
        pair, named = ask.call(torch.tensor([1.0, 2.0]))
    assert type(pair) is Pair
    assert (pair.first.tolist(), pair.second[0].tolist()) == ([1.0, 2.0], [2.0, 4.0])
    assert (named["a"].logits.tolist(), named["a"].hidden) == ([1.0, 2.0], None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_begins_anew() -> None:
    model = Model()
    with batcher(model, max_wait=0) as ask:
        ask.call([1])
        child = os.fork()
        if not child:
            os._exit(0 if ask.call([2]) == -2 and ask.call([1]) == -1 else 1)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    "options",
    [
        {"max_batch": 0},
        {"max_wait": -1},
        {"max_wait": "1"},
        {"max_wait": True},
        {"max_wait": float("nan")},
        {"max_queue": 0},
        {"workers": 1.5},
    ],
)
def test_parameters_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        batcher(Model(), **options)
    with pytest.raises(ConfigurationError, match="model must be a CachedModel"):
        Batcher(Model(), **options)  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(-20, 20), min_size=1, max_size=12), min_size=1, max_size=12),
    st.integers(1, 8),
    st.integers(1, 3),
    st.integers(1, 30),
)
def test_answers_are_those_of_the_model(
    calls: list[list[int]], max_batch: int, workers: int, capacity: int
) -> None:
    model = Model()

    async def ask() -> list[Any]:
        async with batcher(
            model, capacity, max_batch=max_batch, workers=workers, max_wait=0.0005
        ) as ask:
            rows = [np.array(call)[:, None] for call in calls]
            return await asyncio.gather(*map(ask.many, rows), return_exceptions=True)

    for call, answer in zip(calls, asyncio.run(ask()), strict=True):
        if isinstance(answer, ZeroDivisionError):
            continue  # it may be of another call: two rows of a batch failed
        np.testing.assert_array_equal(answer, -np.array(call))
        assert -13 not in call


def test_memory_that_is_reused_before_the_model_runs_is_read_in_time() -> None:
    async def main() -> None:
        cached = CachedModel(lambda rows: rows.sum(axis=1), Cache(100))
        async with Batcher(cached, max_wait=0.05) as batcher:
            buffer, asked = np.zeros(2), []
            for value in range(3):
                buffer[:] = value
                asked.append(asyncio.ensure_future(batcher(buffer)))
                await asyncio.sleep(0)
            assert [int(each) for each in await asyncio.gather(*asked)] == [0, 2, 4]
            assert (await batcher.many([[0.0, 0.0], [1.0, 1.0]])).tolist() == [0.0, 2.0]

    asyncio.run(main())


def test_a_model_that_writes_into_its_input_and_fails_poisons_nothing() -> None:
    def model(rows: Array) -> Array:
        rows += 1
        if (rows == 14).any():
            raise ZeroDivisionError
        total: Array = rows.sum(axis=1)
        return total

    with Batcher(CachedModel(model, Cache(100)), max_wait=0) as batcher:
        with pytest.raises(ZeroDivisionError):
            batcher.call_many(np.array([[1, 1], [2, 2], [13, 13]]))
        assert batcher.call_many(np.array([[1, 1], [2, 2]])).tolist() == [4, 6]


def test_a_model_that_changes_with_each_call_is_asked_nevertheless() -> None:
    model = Changing()

    def restless(rows: Array) -> Array:
        model.fit()
        return -rows[:, 0]

    with Batcher(CachedModel(restless, Cache(100)), max_wait=0) as batcher:
        assert batcher.call([3]) == -3
    assert asyncio.run(_answer(CachedModel(restless, Cache(100)))) == -3


async def _answer(cached: CachedModel) -> Any:
    async with Batcher(cached, max_wait=0) as batcher:
        return await batcher([3])


class Two(NamedTuple):
    first: Any
    second: Any = None


@dataclass
class Pair:
    first: Any
    second: Any = None


@pytest.mark.parametrize("kind", [Two, Pair])
def test_outputs_of_modules_are_taken_apart(kind: Any) -> None:
    torch: Any = pytest.importorskip("torch")

    class Module(torch.nn.Module):  # type: ignore[misc]
        def forward(self, rows: Any) -> Any:
            return kind(rows.sum(dim=1))

    with Batcher(CachedModel(Module().eval(), Cache(100)), max_wait=0) as batcher:
        answer = batcher.call(torch.tensor([1.0, 2.0]))
        assert (type(answer), answer.first.item(), answer.second) == (kind, 3.0, None)


def test_rows_of_several_named_inputs() -> None:
    torch: Any = pytest.importorskip("torch")

    class Sum(torch.nn.Module):  # type: ignore[misc]
        def forward(self, a: Any, b: Any) -> Any:
            return a + b

    with Batcher(CachedModel(Sum().eval(), Cache(100)), max_wait=0) as batcher:
        row = {"a": torch.tensor([1.0]), "b": torch.tensor([2.0])}
        assert batcher.call(row).tolist() == [3.0]


def test_a_text_is_a_row_as_it_is() -> None:
    with Batcher(CachedModel(lambda texts: list(map(len, texts)), Cache(100))) as batcher:
        assert [batcher.call(text) for text in ("a", "a\0", "")] == [1, 2, 0]


@pytest.mark.parametrize(
    ("row", "said"),
    [([1, [2, 3]], "ragged"), (None, "Python objects"), ("pandas", "many"), ("polars", "many")],
)
def test_what_is_no_row_is_refused(row: Any, said: str) -> None:
    if isinstance(row, str):
        row = pytest.importorskip(row).Series([1.0, 2.0])
    with batcher(Model()) as ask, pytest.raises(InputError, match=said):
        ask.call(row)


def test_memory_that_is_reused_while_a_server_is_asked_is_read_in_time() -> None:
    busy = threading.Event()

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        blocked = asyncio.ensure_future(asyncio.to_thread(busy.wait, LONG))
        await asyncio.sleep(0)
        tiers: Tiers[Any, Any] = Tiers([Memory(100)])
        async with Batcher(CachedModel(lambda rows: rows.sum(axis=1), tiers), max_wait=0) as ask:
            buffer = np.ones(2)
            answer = asyncio.ensure_future(ask(buffer))
            await asyncio.sleep(0)
            buffer[:] = 7
            busy.set()
            await blocked
            assert await answer == 2
            assert await ask([7.0, 7.0]) == 14

    asyncio.run(main())
