"""The thread that learns, over the lives of caches and processes: exit, fork, collection."""

from __future__ import annotations

import gc
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from augury import Cache
from augury.events import Learned, Step
from augury.learning import Learner, learner
from augury.learning.background import Background, background
from augury.learning.training import train
from tests.unit import own_process
from tests.unit.learnable import asked_four_times

PATIENCE = 60.0  # seconds, for machines that are busy; no test takes that long otherwise


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def serve(cache: Cache[int, int]) -> None:
    for key in asked_four_times(13_000).tolist():
        if cache.get(key) is None:
            cache[key] = 1


def run(program: str) -> str:
    start = """
        import os, sys, threading, time
        import augury
        from augury.learning import Learner, learner
        sys.path.insert(0, ".")
        from tests.unit.test_learner_life import serve
        cache = augury.Cache(250, policy="learned", learn=False)
        """
    return own_process.run(start, program, 2 * PATIENCE)


def test_a_cache_learns_while_threads_use_it() -> None:
    told: list[Learned] = []
    cache: Cache[int, int] = Cache(250, policy="learned", learn=False)
    learns = Learner(cache, share=1.0, window=12_000, on_event=told.append)
    stop = threading.Event()
    wrong: list[Exception] = []

    def use() -> None:
        try:
            while not stop.is_set():
                serve(cache)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    # How the threads' requests mingle decides whether the first window already shows enough.
    until(lambda: wrong or any(learned.step is Step.DEPLOYED for learned in told))
    stop.set()
    for thread in threads:
        thread.join()
    learns.close()
    assert not wrong
    cache.validate()


def test_the_thread_ends_with_the_last_cache() -> None:
    cache: Cache[int, int] = Cache(10, policy="learned")
    thread = background._thread
    assert thread is not None
    assert thread.daemon
    gone = weakref.ref(cache.learner)
    del cache
    gc.collect()
    assert gone() is None
    again: Cache[int, int] = Cache(10, policy="learned")
    assert again.learner is not None
    again.learner.close()
    del again
    gc.collect()
    background._woken.set()
    if not background._entries:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_cache_that_goes_is_not_kept_by_its_training(monkeypatch: pytest.MonkeyPatch) -> None:
    training, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        training.set()
        go_on.wait(PATIENCE)
        return train(*arguments)

    monkeypatch.setattr(learner, "train", slow)
    cache: Cache[int, int] = Cache(250, policy="learned", learn=False)
    learns = Learner(cache, window=12_000)
    until(lambda: learns._recording is not None)
    serve(cache)
    assert training.wait(PATIENCE)
    gone = weakref.ref(cache)
    del cache
    gc.collect()
    assert gone() is None
    go_on.set()
    until(lambda: learns not in [entry.task() for entry in background._entries])
    assert learns.events == ()


class Task:
    """Ends after 20 steps, or fails in the first."""

    def __init__(self, *, fails: bool) -> None:
        self.steps = 0
        self.fails = fails

    def step(self) -> float | None:
        self.steps += 1
        if self.fails:
            raise RuntimeError("unforeseen")
        return 0.001 if self.steps < 20 else None

    def has_ended(self) -> bool:
        return self.steps == 20

    def stop(self) -> None: ...
    def begin_anew(self) -> None: ...


def test_a_task_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    own, bad, good = Background(), Task(fails=True), Task(fails=False)
    own.add(bad)
    own.add(good)
    until(good.has_ended)
    assert bad.steps == 1
    assert "unforeseen" in caplog.text
    del bad, good
    own.stop()


def test_caches_go_on_where_there_can_be_no_more_threads(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    own, first, second = Background(), Task(fails=False), Task(fails=False)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        own.add(first)
    assert "nothing is learned" in caplog.text
    own.add(second)
    until(first.has_ended)
    until(second.has_ended)
    own.stop()


@pytest.mark.parametrize("moment", ["nothing", "recording", "training"])
def test_the_interpreter_exits_whatever_is_under_way(moment: str) -> None:
    program = f"""
        learns = Learner(cache, window=12_000, share=0.01)
        if {moment!r} != "nothing":
            time.sleep(0.5)
            serve(cache)
        if {moment!r} == "training":
            time.sleep(1.0)
        print("end")
        """
    assert run(program) == "end\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_learns_by_itself() -> None:
    program = """
        from tests.unit.test_learner_life import until
        learns = Learner(cache, window=12_000, share=1.0)
        until(lambda: learns._recording is not None)
        child = os.fork()
        until(lambda: learns._recording is not None)
        serve(cache)
        until(lambda: cache.model is not None)
        if child == 0:
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    assert run(program) == "7\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_in_the_middle_of_a_training_begins_anew() -> None:
    program = """
        from augury.learning.training import train
        from tests.unit.test_learner_life import until
        training, go_on = threading.Event(), threading.Event()
        def slow(*arguments):
            training.set()
            go_on.wait()
            return train(*arguments)
        learner.train = slow
        learns = Learner(cache, window=12_000, share=1.0)
        until(lambda: learns._recording is not None)
        serve(cache)
        training.wait()
        child = os.fork()
        if child == 0:
            learner.train = train
            until(lambda: learns._recording is not None)
            serve(cache)
            until(lambda: cache.model is not None)
            learns.close()
            os._exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        go_on.set()
        until(lambda: cache.model is not None)
        print(status)
        """
    assert run(program) == "7\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_says_nothing_of_what_other_threads_held() -> None:
    program = """
        from tests.unit.test_artefact import linear
        holds = threading.Event()
        def hold():
            model = linear().native
            holds.set()
            threading.Event().wait()
        threading.Thread(target=hold, daemon=True).start()
        holds.wait()
        child = os.fork()
        if child == 0:
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    assert run(program) == "7\n"
