"""What `functools.lru_cache` promises, this one does."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from augury.errors import ConfigurationError
from augury.integrations.functools import cache, lru_cache


def counting(**options: Any) -> tuple[Any, list[Any]]:
    calls: list[Any] = []

    def function(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, kwargs))
        return len(calls)

    return lru_cache(**options)(function), calls


@lru_cache
def bare(x: int, y: int = 2) -> int:
    """Add."""
    return x + y


def test_keeps_what_was_returned() -> None:
    function, calls = counting(maxsize=10)
    assert [function(1), function(1), function(2), function(x=1), function(1)] == [1, 1, 2, 3, 1]
    assert len(calls) == 3
    assert function.cache_info() == (2, 3, 10, 3)
    assert repr(function.cache_info()) == "CacheInfo(hits=2, misses=3, maxsize=10, currsize=3)"
    function.cache_clear()
    assert function.cache_info() == (0, 0, 10, 0)


def test_looks_like_the_function() -> None:
    bare.cache_clear()
    assert (bare(1), bare(1, 2)) == (3, 3)
    assert bare.cache_info() == (0, 2, 128, 2)
    assert bare.cache_parameters() == {"maxsize": 128, "typed": False}
    assert bare.__wrapped__(1) == 3
    assert (bare.__name__, bare.__doc__) == ("bare", "Add.")  # type: ignore[attr-defined]
    assert str(inspect.signature(bare)) == "(x: 'int', y: 'int' = 2) -> 'int'"
    assert pickle.loads(pickle.dumps(bare)) is bare
    assert copy.deepcopy(bare) is copy.copy(bare) is bare
    assert weakref.ref(bare)() is bare


@pytest.mark.parametrize("maxsize", [0, -1])
def test_can_keep_nothing(maxsize: int) -> None:
    function, _ = counting(maxsize=maxsize)
    assert [function(1), function(1)] == [1, 2]
    assert function.cache_info() == (0, 2, 0, 0)
    assert function.cache_parameters()["maxsize"] == 0


@pytest.mark.parametrize("make", [cache, lru_cache(maxsize=None)])
def test_can_keep_all(make: Callable[[Any], Any]) -> None:
    double = make(lambda x: 2 * x)
    assert [double(x) for x in range(5000)] == [double(x) for x in range(5000)]
    assert double.cache_info() == (5000, 5000, None, 5000)


def test_keeps_no_more_than_it_may() -> None:
    function, _ = counting(maxsize=2)
    for x in range(10):
        function(x)
    assert function.cache_info().currsize == 2


def test_the_least_recently_used_leaves_if_that_is_asked_for() -> None:
    function, calls = counting(maxsize=2, policy="lru")
    for x in (1, 2, 1, 3, 1, 2):
        function(x)
    assert [args for args, _ in calls] == [(1,), (2,), (3,), (2,)]


def test_types_count_only_if_asked_for() -> None:
    function, _ = counting()
    assert function(3) == function(3.0) == function(True + 2)
    typed, _ = counting(typed=True)
    assert typed(3) != typed(3.0)
    assert typed(x=3) != typed(x=3.0)
    assert typed((3,)) == typed((3.0,))


def test_the_order_of_keywords_counts() -> None:
    function, calls = counting()
    function(a=1, b=2)
    function(b=2, a=1)
    assert len(calls) == 2


def test_errors_are_not_kept() -> None:
    calls = []

    @lru_cache
    def fail(x: int) -> None:
        calls.append(x)
        raise LookupError(x)

    for _ in range(2):
        with pytest.raises(LookupError) as caught:
            fail(1)
        assert caught.value.__context__ is None
    assert calls == [1, 1]
    with pytest.raises(TypeError, match="unhashable"):
        fail([])  # type: ignore[arg-type]


def test_a_function_may_call_itself_with_the_same_arguments() -> None:
    depth = [0]

    @lru_cache(maxsize=10)
    def again(x: int) -> int:
        depth[0] += 1
        return again(x) if depth[0] < 3 else x

    assert again(1) == 1
    assert again.cache_info() == (0, 3, 10, 1)


def test_methods_share_a_cache_and_keep_instances_apart() -> None:
    class Adder:
        def __init__(self, to: int) -> None:
            self.to = to

        @lru_cache(maxsize=10)
        def add(self, x: int) -> int:
            return self.to + x

        @classmethod
        @lru_cache
        def name(cls) -> str:
            return cls.__name__

        @staticmethod
        @lru_cache
        def double(x: int) -> int:
            return 2 * x

    one, two = Adder(1), Adder(2)
    assert (one.add(1), two.add(1), one.add(1)) == (2, 3, 2)
    assert one.add.cache_info() == Adder.add.cache_info() == (1, 2, 10, 2)
    assert (Adder.name(), Adder.double(4)) == ("Adder", 8)


def test_threads_may_share_it() -> None:
    calls: list[int] = []

    @lru_cache(maxsize=50)
    def double(x: int) -> int:
        calls.append(x)
        return 2 * x

    wrong: list[int] = []

    def work() -> None:
        wrong.extend(x for x in [*range(50)] * 20 if double(x) != 2 * x)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []
    info = double.cache_info()
    assert (info.hits + info.misses, info.currsize) == (4000, 50)
    assert info.misses == len(calls)


def test_is_collected_with_its_results() -> None:
    class Heavy:
        pass

    class Holder:
        @lru_cache
        def of(self, heavy: Heavy) -> Any:
            return self, heavy

    heavy = Heavy()
    Holder().of(heavy)
    gone = weakref.ref(heavy)
    del heavy, Holder
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("odd", ["128", 1.5])
def test_refuses_what_is_no_size(odd: Any) -> None:
    for make in (lru_cache, functools.lru_cache):
        with pytest.raises(TypeError, match="Expected first argument to be an integer"):
            make(odd)


def test_refuses_unknown_policies() -> None:
    with pytest.raises(ConfigurationError):
        lru_cache(policy="none")(len)
