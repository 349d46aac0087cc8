"""The decorator: held to the tests of functools.lru_cache, and to what it adds."""

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import inspect
import logging
import os
import pickle
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from augury import Cache, CacheInfo, cached
from augury.errors import ConfigurationError

WAIT = 30.0  # seconds until a test gives up


class Boom(Exception):
    pass


@cached(10)
def module_level(x: int, /, y: int = 1, *rest: int, z: int = 2) -> int:
    """Add them up."""
    return x + y + sum(rest) + z


@cached(10, key=lambda x: x % 7)
def keyed(x: int) -> int:
    """By remainder."""
    return x


@cached(10)
async def coroutine(x: int) -> int:
    """Double, in a while."""
    await asyncio.sleep(0)
    return 2 * x


class Methods:
    calls = 0

    @cached(10)
    def method(self, x: int) -> int:
        type(self).calls += 1
        return x

    @classmethod
    @cached(10)
    def of_class(cls, x: int) -> tuple[type, int]:
        return cls, x

    @staticmethod
    @cached(10)
    def static(x: int) -> int:
        return x

    @property
    @cached(10)
    def prop(self) -> object:
        return object()


class Other(Methods):
    pass


# ---------------------------------------------------------------- what it looks like


@pytest.mark.parametrize("function", [module_level, keyed, coroutine])
def test_it_looks_like_what_it_wraps(function: Any) -> None:
    wrapped = function.__wrapped__
    for name in functools.WRAPPER_ASSIGNMENTS:
        assert getattr(function, name) == getattr(wrapped, name)
    assert inspect.signature(function) == inspect.signature(wrapped)
    assert inspect.iscoroutinefunction(function) is inspect.iscoroutinefunction(wrapped)
    assert inspect.unwrap(function) is wrapped
    assert callable(function)
    function.extra = 1
    assert function.extra == 1
    del function.extra


@pytest.mark.parametrize("function", [module_level, keyed, coroutine, Methods.method])
def test_it_is_pickled_and_copied_by_name(function: Any) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(function, protocol)) is function
    assert copy.copy(function) is function
    assert copy.deepcopy(function) is function


@pytest.mark.parametrize("function", [module_level, keyed, coroutine])
def test_it_has_the_functions_of_lru_cache(function: Any) -> None:
    function.cache_clear()
    assert function.cache_parameters() == {"maxsize": 10, "typed": True}
    assert function.cache_info() == CacheInfo(0, 0, 10, 0)
    for _ in range(3):
        result = function(3)
        if inspect.isawaitable(result):
            asyncio.run(asyncio.wait_for(result, WAIT))
    assert function.cache_info() == CacheInfo(hits=2, misses=1, maxsize=10, currsize=1)
    assert function.cache_key(3) in function.cache
    assert function.cache_forget(3) is True
    assert function.cache_forget(3) is False
    assert function.cache_info().currsize == 0
    function.cache_clear()
    assert function.cache_info() == CacheInfo(0, 0, 10, 0)


def test_weak_references_and_attributes() -> None:
    @cached
    def function() -> int:
        return 1

    reference = weakref.ref(function)
    assert reference() is function
    assert function() == 1
    del function
    gc.collect()
    assert reference() is None


# ---------------------------------------------------------------- arguments


def test_arguments_are_told_apart_as_lru_cache_does() -> None:
    @cached(100)
    def function(*args: Any, **kwargs: Any) -> object:
        return object()

    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((1,), {}),
        ((1, 2), {}),
        (((1, 2),), {}),
        ((), {"a": 1}),
        ((), {"b": 1}),
        ((), {"a": 1, "b": 2}),
        ((), {"b": 2, "a": 1}),  # as lru_cache: order matters
        ((1,), {"a": 1}),
        (("a", 1), {}),
        (((), ("a", 1)), {}),
        ((None,), {}),
        ((1.0,), {}),
        ((True,), {}),
        (("1",), {}),
        ((b"1",), {}),
        ((-1,), {}),
        ((-2,), {}),
    ]
    results = [function(*args, **kwargs) for args, kwargs in calls]
    assert len(set(results)) == len(calls)
    assert [function(*args, **kwargs) for args, kwargs in calls] == results


