"""Budgets, retries and breakers around a source. Outcomes are asserted, never times."""

import asyncio
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from augury.breaker import Breaker
from augury.errors import ConfigurationError, SourceError, StatusError
from augury.sources import Loader, Resilient, Source, may_pass

SHORT = 0.05  # seconds: a budget that runs out
LONG = 60.0  # one that does not


class Script(Source[str, int]):
    """Answers as told, one step a call: raises an error, or returns a value for every key."""

    def __init__(self, *steps: Exception | int) -> None:
        self.steps = list(steps)
        self.calls = 0
        self.writable = True

    def _step(self) -> int:
        self.calls += 1
        step = self.steps.pop(0) if self.steps else 0
        if isinstance(step, Exception):
            raise step
        return step

    def load_many(self, keys: Sequence[str]) -> dict[str, int]:
        value = self._step()
        return dict.fromkeys(keys, value)

    def store_many(self, items: Mapping[str, int]) -> None:
        self._step()

    def remove_many(self, keys: Sequence[str]) -> None:
        self._step()


class AsyncScript(Script):
    asynchronous = True

    async def aload_many(self, keys: Sequence[str]) -> dict[str, int]:
        await asyncio.sleep(0)
        return self.load_many(keys)


Ask = Callable[[Source[str, int]], dict[str, int]]


@pytest.fixture(params=["threads", "coroutines"])
def ask(request: pytest.FixtureRequest) -> Ask:
    if request.param == "threads":
        return lambda source: source.load_many(["a"])
    return lambda source: asyncio.run(source.aload_many(["a"]))


@pytest.fixture(params=[Script, AsyncScript])
def script(request: pytest.FixtureRequest) -> type[Script]:
    kind: type[Script] = request.param
    return kind


@pytest.fixture
def hanging() -> Iterator[tuple[Source[str, int], threading.Event]]:
    """A blocking source that hangs until the event is set."""
    freed = threading.Event()

    def load(key: str) -> int:
        freed.wait()
        return 1

    yield Loader(load), freed
    freed.set()


PASSING = [ConnectionResetError("reset"), TimeoutError("slow"), OSError("broken pipe")]


@pytest.mark.parametrize("timeout", [LONG, None])
@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_is_tried_again(
    error: Exception, timeout: float | None, script: type[Script], ask: Ask
) -> None:
    source = script(error, error, 7)
    assert ask(Resilient(source, timeout=timeout)) == {"a": 7}
    assert source.calls == 3


@pytest.mark.parametrize("error", [KeyError("k"), ValueError("v"), PermissionError("p")], ids=repr)
def test_other_errors_are_raised_at_once(error: Exception, script: type[Script], ask: Ask) -> None:
    source = script(error, 7)
    with pytest.raises(type(error)) as caught:
        ask(Resilient(source, timeout=LONG))
    assert caught.value is error
    assert source.calls == 1


def test_the_last_error_is_raised_when_attempts_run_out(script: type[Script], ask: Ask) -> None:
    errors = [ConnectionResetError(str(n)) for n in range(3)]
    source = script(*errors)
    with pytest.raises(ConnectionResetError) as caught:
        ask(Resilient(source, timeout=LONG, attempts=2))
    assert caught.value is errors[1]


def test_one_attempt_is_one(script: type[Script], ask: Ask) -> None:
    source = script(ConnectionResetError(), 7)
    with pytest.raises(ConnectionResetError):
        ask(Resilient(source, attempts=1))
    assert source.calls == 1


@pytest.mark.parametrize(
    "retry", [ZeroDivisionError, (ZeroDivisionError,), lambda e: isinstance(e, ZeroDivisionError)]
)
def test_which_errors_are_tried_again_can_be_chosen(retry: Any, ask: Ask) -> None:
    assert ask(Resilient(Script(ZeroDivisionError(), 7), retry=retry, timeout=LONG)) == {"a": 7}
    with pytest.raises(ConnectionResetError):
        ask(Resilient(Script(ConnectionResetError(), 7), retry=retry, timeout=LONG))


def test_writes_are_tried_again(script: type[Script]) -> None:
    async def write(source: Source[str, int]) -> None:
        await source.astore_many({"a": 1})
        await source.aremove_many(["a"])

    steps: list[Exception | int] = [ConnectionResetError(), 0]
    source = script(*(steps * 4))
    resilient = Resilient(source, timeout=LONG)
    assert resilient.writable
    resilient.store_many({"a": 1})
    resilient.remove_many(["a"])
    asyncio.run(write(resilient))
    assert source.calls == 8


def test_a_pause_that_would_pass_the_budget_is_not_made(script: type[Script], ask: Ask) -> None:
    busy = StatusError("busy", 503, retry_after=3600.0)
    source = script(busy, 7)
    with pytest.raises(StatusError) as caught:
        ask(Resilient(source, timeout=LONG))
    assert caught.value is busy
    assert source.calls == 1


