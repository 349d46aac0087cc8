"""`augury.Tiers` while parts of it fail, or processes are forked, at the worst moment."""

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from augury.errors import InvalidationError, TierError
from augury.tiers import Memory, Tiers
from tests.unit.tiers_at_hand import Rows, Shared, eventually, held


def failing(method: Callable[..., Any], shared: Shared, times: int = 1) -> Callable[..., Any]:
    """The method of a tier, which fails so many times."""
    left = [times]

    def call(*arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise TierError(f"{shared.name} is full")
        return method(*arguments)

    return call


# Writes


def test_a_write_that_could_only_delete_has_done_enough() -> None:
    shared, rows = Shared(), Rows({"a": 1}, writable=True)
    tiers = Tiers([Memory(10), shared], source=rows, ttl=60)
    assert tiers["a"] == 1
    shared.lease_many = failing(shared.lease_many, shared)  # type: ignore[method-assign]
    tiers["a"] = 2
    assert held(shared, "a") == {}
    assert tiers["a"] == 2


def test_a_write_that_could_not_even_delete_is_loud() -> None:
    shared, rows = Shared(), Rows({"a": 1}, writable=True)
    tiers = Tiers([Memory(10), shared], source=rows, ttl=60)
    assert tiers["a"] == 1
    shared.down = True
    with pytest.raises(InvalidationError, match="may still serve old values of 1 keys"):
        tiers["a"] = 2
    assert rows.rows == {"a": 2}


def test_a_value_that_no_entry_can_be_made_of_leaves_no_lease_behind() -> None:
    shared, rows = Shared(), Rows(writable=True)

    def ttl(value: Any) -> float:
        if value == "odd":
            raise ValueError("no ttl")
        return 60.0

    tiers: Tiers[str, str] = Tiers([Memory(10), shared], source=rows, ttl=ttl)
    with pytest.raises(ValueError, match="no ttl"):
        tiers["a"] = "odd"
    assert held(shared, "a") == {}
    assert rows.rows == {}


def test_a_value_that_the_last_tier_cannot_take_leaves_no_lease_behind() -> None:
    shared, rows = Shared(), Rows(writable=True)
    tiers: Tiers[str, Any] = Tiers([Memory(10), shared], source=rows, ttl=60)

    def refuse(*_: Any) -> Any:
        raise ValueError("no codec takes it")

    shared.fill_many = refuse  # type: ignore[assignment,method-assign]
    with pytest.raises(ValueError, match="no codec"):
        tiers["a"] = object()
    assert held(shared, "a") == {}


def test_a_delete_is_not_undone_by_an_earlier_write_that_is_tried_again() -> None:
    rows = Rows(writable=True)
    tiers: Tiers[str, int] = Tiers([Memory(10)], source=rows, write="behind")
    begun, go_on = threading.Event(), threading.Event()
    store = rows.store_many

    def fail_once(items: Any) -> None:
        rows.store_many = store  # type: ignore[method-assign]
        begun.set()
        go_on.wait(10)
        raise ConnectionResetError("try again")

    rows.store_many = fail_once  # type: ignore[method-assign]
    tiers["a"] = 1
    begun.wait(10)
    deleting = threading.Thread(target=tiers.delete, args=("a",))
    deleting.start()
    go_on.set()
    deleting.join()
    tiers["b"] = 2
    tiers.flush()
    assert rows.rows == {"b": 2}


# Tags


def test_dropped_tags_are_seen_without_memory_that_tracks() -> None:
    shared, rows = Shared(), Rows({"a": 1})
    one, other = (
        Tiers[str, int]([shared], source=rows, consistency="tracked", tags=lambda _: ["t"])
        for _ in range(2)
    )
    assert (one["a"], other["a"]) == (1, 1)
    rows.rows["a"] = 2
    one.invalidate_tag("t")
    assert other["a"] == 2


# Forks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing can be forked here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_listens_though_its_parent_was_forked_while_listening() -> None:
    shared = Shared()
    tiers = Tiers([Memory(10), shared], source=Rows({"a": 1}), consistency="tracked")
    assert tiers["a"] == 1
    heard = shared.listeners[0]
    polling, go_on = threading.Event(), threading.Event()
    poll = heard.poll

    def slowly() -> list[bytes] | None:
        polling.set()
        go_on.wait(10)
        return poll()

    heard.poll = slowly  # type: ignore[method-assign]
    tiers._operations.wiring.listens_at = 0.0
    listening = threading.Thread(target=tiers.get, args=("a",))
    listening.start()
    polling.wait(10)
    child = os.fork()
    if not child:
        heard.poll = poll  # type: ignore[method-assign]
        os._exit(0 if tiers["a"] == 1 else 1)
    go_on.set()
    listening.join()

    def ended() -> bool:
        return os.waitpid(child, os.WNOHANG)[0] == child

    if not eventually(ended):
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
