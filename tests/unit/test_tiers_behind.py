"""Writes of `augury.Tiers` that wait, and what is read and written meanwhile."""

import gc
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from augury.tiers import Memory, Tiers, behind
from tests.unit.tiers_at_hand import Shared, eventually, held


@contextmanager
def held_up(tiers: Tiers[Any, Any]) -> Iterator[None]:
    """Nothing that waits can be written."""
    queue = tiers._operations._behind
    assert queue is not None
    write, queue._write = queue._write, dict  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        queue._write = write  # type: ignore[method-assign]


def test_a_later_write_is_not_undone_by_one_that_waits() -> None:
    shared = Shared()
    tiers: Tiers[str, int] = Tiers([Memory(10), shared], ttl=60, outage="queue")
    tiers["b"] = 0  # from now on its tag is known
    with held_up(tiers):
        shared.down = True
        tiers["a"] = 1
        shared.down = False
        tiers["a"] = 2
        assert tiers["a"] == 2
    tiers.flush()
    assert held(shared, "a") == {"a": 2}
    assert tiers["a"] == 2


def test_what_was_written_before_does_not_hide_what_waits() -> None:
    shared = Shared()
    tiers: Tiers[str, int] = Tiers([Memory(10), shared], ttl=60, write="behind")
    queue = tiers._operations._behind
    assert queue is not None
    get_many, write = shared.get_many, queue._write
    begun, go_on, end = threading.Event(), threading.Event(), threading.Event()

    def look_at_tags(*arguments: Any) -> Any:
        begun.set()
        go_on.wait(10)
        return get_many(*arguments)

    def write_twice(writes: Any) -> Any:
        if writes["a"].value == 2:
            end.wait(10)
        return write(writes)

    shared.get_many, queue._write = look_at_tags, write_twice  # type: ignore
    tiers["a"] = 1
    begun.wait(10)
    tiers["a"] = 2
    go_on.set()
    assert eventually(lambda: tiers.stats().waiting == 1)  # the first is done
    assert tiers["a"] == 2
    end.set()
    tiers.flush()
    assert tiers["a"] == 2


def test_what_waits_is_dropped_with_its_tag() -> None:
    shared = Shared()
    tiers: Tiers[str, int] = Tiers([Memory(10), shared], ttl=60, write="behind")
    with held_up(tiers):
        tiers.set("a", 1, tags=["odd"])
        tiers.set("b", 2, tags=["even"])
        tiers.set("c", 3)
        tiers.invalidate_tag("odd")
        assert tiers.get_many("abc") == {"b": 2, "c": 3}
        tiers.clear()
        assert tiers.get_many("abc") == {}
    tiers.flush()
    assert held(shared, *"abc") == {}


def test_tiers_that_nobody_has_any_more_end_with_their_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(behind, "_IDLE", 0.001)
    tiers: Tiers[str, int] = Tiers([Memory(10)], write="behind")
    for value in range(3):
        tiers["a"] = value
        tiers.flush()
        thread = tiers._operations._behind._thread  # type: ignore
        if thread is not None:
            thread.join(10)
    assert tiers["a"] == 2
    queue = tiers._operations._behind
    assert queue is not None
    gone = weakref.ref(queue)
    del queue
    del tiers
    gc.collect()
    assert gone() is None
