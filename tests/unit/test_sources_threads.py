"""Calls in threads that nobody has to wait for."""

import contextvars
import gc
import os
import subprocess
import sys
import threading
import weakref

import pytest

from augury.sources.threads import begin_in_thread


def test_returns_and_raises() -> None:
    assert begin_in_thread(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        begin_in_thread(divmod, 7, 0).result()


def test_a_free_thread_takes_the_next_call() -> None:
    assert len({begin_in_thread(threading.get_ident).result() for _ in range(100)}) < 100


def test_there_are_as_many_threads_as_calls() -> None:
    together = threading.Barrier(40)
    calls = [begin_in_thread(together.wait, 60) for _ in range(40)]
    assert sorted(call.result() for call in calls) == list(range(40))


def test_context_variables_go_along() -> None:
    user = contextvars.ContextVar("user", default="nobody")
    user.set("ada")
    assert begin_in_thread(user.get).result() == "ada"


def test_nothing_is_kept() -> None:
    class Value:
        pass

    gc.disable()
    try:
        value = weakref.ref(begin_in_thread(Value).result())
        for _ in range(1000):  # its thread may be about to let go of it
            if value() is not None:
                begin_in_thread(int).result()
        assert value() is None
    finally:
        gc.enable()


def test_a_forked_child_starts_threads_of_its_own() -> None:
    begin_in_thread(int).result()
    pid = os.fork()
    if pid == 0:
        ok = False
        try:
            ok = begin_in_thread(divmod, 7, 2).result(60) == (3, 1)
        finally:
            os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_process_ends_though_a_call_hangs() -> None:
    program = (
        "import asyncio, threading\n"
        "from augury.errors import SourceError\n"
        "from augury.sources import Loader, Resilient\n"
        "source = Resilient(Loader(lambda key: threading.Event().wait()), timeout=0.01)\n"
        "async def main():\n"
        "    await source.aload_many(['a'])\n"
        "for ask in (lambda: source.load_many(['a']), lambda: asyncio.run(main())):\n"
        "    try:\n"
        "        ask()\n"
        "    except SourceError as error:\n"
        "        print('ended')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("ended\nended\n", "")
