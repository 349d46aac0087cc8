"""A function as a source: of one key or of many, sync or coroutine, used either way."""

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from augury.errors import AuguryError, ConfigurationError, SourceError
from augury.sources import Loader, Source, as_source

TABLE: dict[str, int | None] = {"a": 1, "b": 2, "none": None}


def single(key: str) -> int | None:
    return TABLE[key]


def mapping(keys: Sequence[str]) -> Mapping[str, int | None]:
    return {key: TABLE[key] for key in keys if key in TABLE} | {"unasked": 5}


NOWHERE = object()


def aligned(keys: Sequence[str]) -> Sequence[object]:
    return tuple(TABLE.get(key, NOWHERE) for key in keys)


def coroutine(function: Callable[[Any], Any]) -> Callable[[Any], Awaitable[Any]]:
    async def wrapped(given: Any) -> Any:
        await asyncio.sleep(0)
        return function(given)

    return wrapped


class AsynchronousObject:
    async def __call__(self, key: str) -> int | None:
        return TABLE[key]


LOADERS: dict[str, Callable[[], Loader[str, Any]]] = {
    "single": lambda: Loader(single),
    "mapping": lambda: Loader(mapping, batch=True),
    "aligned": lambda: Loader(aligned, batch=True, absent=NOWHERE),
    "single coroutine": lambda: Loader(coroutine(single)),
    "mapping coroutine": lambda: Loader(coroutine(mapping), batch=True),
    "aligned coroutine": lambda: Loader(coroutine(aligned), batch=True, absent=NOWHERE),
    "callable object": lambda: Loader(AsynchronousObject()),
    "one at a time": lambda: Loader(single, concurrency=1),
    "one coroutine at a time": lambda: Loader(coroutine(single), concurrency=1),
}


@pytest.fixture(params=LOADERS)
def loader(request: pytest.FixtureRequest) -> Iterator[Loader[str, Any]]:
    with LOADERS[request.param]() as made:
        assert isinstance(made, Loader)
        yield made


def test_leaves_out_what_is_not_there(loader: Loader[str, Any]) -> None:
    expected = {"a": 1, "none": None, "b": 2}
    assert loader.load_many(["a", "x", "none", "b", "a", "y"]) == expected
    assert asyncio.run(loader.aload_many(["a", "x", "none", "b", "a", "y"])) == expected
    assert loader.load_many(["x"]) == {}
    assert loader.load_many([]) == {}
    assert asyncio.run(loader.aload_many([])) == {}


def test_is_read_only_unless_told_how_to_write(loader: Loader[str, Any]) -> None:
    assert not loader.writable
    with pytest.raises(ConfigurationError, match=r"Loader\(.*\) is not writable"):
        loader.store_many({"a": 1})
    with pytest.raises(ConfigurationError, match="is not writable"):
        asyncio.run(loader.aremove_many(["a"]))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("batch", [False, True])