@pytest.mark.parametrize("way", ["plain", "key", "async"])
def test_untyped_takes_equal_arguments_for_the_same(way: str) -> None:
    calls: list[Any] = []

    def function(x: Any) -> Any:
        calls.append(x)
        return x

    async def slowly(x: Any) -> Any:
        return function(x)

    if way == "async":
        remembered: Any = cached(10, typed=False)(slowly)

        def call(x: Any) -> Any:
            return asyncio.run(remembered(x))
    else:
        remembered = cached(10, typed=False, key=(lambda x: x) if way == "key" else None)(function)
        call = remembered
    assert [call(1), call(1.0), call(True)] == [1, 1, 1]
    assert calls == [1]
    assert remembered.cache_info().currsize == 1
    assert remembered.cache_forget(1.0) is True
    assert call(1.0) == 1
    assert len(calls) == 2


def test_unhashable_arguments_are_a_clear_error() -> None:
    unhashable: list[Any] = [[], {}, (1, [])]
    for argument in unhashable:
        with pytest.raises(TypeError, match="unhashable"):
            module_level(argument)
    with pytest.raises(TypeError, match="unhashable"):
        module_level(1, z=[])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unhashable"):
        module_level.cache_key([])  # type: ignore[arg-type]


def test_wrong_arguments_are_the_functions_own_error() -> None:
    with pytest.raises(TypeError, match=r"module_level\(\) missing 1 required positional"):
        module_level()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'q'"):
        module_level(1, q=2)  # type: ignore[call-arg]


def test_keys_show_what_they_are_of() -> None:
    key = module_level.cache_key(1, 2)
    assert repr(key) == "<CallKey module_level(1, 2)>"
    assert key == module_level.cache_key(1, 2)
    assert hash(key) == hash(module_level.cache_key(1, 2))
    assert key != module_level.cache_key(1)
    assert key != keyed.cache_key(1)
    assert key != (1, 2)


# ---------------------------------------------------------------- methods


def test_methods_remember_per_instance() -> None:
    a, b = Methods(), Methods()
    Methods.calls = 0
    assert [a.method(1), b.method(1), a.method(1)] == [1, 1, 1]
    assert Methods.calls == 2
    assert Methods.method(a, 1) == 1
    assert Methods.calls == 2
    bound = a.method
    assert bound(1) == 1
    assert bound.__self__ is a
    assert Methods.calls == 2
    Methods.method.cache_clear()


def test_class_methods_static_methods_and_properties() -> None:
    of_class: Any = vars(Methods)["of_class"].__get__  # of which mypy knows too little
    assert of_class(None, Methods)(1) == (Methods, 1)
    assert of_class(None, Other)(1) == (Other, 1)
    assert of_class(Other(), Other)(1) == (Other, 1)
    instance: Any = Methods()
    assert Methods.static(1) == instance.static(1) == 1
    a = Methods()
    assert a.prop is a.prop
    assert a.prop is not Methods().prop


def test_an_instance_lives_as_long_as_its_results() -> None:
    a = Methods()
    reference = weakref.ref(a)
    a.method(1)
    del a
    gc.collect()
    assert reference() is not None
    Methods.method.cache_clear()
    assert reference() is None


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("kind", [classmethod, staticmethod, property])
def test_the_wrong_order_of_decorators_is_a_clear_error(kind: Any, bare: bool) -> None:
    with pytest.raises(ConfigurationError, match=f"write @{kind.__name__} above @cached"):
        (cached if bare else cached(10))(kind(lambda self: 1))


# ---------------------------------------------------------------- what it does


def test_recursion() -> None:
    @cached(1000)
    def fibonacci(n: int) -> int:
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    assert fibonacci(150) == 9969216677189303386214405760200
    assert fibonacci.cache_info() == CacheInfo(hits=148, misses=151, maxsize=1000, currsize=151)


def test_exceptions_are_not_remembered_unless_asked() -> None:
    now = 0.0
    calls: list[int] = []

    def failing(x: int) -> int:
        calls.append(x)
        raise (KeyError if x < 0 else Boom)(x)

    forgetful = cached(10)(failing)
    for _ in range(2):
        with pytest.raises(Boom):
            forgetful(1)
    assert calls == [1, 1]
    calls.clear()
    shelf: Cache[Any, Any] = Cache(10, clock=lambda: now)
    mindful = cached(shelf, negative_ttl=5, error_ttl=2)(failing)
    for time in (0, 1, 3, 4):
        now = time
        with pytest.raises(KeyError):
            mindful(-1)
        with pytest.raises(Boom):
            mindful(1)
    assert calls == [-1, 1, 1]
    mindful.cache_clear()
    with pytest.raises(KeyError):
        mindful(-1)
    assert calls == [-1, 1, 1, -1]


