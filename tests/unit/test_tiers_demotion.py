"""What is on its way from memory, or from the last tier, to a tier between."""

import gc
import threading
import weakref
from typing import Any

import pytest

from augury.tiers import Tiers, demotion
from tests.unit.tiers_at_hand import Rows, Shared, eventually, held


class Anything:
    def goes_down(self, key: object) -> bool:
        return True


def test_a_read_that_ends_after_a_write_copies_nothing_upwards() -> None:
    middle, last = Shared(), Shared()
    tiers: Tiers[str, int] = Tiers([middle, last], ttl=60, placement=Anything())
    tiers["a"] = 1
    get_many = last.get_many
    begun, go_on = threading.Event(), threading.Event()

    def slowly(keys: Any) -> Any:
        found = get_many(keys)
        if threading.current_thread() is reading:
            begun.set()
            go_on.wait(10)
        return found

    last.get_many = slowly  # type: ignore
    reading = threading.Thread(target=tiers.get, args=("a",))
    reading.start()
    begun.wait(10)
    tiers["a"] = 2
    go_on.set()
    reading.join()
    tiers.close()
    assert held(middle, "a") == {}


@pytest.mark.parametrize("error", [ValueError("no codec"), RuntimeError("not ours")])
def test_a_value_that_cannot_go_down_keeps_no_other_from_it(error: Exception) -> None:
    middle = Shared()
    store = middle.set_many

    def refuse_once(_: Any) -> None:
        middle.set_many = store  # type: ignore
        raise error

    middle.set_many = refuse_once  # type: ignore
    tiers = Tiers([middle, Shared()], source=Rows({1: 1, 2: 2}), ttl=60, placement=Anything())
    assert tiers[1] == 1
    assert eventually(lambda: tiers.stats().faults)
    assert tiers[2] == 2
    assert eventually(lambda: held(middle, 2))
    tiers.close()


def test_a_deletion_that_fails_is_not_awaited_for_ever() -> None:
    middle = Shared()
    tiers = Tiers([middle, Shared()], source=Rows({1: 1}), ttl=60, placement=Anything())
    assert tiers[1] == 1
    assert eventually(lambda: held(middle, 1))
    delete = middle.delete_many

    def fail_behind(keys: Any) -> None:
        if threading.current_thread().name == "augury-demotion":
            raise RuntimeError("not ours")
        delete(keys)

    middle.delete_many = fail_behind  # type: ignore
    tiers.invalidate(1)
    assert eventually(lambda: not tiers._wiring.dropping())
    tiers.close()


def test_tiers_that_nobody_has_any_more_end_with_their_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demotion, "_IDLE", 0.001)
    middle = Shared()
    tiers = Tiers([middle, Shared()], source=Rows({1: 1, 2: 2}), ttl=60, placement=Anything())
    queue = tiers._wiring._demotion
    assert queue is not None
    for key in (1, 2):
        assert tiers[key] == key
        assert eventually(lambda key=key: held(middle, key))  # type: ignore[misc]
        assert eventually(lambda queue=queue: queue._thread is None)  # type: ignore[misc]
    gone = weakref.ref(queue)
    del tiers, queue
    gc.collect()
    assert eventually(lambda: gone() is None)
