"""Tags that are dropped while what they are is being asked."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from augury.breaker import Breaker
from augury.tiers import Entry, Lease, Memory, Tiers, generations
from augury.tiers.generations import Generations
from augury.tiers.levels import Faults, Level
from augury.tiers.ways import BLOCKING, run
from tests.unit.tiers_at_hand import Rows, Shared


class Meanwhile(Shared):
    """Does something after it has answered, before the answer arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], object] | None = None
        for name in ("get_many", "get_changed"):
            setattr(self, name, self._and_then(getattr(self, name)))

    def _and_then(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            answer = method(*arguments)
            if (then := self.then) is not None:
                self.then = None
                then()
            return answer

        return call


def knowing(shared: Shared, **options: Any) -> Generations:
    level = Level(shared, Breaker(), Faults(None))
    return Generations("", level, float("inf"), **options)


def test_an_answer_that_comes_after_the_tag_was_dropped_is_not_trusted() -> None:
    shared = Meanwhile()
    heard = shared.track()
    generations = knowing(shared, named=True)
    run(generations.refresh(BLOCKING, ["t"], 0.0))
    before = generations.known("t")

    def another_process_drops_it() -> None:
        run(knowing(shared).renew(BLOCKING, ["t"]))
        assert generations.forget_named(heard.poll() or ())

    generations.forget()
    shared.then = another_process_drops_it
    run(generations.refresh(BLOCKING, ["t"], 0.0))
    assert generations.unsure(["t"], 0.0)
    run(generations.refresh(BLOCKING, ["t"], 0.0))
    assert generations.known("t") != before


def test_a_tag_that_is_dropped_before_anything_is_known_of_it() -> None:
    shared = Meanwhile()
    heard = shared.track()
    run(knowing(shared).refresh(BLOCKING, ["t"], 0.0))  # another process has made it
    heard.poll()
    generations = knowing(shared, named=True)

    def another_process_drops_it() -> None:
        run(knowing(shared).renew(BLOCKING, ["t"]))
        assert generations.forget_named(heard.poll() or ())

    shared.then = another_process_drops_it
    run(generations.refresh(BLOCKING, ["t"], 0.0))
    assert generations.unsure(["t"], 0.0)


def test_a_validated_read_that_began_earlier_does_not_bring_back_a_dropped_tag() -> None:
    shared = Meanwhile()
    tiers = Tiers(
        [Memory(10), shared], source=Rows({"a": 1}), consistency="validated", tags=lambda _: ["t"]
    )
    tiers["a"]
    generations = tiers._operations.wiring.generations
    before, asked = generations.known("t"), time.monotonic()
    tiers.invalidate_tag("t")
    assert "a" not in tiers
    shared.then = lambda: generations.learn("t", before, asked)  # what another thread was told
    assert "a" not in tiers


def test_a_tag_that_another_process_is_about_to_begin_is_waited_for() -> None:
    shared, begun = Meanwhile(), Lease(time.time() + 10)
    generations = knowing(shared)
    key = generations.key("t")
    shared.lease_many([key], begun)
    begins = threading.Timer(0.5, shared.fill_many, [{key: Entry(None)}, begun])
    begins.start()
    assert run(generations.refresh(BLOCKING, ["t"], 0.0))
    begins.join()
    assert shared.get_many([key])[key].version == generations.known("t")  # type: ignore[union-attr]


def test_a_process_that_died_when_it_was_about_to_begin_a_tag_is_not_waited_for_long() -> None:
    shared = Meanwhile()
    generations = knowing(shared)
    shared.lease_many([generations.key("t")], Lease(time.time() + 0.3))
    assert run(generations.refresh(BLOCKING, ["t"], 0.0))
    assert generations.known("t")


def test_a_dropped_tag_is_not_served_here_even_if_it_was_asked_for_meanwhile() -> None:
    shared = Meanwhile()
    rows = Rows({"a": 1})
    tiers = Tiers([Memory(10), shared], source=rows, ttl=60, tags=lambda _: ["t"])
    tiers["a"]
    rows.rows["a"] = 2
    renew = shared.set_many

    def asked_for_meanwhile(entries: Any) -> None:
        tiers._operations.wiring.generations.forget()
        tiers._operations.wiring.look_again()
        tiers.get("a")
        renew(entries)

    shared.set_many = asked_for_meanwhile  # type: ignore[method-assign]
    tiers.invalidate_tag("t")
    assert tiers["a"] == 2


@pytest.mark.parametrize("options", [{}, {"consistency": "tracked"}, {"consistency": "validated"}])
@pytest.mark.parametrize("below", [True, False])
def test_tags_that_no_copy_has_are_forgotten(
    monkeypatch: pytest.MonkeyPatch, options: Any, below: bool
) -> None:
    monkeypatch.setattr(generations, "_MOST", 20)
    monkeypatch.setattr(generations, "_LATELY", 0.0)
    shared = [Shared()] if below else []
    rows = Rows({key: key for key in range(1_000)})
    tiers = Tiers(
        [Memory(5, policy="lru"), *shared],
        source=rows,
        ttl=60,
        tags=lambda key: [f"{key}"],
        **options,
    )
    assert [tiers[key] for key in range(1_000)] == list(range(1_000))
    assert len(tiers._wiring.generations._known) < 50
    assert len(tiers._wiring.generations._names or ()) < 50
    for key in (999, 0):  # in memory, and long gone from it
        rows.rows[key] = -1
        tiers.invalidate_tag(f"{key}")
        assert tiers[key] == -1


def test_a_weigher_is_not_asked_what_weighs_nothing() -> None:
    memory = Memory(10, weigher=lambda _, value: len(value))
    tiers: Tiers[str, str] = Tiers([memory], source=Rows({"a": "value"}), negative_ttl=60)
    assert tiers.get_many("ab") == {"a": "value"}
    assert tiers.get("b") is None
    assert tiers.stats().loads == 2