def test_functions_share_a_cache_without_mixing_results() -> None:
    shelf: Cache[Any, Any] = Cache(100)

    @cached(shelf)
    def one(x: int) -> str:
        return f"one {x}"

    @cached(shelf)
    def two(x: int) -> str:
        return f"two {x}"

    shelf["mine"] = 1
    assert [one(1), two(1), one(2)] == ["one 1", "two 1", "one 2"]
    assert len(shelf) == 4
    one.cache_clear()
    assert len(shelf) == 2
    assert shelf["mine"] == 1
    assert two.cache_info().currsize == 2


def test_ttl_condition_and_key() -> None:
    now = 0.0
    shelf: Cache[Any, Any] = Cache(100, clock=lambda: now)
    calls: list[int] = []

    @cached(shelf, ttl=lambda result: result, condition=lambda result: result != 3, key=abs)
    def function(x: int) -> int:
        calls.append(x)
        return abs(x)

    assert [function(x) for x in (1, -1, 2, 3, 3)] == [1, 1, 2, 3, 3]
    assert calls == [1, 2, 3, 3]
    now = 1.0
    assert [function(1), function(2)] == [1, 2]
    assert calls == [1, 2, 3, 3, 1]


@pytest.mark.parametrize("which", ["key", "ttl", "condition"])
def test_callables_that_raise(which: str) -> None:
    def failing(_: Any) -> Any:
        raise Boom

    shelf: Cache[Any, int] = Cache(10)
    options: Any = {which: failing}
    function: Any = cached(shelf, **options)(lambda x: x)
    for _ in range(2):
        with pytest.raises(Boom):
            function(1)
    assert len(shelf) == 0
    assert not shelf._flights


def test_one_call_for_all_threads() -> None:
    calls: list[int] = []
    barrier = threading.Barrier(8)

    @cached(10)
    def function(x: int) -> int:
        calls.append(x)
        threading.Event().wait(0.05)
        return x

    def call(_: int) -> int:
        barrier.wait(WAIT)
        return function(1)

    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(call, range(8))] == [1] * 8
    assert calls == [1]


def test_asynchronous_callables_are_awaited() -> None:
    class Callable:
        calls = 0

        async def __call__(self, x: int) -> int:
            self.calls += 1
            return x

    wrapped = Callable()
    function: Any = cached(10)(wrapped)
    partial: Any = cached(10)(functools.partial(wrapped.__call__, 5))
    assert [asyncio.run(function(1)), asyncio.run(function(1))] == [1, 1]
    assert [asyncio.run(partial()), asyncio.run(partial())] == [5, 5]
    assert wrapped.calls == 2


# ---------------------------------------------------------------- stale while refreshing


def test_a_stale_result_is_served_while_a_new_one_is_fetched() -> None:
    now = 0.0
    shelf: Cache[Any, Any] = Cache(10, clock=lambda: now)
    entered, release = threading.Event(), threading.Event()
    calls: list[int] = []

    @cached(shelf, ttl=10, stale=5)
    def function(x: int) -> int:
        calls.append(x)
        if len(calls) > 1:
            entered.set()
            assert release.wait(WAIT)
        return len(calls)

    assert function(1) == 1
    now = 9.0
    assert function(1) == 1
    assert calls == [1]
    now = 12.0
    assert [function(1), function(1)] == [1, 1]
    assert entered.wait(WAIT)
    assert function(1) == 1
    release.set()
    while function(1) == 1:
        threading.Event().wait(0.001)
    assert function(1) == 2
    assert calls == [1, 1]
    now = 100.0  # beyond stale
    assert function(1) == 3