def test_writes(batch: bool, asynchronous: bool) -> None:
    there: dict[str, int] = {}

    def remove_many(keys: Sequence[str]) -> None:
        for key in keys:
            there.pop(key, None)

    def awaited(function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrapped(*given: Any) -> Any:
            return function(*given)

        return wrapped if asynchronous else function

    untyped: Any = Loader
    source: Loader[str, int] = untyped(
        awaited(lambda keys: {k: there[k] for k in keys} if batch else there[keys]),
        batch=batch,
        store=awaited(there.update if batch else there.__setitem__),
        remove=awaited(remove_many if batch else there.__delitem__),
    )
    with source:
        assert source.writable
        source.store_many({"a": 1, "b": 2})
        asyncio.run(source.astore_many({"b": 3, "c": 4}))
        assert source.load_many(["a", "b", "c"]) == {"a": 1, "b": 3, "c": 4}
        source.remove_many(["a", "absent"])
        asyncio.run(source.aremove_many(["b"]))
        assert there == {"c": 4}


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_key_error_while_storing_is_an_error(asynchronous: bool) -> None:
    def store(key: str, value: int | None) -> None:
        raise KeyError("no such shelf")

    async def astore(key: str, value: int | None) -> None:
        store(key, value)

    source: Loader[str, int | None] = Loader(
        single, store=astore if asynchronous else store, remove=print
    )
    with source, pytest.raises(KeyError, match="no such shelf"):
        source.store_many({"a": 1})


@pytest.mark.parametrize("concurrency", [1, 3])
def test_threads_are_bounded(concurrency: int) -> None:
    under_way, most = 0, 0
    lock = threading.Lock()
    met = threading.Barrier(concurrency)

    def load(key: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        met.wait(10)
        with lock:
            under_way -= 1
        met.wait(10)
        return -key

    source: Loader[int, int] = Loader(load, concurrency=concurrency)
    assert source.load_many(range(12)) == {key: -key for key in range(12)}
    assert most == concurrency


def test_tasks_are_bounded() -> None:
    under_way, most = 0, 0

    async def load(key: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return -key

    source: Loader[int, int] = Loader(load, concurrency=4)
    assert asyncio.run(source.aload_many(range(50))) == {key: -key for key in range(50)}
    assert most == 4


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_first_error_ends_a_load(asynchronous: bool) -> None:
    asked = []

    def load(key: int) -> int:
        asked.append(key)
        raise ZeroDivisionError(f"key {key}")

    source: Loader[int, int] = Loader(coroutine(load) if asynchronous else load, concurrency=4)
    with source, pytest.raises(ZeroDivisionError, match="key"):
        source.load_many(range(1000))
    assert len(asked) <= 4
    with source, pytest.raises(ZeroDivisionError, match="key"):
        asyncio.run(source.aload_many(range(1000)))


def test_a_background_loop_ends_with_its_source() -> None:
    async def where(key: str) -> threading.Thread:
        return threading.current_thread()

    source: Loader[str, threading.Thread] = Loader(where)
    first = source.load_many(["a"])["a"]
    assert source.load_many(["a"])["a"] is first
    source.close()
    source.close()
    assert not first.is_alive()
    second = source.load_many(["a"])["a"]
    assert second.is_alive()
    gone = weakref.ref(source)
    del source
    gc.collect()
    assert gone() is None
    second.join(10)
    assert not second.is_alive()


def test_closing_ends_what_is_under_way() -> None:
    begun = threading.Event()
    errors: list[BaseException] = []

    async def hang(key: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    source: Loader[str, None] = Loader(hang)

    def ask() -> None:
        try:
            source.load_many(["a"])
        except SourceError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait()
    source.close()
    thread.join(10)
    assert [str(error) for error in errors] == ["the source was closed while it was being asked"]


def test_a_coroutine_that_would_wait_for_itself_is_told() -> None:
    async def load(key: int) -> object:
        return source.load_many([key - 1])

    source: Loader[int, object] = Loader(load)
    with source, pytest.raises(ConfigurationError, match="would wait for itself"):
        source.load_many([3])


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    source: Loader[str, Any] = Loader(coroutine(single))
    with source:
        assert source.load_many(["a"]) == {"a": 1}
        pid = os.fork()
        if pid == 0:
            ok = False
            try:
                ok = source.load_many(["a", "b"]) == {"a": 1, "b": 2}
                source.close()
            finally:
                os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert source.load_many(["b"]) == {"b": 2}


def test_as_source() -> None:
    source: Loader[str, int | None] = Loader(single)
    assert as_source(source) is source
    assert as_source(single).load_many(["a", "x"]) == {"a": 1}
    for wrong in ("SELECT 1", None, Loader, {"a": 1}):
        with pytest.raises(ConfigurationError, match="a source must be a Source or a function"):
            as_source(wrong)  # type: ignore[arg-type]


def yields(key: str) -> Iterator[str]:
    yield key


def load_with(function: Any, **options: Any) -> object:
    source: Loader[str, object] = Loader(function, **options)
    return source.load_many(["a", "b"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: load_with(5), "function must be callable, not 5"),
        (lambda: load_with(yields), "yields is a generator function"),
        (lambda: load_with(single, store=single), "store and remove go together"),
        (lambda: Loader(single, concurrency=0), "concurrency must be a positive integer"),
        (
            lambda: load_with(lambda keys: [1, 2, 3], batch=True),
            "returned 3 values for 2 keys",
        ),
        (lambda: load_with(lambda keys: "ab", batch=True), "not str"),
        (
            lambda: load_with(lambda keys: (k for k in keys), batch=True),
            "must return a mapping, or a sequence of values, not generator",
        ),
        (
            lambda: load_with(lambda key: AsynchronousObject()(str(key))),
            "returned a coroutine; give the `async def` function itself",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(make: Callable[[], object], message: str) -> None:
    with pytest.raises(AuguryError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_source_of_ones_own_is_usable_from_coroutines() -> None:
    class Squares(Source[int, int]):
        def load_many(self, keys: Sequence[int]) -> dict[int, int]:
            return {key: key * key for key in keys}

    async def use() -> dict[int, int]:
        async with Squares() as source:
            return await source.aload_many([2, 3])

    assert asyncio.run(use()) == {2: 4, 3: 9}
