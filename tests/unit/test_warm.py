"""`Cache.warm` loads what the policy would hold, and harms nobody meanwhile."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from augury import Cache
from augury.accesslog import Recorder
from augury.errors import ConfigurationError, TraceError
from augury.sources import Source


class Answers(Source[Any, str]):
    """Knows everything but what is in `unknown`, and fails after so many batches."""

    def __init__(self, unknown: Sequence[Any] = (), batches: int = 1000) -> None:
        self.unknown = unknown
        self.batches = batches
        self.asked: list[list[Any]] = []

    def load_many(self, keys: Sequence[Any]) -> dict[Any, str]:
        if len(self.asked) == self.batches:
            raise OSError("the database is gone")
        self.asked.append(list(keys))
        return {key: f"value of {key}" for key in keys if key not in self.unknown}


LOG = [key for number in range(300) for key in (f"k{number}", f"k{number // 10}", "always")]


@pytest.mark.parametrize("policy", ["lru", "s3fifo", "wtinylfu", "lfu", "auto", "learned"])
def test_it_holds_what_one_that_was_asked_would(policy: str) -> None:
    asked: Cache[str, str] = Cache(50, policy=policy, learn=False)
    for key in LOG:
        if asked.get(key) is None:
            asked[key] = "value of " + key
    warmed: Cache[str, str] = Cache(50, policy=policy, learn=False)
    report = warmed.warm(LOG, Answers(), batch=7)
    assert (report.requests, report.held, report.stored, report.left) == (900, 50, 50, 0)
    ahead, order = (cache._contents()[0] for cache in (warmed, asked))
    assert len({*ahead[-20:]} & {*order[-20:]}) >= 18
    if policy in {"lru", "s3fifo"}:
        assert ahead == order
    assert dict(warmed) == dict(asked)
    warmed.validate()


def test_the_most_valuable_come_first() -> None:
    source = Answers()
    cache: Cache[str, str] = Cache(50, policy="lru")
    report = cache.warm(LOG, source, most=3, batch=2)
    assert source.asked == [["always", "k29"], ["k299"]]
    assert (report.stored, report.left) == (3, 47)


def test_the_end_of_a_log_is_enough() -> None:
    cache: Cache[int, str] = Cache(10, policy="lru")
    report = cache.warm(range(200_000), Answers(), last=5)
    assert report.requests < 100_000
    assert set(cache) == set(range(199_990, 200_000))


def test_a_function_of_one_key_will_do() -> None:
    cache: Cache[int, int] = Cache(10)
    assert cache.warm([1, 2, 3], lambda key: key * key).stored == 3
    assert dict(cache) == {1: 1, 2: 4, 3: 9}


def test_keys_may_be_made_of_the_logs() -> None:
    cache: Cache[tuple[str, int], str] = Cache(10)
    cache.warm([1, 2], lambda key: str(key[1]), key=lambda number: ("user", int(number)))
    assert dict(cache) == {("user", 1): "1", ("user", 2): "2"}


def test_numbers_and_texts_stay_apart() -> None:
    cache: Cache[Any, str] = Cache(10)
    cache.warm([1, "1", "x", "f" * 32], Answers())
    assert set(cache) == {1, "1", "x", "f" * 32}


def test_what_is_there_stays_and_absent_keys_are_counted() -> None:
    cache: Cache[int, str] = Cache(10)
    cache[1] = "mine"
    report = cache.warm([1, 2, 3], Answers(unknown=[3]))
    assert (report.stored, report.present, report.absent) == (1, 1, 1)
    assert dict(cache) == {1: "mine", 2: "value of 2"}


def test_a_source_that_fails_ends_it() -> None:
    cache: Cache[int, str] = Cache(100)
    report = cache.warm(range(50), Answers(batches=2), batch=10)
    assert (report.stored, report.left) == (20, 30)
    assert str(report.error) == "the database is gone"
    assert len(cache) == 20
    assert not cache._flights


def test_a_budget_of_time_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from augury.snapshot import warming

    now = 0.0

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now

    class Slow(Answers):
        def load_many(self, keys: Sequence[Any]) -> dict[Any, str]:
            nonlocal now
            now += 1.0
            return super().load_many(keys)

    monkeypatch.setattr(warming, "time", Clock)
    cache: Cache[int, str] = Cache(100)
    report = cache.warm(range(50), Slow(), batch=10, seconds=2.5)
    assert (report.stored, report.left) == (30, 20)


def test_times_to_live_are_the_caches_or_those_given() -> None:
    cache: Cache[int, str] = Cache(10, ttl=100, clock=lambda: 0.0)
    cache.warm([1], Answers())
    cache.warm([2], Answers(), ttl=7)
    cache.warm([3], Answers(), ttl=None)
    assert [cache.ttl(key) for key in (1, 2, 3)] == [100, 7, None]


def test_a_weigher_weighs() -> None:
    cache: Cache[int, str] = Cache(30, policy="lru", weigher=lambda _, value: len(value))
    cache.warm(range(10), Answers())  # the log knows no sizes
    assert 20 <= cache.weight <= 30
    cache.validate()


def test_who_writes_meanwhile_is_right() -> None:
    cache: Cache[int, str] = Cache(10)

    class Interrupted(Answers):
        def load_many(self, keys: Sequence[Any]) -> dict[Any, str]:
            cache[1] = "written"
            cache.delete(2)
            return super().load_many(keys)

    cache.warm([1, 2, 3], Interrupted())
    assert dict(cache) == {1: "written", 3: "value of 3"}


def test_nobody_waits_for_it() -> None:
    cache: Cache[int, str] = Cache(10)
    loading, go_on = threading.Event(), threading.Event()

    class Slow(Answers):
        def load_many(self, keys: Sequence[Any]) -> dict[Any, str]:
            loading.set()
            go_on.wait(10)
            return super().load_many(keys)

    thread = threading.Thread(target=cache.warm, args=([1, 2], Slow()))
    thread.start()
    loading.wait(10)
    assert cache.get_or_load(1, lambda _: "my own") == "my own"
    go_on.set()
    thread.join()
    assert cache[2] == "value of 2"


def test_a_recorded_log(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    cache: Cache[Any, str] = Cache(10, policy="lru", record=Recorder(tmp_path, sample=1.0))
    keys: list[Any] = ["a", 7, ("tuple", 1), "b", "12"]
    for key in keys:
        cache.get(key)
        cache[key] = "old"
    recorder = cache._record
    assert isinstance(recorder, Recorder)
    recorder.close()
    warmed: Cache[Any, str] = Cache(10, policy="lru")
    report = warmed.warm(tmp_path, Answers())
    assert (report.held, report.stored, report.unnamed) == (5, 4, 1)
    assert set(warmed) == {"a", 7, "b", "12"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"batch": 0}, "batch must be an integer of 1 or more"),
        ({"most": -1}, "most must be"),
        ({"last": 1.5}, "last must be"),
        ({"seconds": 0}, "seconds must be a number of seconds above 0"),
        ({"key": "id"}, "key must be callable"),
        ({"ttl": -1}, "ttl must be more than 0 seconds"),
    ],
)
def test_options_are_checked(options: Mapping[str, Any], told: str) -> None:
    cache: Cache[Any, Any] = Cache(10)
    with pytest.raises(ConfigurationError, match=told):
        cache.warm([1], Answers(), **options)


def test_logs_and_sources_are_checked(tmp_path: Path) -> None:
    cache: Cache[Any, Any] = Cache(10)
    with pytest.raises(ConfigurationError, match="a source must be"):
        cache.warm([1], "database")  # type: ignore[arg-type]
    with pytest.raises(TraceError):
        cache.warm(tmp_path / "absent", Answers())
    with pytest.raises(TraceError, match="at least one request"):
        cache.warm([], Answers())


@pytest.mark.parametrize("answer", [None, [1], (key for key in "ab")])
def test_a_source_that_answers_nonsense_has_failed(answer: Any) -> None:
    class Wrong(Source[Any, Any]):
        def load_many(self, keys: Sequence[Any]) -> Any:
            return answer

    cache: Cache[Any, Any] = Cache(10, policy="lru")
    report = cache.warm(["a", "b"], Wrong())
    assert isinstance(report.error, ConfigurationError)
    assert (report.stored, report.absent, report.left) == (0, 0, 2)


def test_a_batch_may_be_larger_than_anything() -> None:
    cache: Cache[Any, Any] = Cache(10, policy="lru")
    assert cache.warm(["a", "b"], Answers(), batch=10**30).stored == 2
