"""Keys of calls: the same call has the same key, however it is written."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest

import augury
from augury.errors import ConfigurationError, KeyEncodingError
from augury.keys import call_key


def f(a: Any, b: Any = 2, *, c: Any = 3) -> None: ...


def g(a: Any, b: Any = 2, *, c: Any = 3) -> None: ...


def spread(a: Any, /, *rest: Any, **more: Any) -> None: ...


class Service:
    def __init__(self, name: str) -> None:
        self.name = name

    def __augury_key__(self) -> object:
        return self.name

    def ask(self, question: str, log: Any = None) -> None: ...

    @classmethod
    def build(cls, name: str) -> None: ...

    def __call__(self, question: str) -> None: ...


@functools.lru_cache
def wrapped(a: int) -> int:
    return a


def test_the_form_of_a_call_does_not_count() -> None:
    same = [
        call_key(f, (1,)),
        call_key(f, (1, 2)),
        call_key(f, (1,), {"b": 2}),
        call_key(f, (), {"c": 3, "b": 2, "a": 1}),
        call_key(functools.partial(f, 1, c=3)),
        call_key(functools.partial(f, c=4), [1], {"c": 3}),
    ]
    assert len(set(same)) == 1


def test_what_a_call_means_counts() -> None:
    different = [
        call_key(f, (1,)),
        call_key(f, (1.0,)),
        call_key(f, (2, 1)),
        call_key(f, (1,), {"c": 4}),
        call_key(g, (1,)),
        call_key(f, (1,), version=1),
        call_key(f, (1,), version="1"),
        call_key(f, (1,), ignore=["c"]),
        call_key(f, (1,), secret=b"s"),
    ]
    assert len(set(different)) == len(different)


def test_variable_arguments() -> None:
    assert call_key(spread, (1, 2), {"x": 1, "y": 2}) == call_key(spread, (1, 2), {"y": 2, "x": 1})
    assert call_key(spread, (1,), {"a": 1}) != call_key(spread, (1,))
    assert call_key(spread, (1,), {"x": 1}, ignore=["x"]) == call_key(spread, (1,), ignore=["x"])
    assert call_key(spread, (1, 2, 3), ignore=["rest"]) == call_key(spread, (1,), ignore=["rest"])


def test_methods_take_their_object_along() -> None:
    service = Service("a")
    assert call_key(service.ask, ("?",)) == call_key(Service.ask, (service, "?"))
    assert call_key(service.ask, ("?",)) != call_key(Service("b").ask, ("?",))
    assert call_key(service.ask, ("?",), ignore=["self"]) == call_key(
        Service("b").ask, ("?",), ignore=["self"]
    )
    assert call_key(service, ("?",)) == call_key(Service.__call__, (service, "?"))
    assert call_key(Service.build, ("x",)) == call_key(service.build, ("x",))
    assert call_key(Service, ("x",)) == call_key(Service, (), {"name": "x"})


def test_decorated_and_builtin_functions() -> None:
    assert call_key(wrapped, (1,)) == call_key(wrapped.__wrapped__, (1,))
    assert call_key(augury.cached(wrapped), (1,)) == call_key(wrapped, (1,))
    assert call_key(math.sqrt, (4.0,)) != call_key(math.exp, (4.0,))
    assert call_key(max, (4, 5)) != call_key(max, (5, 4))  # without a signature: as given


def test_the_argument_is_named() -> None:
    with pytest.raises(KeyEncodingError, match=r"argument 'b'\['x'\]\[0\]: cannot make"):
        call_key(f, (1, {"x": [object()]}))
    with pytest.raises(KeyEncodingError, match=r"argument 'more'\['x'\]: cannot make"):
        call_key(spread, (1,), {"x": object()})
    with pytest.raises(KeyEncodingError, match="version: cannot make"):
        call_key(f, (1,), version=object())


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"a": 1}), ((1,), {"z": 1})]
)
def test_a_call_that_cannot_be_made_has_no_key(args: Any, kwargs: Any) -> None:
    with pytest.raises(TypeError, match="argument"):
        call_key(f, args, kwargs)


def test_functions_that_their_name_does_not_identify() -> None:
    def plain(x: int) -> int:
        return x

    n = 5

    def closure(x: int) -> int:
        return x + n

    assert call_key(plain, (1,))
    for nameless in (closure, lambda x: x):
        with pytest.raises(KeyEncodingError, match="version="):
            call_key(nameless, (1,))
        assert call_key(nameless, (1,), version=n)
    with pytest.raises(KeyEncodingError, match="no module and name"):
        call_key([].append, (1,))


class Endless:
    """Has every attribute, as some proxies do."""

    def __getattr__(self, name: str) -> Endless:
        return Endless()


def test_wrappers_without_end_are_refused() -> None:
    def own() -> None: ...

    vars(own)["__wrapped__"] = own
    endless: Any = Endless()
    for function in (own, endless):
        with pytest.raises(KeyEncodingError, match="it wraps itself"):
            call_key(function)


def test_ignore_takes_names_of_parameters() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot ignore 'z': .* are a, b, c"):
        call_key(f, (1,), ignore=["z"])
    with pytest.raises(ConfigurationError, match=r"ignore=\['c'\]"):
        call_key(f, (1,), ignore="c")