def test_the_pause_that_is_asked_for_is_made(script: type[Script], ask: Ask) -> None:
    source = script(StatusError("busy", 429, retry_after=0.01), 7)
    assert ask(Resilient(source, timeout=LONG)) == {"a": 7}


def test_a_call_that_hangs_is_left_behind(
    hanging: tuple[Source[str, int], threading.Event], ask: Ask
) -> None:
    source, freed = hanging
    resilient = Resilient(source, timeout=SHORT, left_behind=2)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"Loader\(.*load\) did not answer within 0.05 s"):
            ask(resilient)
    with pytest.raises(SourceError, match="hangs: 2 calls that ran out of time have not ended"):
        ask(resilient)
    freed.set()
    while resilient._left:
        threading.Event().wait(0.001)
    assert ask(Resilient(source, timeout=LONG)) == {"a": 1}
    resilient._timeout = LONG
    assert ask(resilient) == {"a": 1}


def test_a_cancelled_caller_leaves_its_thread_behind(
    hanging: tuple[Source[str, int], threading.Event],
) -> None:
    source, _ = hanging
    resilient = Resilient(source, timeout=LONG)

    async def cancel() -> None:
        task = asyncio.ensure_future(resilient.aload_many(["a"]))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(resilient._left) == 1

    asyncio.run(cancel())


def test_a_coroutine_that_hangs_is_cancelled(ask: Ask) -> None:
    ended = threading.Event()

    async def load(key: str) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return 1

    source: Resilient[str, int] = Resilient(Loader(load), timeout=SHORT)
    with source, pytest.raises(SourceError, match=r"did not answer within 0.05 s"):
        ask(source)
    assert ended.wait(LONG)


def test_a_coroutine_that_will_not_be_cancelled_is_not_waited_for() -> None:
    freed = False

    async def load(key: str) -> int:
        while not freed:
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue
        raise ValueError("ended at last")

    async def use() -> None:
        nonlocal freed
        resilient: Resilient[str, int] = Resilient(Loader(load), timeout=SHORT, left_behind=1)
        with pytest.raises(SourceError, match="did not answer"):
            await resilient.aload_many(["a"])
        with pytest.raises(SourceError, match="hangs"):
            await resilient.aload_many(["a"])
        freed = True
        while resilient._left:
            await asyncio.sleep(0.001)

    asyncio.run(use())


def test_a_time_out_of_the_sources_own_is_its_own(script: type[Script], ask: Ask) -> None:
    error = TimeoutError("of the source")
    with pytest.raises(TimeoutError, match="of the source"):
        ask(Resilient(script(error), timeout=LONG, attempts=1))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_spares_the_source(script: type[Script], ask: Ask) -> None:
    clock = Clock()
    source = script(*(ConnectionResetError() for _ in range(3)))
    resilient = Resilient(source, timeout=LONG, attempts=2, breaker=Breaker(3, 5.0, clock))
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            ask(resilient)
    assert source.calls == 3  # the last of which opened it, and so was not followed by another
    with pytest.raises(SourceError, match="failed too often, and rests for up to 5 s"):
        ask(resilient)
    assert source.calls == 3
    clock.now = 5.0
    assert ask(resilient) == {"a": 0}
    assert ask(resilient) == {"a": 0}


def test_errors_that_say_nothing_of_the_next_call_open_no_breaker(ask: Ask) -> None:
    breaker = Breaker(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="wrong"):
            ask(Resilient(Script(ValueError("wrong")), breaker=breaker))
    assert breaker.state == "closed"


def test_running_out_of_time_opens_a_breaker(
    hanging: tuple[Source[str, int], threading.Event], ask: Ask
) -> None:
    breaker = Breaker(1)
    with pytest.raises(SourceError, match="did not answer"):
        ask(Resilient(hanging[0], timeout=SHORT, breaker=breaker))
    assert breaker.state == "open"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, "timeout must be seconds, more than zero, not 0"),
        ({"timeout": "1"}, "timeout must be seconds"),
        ({"attempts": 0}, "attempts must be a positive integer"),
        ({"left_behind": True}, "left_behind must be a positive integer"),
        ({"breaker": 5}, "breaker must be a Breaker"),
        ({"retry": "OSError"}, "retry must be exception types or a function"),
    ],
)
def test_mistakes_are_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Resilient(Script(), **options)
    with pytest.raises(ConfigurationError, match="source must be a Source"):
        Resilient(print)  # type: ignore[arg-type]


def test_what_may_pass() -> None:
    assert may_pass(StatusError("busy", 503))
    assert not may_pass(StatusError("broken", 500))
    assert not may_pass(SourceError("rests"))
    assert not may_pass(FileNotFoundError())
    assert not may_pass(KeyboardInterrupt())


def test_a_status_survives_a_process() -> None:
    error = pickle.loads(pickle.dumps(StatusError("busy", 503, 1.5)))
    assert (str(error), error.status, error.retry_after) == ("busy", 503, 1.5)