def test_a_failed_refresh_leaves_the_stale_result(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    shelf: Cache[Any, Any] = Cache(10, clock=lambda: now)
    failed = threading.Event()

    @cached(shelf, ttl=10, stale=5, error_ttl=60)
    def function(x: int) -> int:
        if now > 0:
            failed.set()
            raise Boom
        return 1

    assert function(1) == 1
    now = 12.0
    with caplog.at_level(logging.WARNING, "augury"):
        assert function(1) == 1
        assert failed.wait(WAIT)
        while not caplog.records:
            threading.Event().wait(0.001)
    assert "its stale value stays" in caplog.text
    assert function(1) == 1


def test_coroutines_refresh_in_the_background() -> None:
    now = 0.0
    shelf: Cache[Any, Any] = Cache(10, clock=lambda: now)
    calls: list[int] = []

    @cached(shelf, ttl=10, stale=5)
    async def function(x: int) -> int:
        calls.append(x)
        await asyncio.sleep(0)
        return len(calls)

    async def main() -> None:
        nonlocal now
        assert await function(1) == 1
        now += 12
        assert await function(1) == 1
        assert await function(1) == 1
        for _ in range(10):
            await asyncio.sleep(0)
        assert await function(1) == 2
        assert len(calls) == 2

    asyncio.run(asyncio.wait_for(main(), WAIT), debug=True)


def test_a_refresh_cancelled_before_it_began_does_not_stop_the_next() -> None:
    now = 0.0
    shelf: Cache[Any, Any] = Cache(10, clock=lambda: now)
    calls: list[int] = []

    @cached(shelf, ttl=10, stale=5)
    async def function(x: int) -> int:
        calls.append(x)
        return len(calls)

    async def main() -> None:
        nonlocal now
        assert await function(1) == 1
        now = 12.0
        assert await function(1) == 1
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)
        assert await function(1) == 1
        for _ in range(10):
            await asyncio.sleep(0)
        assert await function(1) == 2

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_refreshes_what_its_parent_was_refreshing() -> None:
    now = 0.0
    shelf: Cache[Any, Any] = Cache(10, clock=lambda: now)
    entered, release = threading.Event(), threading.Event()
    values = iter("abc")

    @cached(shelf, ttl=10, stale=5)
    def function(x: int) -> str:
        if now > 0 and os.getpid() == parent:
            entered.set()
            assert release.wait(WAIT)
        return next(values)

    parent = os.getpid()
    assert function(1) == "a"
    now = 12.0
    assert function(1) == "a"
    assert entered.wait(WAIT)
    child = os.fork()
    if child == 0:
        refreshed = False
        for _ in range(1000):
            refreshed = refreshed or function(1) == "b"
            threading.Event().wait(0.001)
        os._exit(0 if refreshed else 1)
    release.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_refresh_left_in_a_closed_loop_does_not_stop_the_next() -> None:
    now = 0.0
    shelf: Cache[Any, Any] = Cache(10, clock=lambda: now)
    calls: list[int] = []
    hang = True

    @cached(shelf, ttl=10, stale=5)
    async def function(x: int) -> int:
        calls.append(x)
        if len(calls) == 2 and hang:
            await asyncio.sleep(WAIT)
        return len(calls)

    async def call(rounds: int) -> int:
        result = await function(1)
        for _ in range(rounds):
            await asyncio.sleep(0)
        return result

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(call(0)) == 1
    now = 12.0
    assert loop.run_until_complete(call(10)) == 1
    abandoned = asyncio.all_tasks(loop)
    assert abandoned
    loop.close()
    assert asyncio.run(call(10)) == 1
    assert asyncio.run(call(0)) == 3
    for task in abandoned:
        setattr(task, "_log_destroy_pending", False)  # noqa: B010


# ---------------------------------------------------------------- wrong use


def test_what_makes_no_sense_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="takes a Cache or a capacity"):
        cached("lru")  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match="decorates functions"):
        cached(10)(5)  # type: ignore[arg-type]
    for options in (
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": float("nan")},
        {"ttl": "1"},
        {"negative_ttl": 0},
        {"error_ttl": -3},
        {"stale": 5},
        {"stale": 0, "ttl": 5},
        {"stale": "5", "ttl": 5},
        {"stale": 10**400, "ttl": 5},
        {"ttl": 10**400},
        {"negative_ttl": len},
        {"error_ttl": len},
        {"key": 5},
        {"condition": "x"},
    ):
        with pytest.raises(ConfigurationError):
            cached(10, **options)
    with pytest.raises(ConfigurationError):
        cached(0)


def test_generators_are_refused() -> None:
    def generator() -> Any:
        yield 1

    async def agenerator() -> Any:
        yield 1

    for function in (generator, agenerator):
        with pytest.raises(ConfigurationError, match="generator"):
            cached(10)(function)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory")
def test_too_little_memory_for_the_arguments_is_an_error() -> None:
    program = """
import resource
from augury import cached
def count(*args):
    return len(args)
function = cached(4)(count)
function(1)
arguments = (0,) * 10_000_000  # 80 MB, and as much for the key and for the call of the function
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 120_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    function(*arguments)
except MemoryError:
    print("MemoryError")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "MemoryError\n"), done.stderr
