"""A semantic cache answers what it holds, says where from, and never what has left it."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any

import numpy as np
import pytest

from augury import Cache
from augury.errors import ConfigurationError, InputError, OutputError
from augury.inference import CachedModel
from augury.inference.semantic import Answer, Calibration, Origin, SemanticCache
from tests.unit.toy_embedding import embed

ORDER = "where is my order"
ORDER_TOO = "where is my order now"
REFUND = "how do I get a refund"


def a_cache(capacity: Any = 100, **options: Any) -> SemanticCache[str]:
    options.setdefault("threshold", 0.7)
    return SemanticCache(embed, capacity, **options)


def origin(answer: Answer[str] | None) -> Origin | None:
    return None if answer is None else answer.origin


def test_exact_similar_and_loaded_answers() -> None:
    cache = a_cache()
    loaded = cache.get_or_load(ORDER, lambda text: f"answer to {text}")
    assert loaded == Answer(f"answer to {ORDER}", Origin.LOADED, ORDER, 1.0)
    exact = cache.get(ORDER)
    assert exact == Answer(f"answer to {ORDER}", Origin.EXACT, ORDER, 1.0)
    similar = cache.get_or_load(ORDER_TOO, lambda text: pytest.fail("not asked"))
    assert similar.origin is Origin.SIMILAR
    assert similar.matched == ORDER
    assert similar.value == f"answer to {ORDER}"
    a, b = embed([ORDER, ORDER_TOO])
    assert similar.similarity == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert cache.get(REFUND) is None
    stats = cache.stats()
    assert (stats.exact, stats.similar, stats.misses) == (1, 1, 2)
    assert stats.requests == 4
    assert stats.hit_ratio == 0.5


def test_the_nearest_is_taken() -> None:
    cache = a_cache()
    cache.set_many({ORDER: "far", "where is my order right now": "near"})
    found = cache.get(ORDER_TOO)
    assert found is not None
    by_hand = max((ORDER, "where is my order right now"), key=similarity)
    assert found.matched == by_hand


def similarity(text: str) -> float:
    a, b = embed([text, ORDER_TOO])
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_nothing_is_similar_without_a_threshold() -> None:
    cache = a_cache(threshold=None)
    cache.set(ORDER, "there")
    assert cache.get(ORDER_TOO) is None
    assert origin(cache.get(ORDER)) is Origin.EXACT
    assert "no calibrated threshold" in cache.explain(ORDER_TOO).reason


def test_normalised_texts_are_the_same_text() -> None:
    plain, normalising = a_cache(threshold=None), a_cache(threshold=None, normalise=True)
    for cache in (plain, normalising):
        cache.set("Where is \n MY order?", "there")
    assert plain.get(" where is my ORDER?") is None
    found = normalising.get(" where is my ORDER?")
    assert found == Answer("there", Origin.EXACT, "Where is \n MY order?", 1.0)
    assert "where is my order?" in normalising
    assert normalising.delete("WHERE IS MY ORDER?")
    assert len(normalising) == 0


def test_what_has_left_is_not_found() -> None:
    now = [0.0]
    inner: Cache[str, Any] = Cache(100, policy="lru", clock=lambda: now[0])
    cache = a_cache(inner)
    cache.set(ORDER, "by delete")
    assert cache.delete(ORDER)
    assert cache.get(ORDER_TOO) is None
    cache.set(ORDER, "by ttl", ttl=5)
    assert origin(cache.get(ORDER_TOO)) is Origin.SIMILAR
    now[0] = 6.0
    assert cache.get(ORDER_TOO) is None
    cache.set(ORDER, "by clear")
    cache.clear()
    assert cache.get(ORDER_TOO) is None
    cache.set(ORDER, "by the cache itself")
    del inner[ORDER]
    assert cache.get(ORDER_TOO) is None
    cache.set(ORDER, "old")
    cache.set(ORDER, "new")
    found = cache.get(ORDER_TOO)
    assert found is not None
    assert found.value == "new"
    cache.set(ORDER, "by resizing")
    cache.set(REFUND, "asked last")
    inner.resize(1)
    assert cache.get(ORDER_TOO) is None


def test_a_hit_by_similarity_counts_for_the_policy() -> None:
    cache = a_cache(Cache(2, policy="lru"))
    cache.set(ORDER, "a")
    cache.set(REFUND, "b")
    assert origin(cache.get(ORDER_TOO)) is Origin.SIMILAR
    cache.set("can I pay by card", "c")
    assert ORDER in cache
    assert REFUND not in cache


def test_the_index_is_as_large_as_the_cache() -> None:
    cache = a_cache(50)
    for number in range(2_000):
        cache.set(f"question about the matter {number * 7919}", str(number))
    gc.collect()
    index = cache._lookup._index
    assert len(cache) == len(index) == 50
    for text in list(cache.cache):
        found = cache._lookup._alive(cache._embedding([text])[0], 1)
        assert found[0][1] is cache.cache[text]


def test_a_graph_of_many_is_replaced_as_it_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("augury.inference.semantic.index._FEW", 20)
    cache = a_cache(Cache(200, policy="lru"))
    index = cache._lookup._index
    seen, moving = [index._graphs[:]], False
    for number in range(3_000):
        cache.set(f"question about the matter {number * 7919}", str(number))
        if index._graphs != seen[-1]:
            seen.append(index._graphs[:])
        moving |= len(index._graphs) == 2
        assert len(index) == len(cache)
    assert moving
    assert len(seen) > 3
    found = [
        cache._lookup._alive(cache._embedding([text])[0], 1)[0][1] is cache.cache[text]
        for text in cache.cache
    ]
    assert sum(found) >= 195


def test_an_entry_that_somebody_still_holds_is_not_answered() -> None:
    inner: Cache[str, Any] = Cache(100)
    cache = a_cache(inner)
    entries = []
    for number in range(40):  # more than are looked at first
        cache.set(f"{ORDER} {number}", "gone")
        entries.append(inner.pop(f"{ORDER} {number}"))
    assert cache.get(ORDER) is None
    cache.set(f"{ORDER_TOO} please", "here")
    found = cache.get(ORDER)
    assert found is not None
    assert found.value == "here"


def test_a_refused_entry_leaves_nothing() -> None:
    cache = a_cache(Cache(10, weigher=lambda key, entry: len(entry.value)))
    assert not cache.set(ORDER, "x" * 11)
    assert cache.get(ORDER_TOO) is None
    assert len(cache._lookup._index) == 0
    answer = cache.get_or_load(ORDER, lambda text: "y" * 11)
    assert answer.value == "y" * 11
    assert len(cache) == 0


def test_the_guard_vetoes() -> None:
    def same(question: str, matched: str) -> bool:
        return [word for word in question.split() if word.isdigit()] == [
            word for word in matched.split() if word.isdigit()
        ]

    cache = a_cache(same=same)
    cache.set("what does article 12 cost", "1 euro")
    assert cache.get("what does article 13 cost") is None
    assert cache.stats().vetoed == 1
    assert "vetoed" in cache.explain("what does article 13 cost").reason
    assert origin(cache.get("what does article 12 cost please")) is Origin.SIMILAR


def test_explanations_leave_no_trace() -> None:
    cache = a_cache(Cache(10, policy="lru"))
    assert "no text" in cache.explain(ORDER).reason
    cache.set_many({ORDER: "a", REFUND: "b"})
    before = cache.stats(), cache.cache.stats()
    similar = cache.explain(ORDER_TOO)
    assert similar.origin is Origin.SIMILAR
    assert [each.text for each in similar.neighbours] == [ORDER, REFUND]
    assert str(similar).splitlines()[0].startswith(f"{ORDER_TOO!r}: similarity 0.")
    assert cache.explain(ORDER).origin is Origin.EXACT
    assert "below the threshold" in cache.explain("can I pay by card").reason
    assert cache.explain(ORDER_TOO, neighbours=0).neighbours == ()
    assert (cache.stats(), cache.cache.stats()) == before


def test_one_load_for_all_threads() -> None:
    cache = a_cache()
    calls, answers = [], []
    gate = threading.Event()

    def loader(text: str) -> str:
        calls.append(text)
        gate.wait()
        return "loaded"

    def ask() -> None:
        answers.append(cache.get_or_load(ORDER, loader).value)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    while not calls:
        time.sleep(0.001)
    gate.set()
    for thread in threads:
        thread.join()
    assert calls == [ORDER]
    assert answers == ["loaded"] * 8


def test_a_write_during_a_load_wins() -> None:
    cache = a_cache()

    def loader(text: str) -> str:
        cache.set(text, "newer")
        return "older"

    assert cache.get_or_load(ORDER, loader).value == "older"
    for text in (ORDER, ORDER_TOO):
        found = cache.get(text)
        assert found is not None
        assert found.value == "newer"


def test_a_failed_load_stores_nothing() -> None:
    cache = a_cache()

    def loader(text: str) -> str:
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        cache.get_or_load(ORDER, loader)
    assert len(cache) == len(cache._lookup._index) == 0


def test_coroutines() -> None:
    cache = a_cache()
    calls = []

    async def loader(text: str) -> str:
        calls.append(text)
        await asyncio.sleep(0)
        return "loaded"

    async def main() -> None:
        answers = await asyncio.gather(*(cache.aget_or_load(ORDER, loader) for _ in range(5)))
        assert {answer.value for answer in answers} == {"loaded"}
        assert origin(await cache.aget(ORDER)) is Origin.EXACT
        assert origin(await cache.aget(ORDER_TOO)) is Origin.SIMILAR
        assert await cache.aget(REFUND) is None
        assert (await cache.aget_or_load(ORDER_TOO, loader)).origin is Origin.SIMILAR

    asyncio.run(main())
    assert calls == [ORDER]


def test_threads_never_see_what_is_not_there() -> None:
    cache = a_cache(Cache(30, policy="lru"))
    failures: list[object] = []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        try:
            for _ in range(400):
                topic = f"{ORDER} {random.integers(40)}"
                if random.random() < 0.1:
                    cache.delete(topic)
                    continue
                answer = cache.get_or_load(topic, lambda text: f"answer to {text}")
                if answer.value != f"answer to {answer.matched}":
                    failures.append(answer)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    gc.collect()
    assert len(cache._lookup._index) == len(cache) <= 30
    cache.cache.validate()


def test_many_texts_are_embedded_together() -> None:
    sizes = []

    def counting(texts: list[str]) -> Any:
        sizes.append(len(texts))
        return embed(texts)

    cache: SemanticCache[str] = SemanticCache(counting, 10, threshold=0.7)
    assert cache.set_many({ORDER: "a", REFUND: "b"}) == 2
    assert cache.set_many({}) == 0
    found = cache.get_many([ORDER, ORDER_TOO, "can I pay by card"])
    assert [origin(each) for each in found] == [Origin.EXACT, Origin.SIMILAR, None]
    assert sizes == [2, 2]
    assert cache.get_many([]) == []


def test_repeated_texts_are_embedded_once_by_a_cached_model() -> None:
    asked: list[str] = []

    def counting(texts: list[str]) -> Any:
        asked.extend(texts)
        return embed(texts)

    cache: SemanticCache[str] = SemanticCache(CachedModel(counting, Cache(100)), 10, threshold=0.7)
    for _ in range(3):
        cache.get(REFUND)
    assert asked == [REFUND]


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ([[float("nan"), 1.0]], "NaN"),
        ([[float("inf"), 1.0]], "NaN or infinity"),
        ([[0.0, 0.0]], "zero everywhere"),
        ([1.0, 2.0], "shape"),
        ([[1.0], [2.0]], "shape"),
        ([[]], "shape"),
        ([["a", "b"]], "no array of numbers"),
        (np.array([[1j, 1.0]]), "no array of numbers"),
        (np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]]), "masked"),
        ([[1.0], [1.0, 2.0]], "no array of numbers"),
    ],
)
def test_bad_embeddings_are_refused(returned: Any, says: str) -> None:
    cache: SemanticCache[str] = SemanticCache(lambda texts: returned, 10, threshold=0.5)
    with pytest.raises(OutputError, match=says):
        cache.get_or_load(ORDER, lambda text: pytest.fail("not asked"))
    with pytest.raises(OutputError, match=says):
        cache.set(ORDER, "a")
    assert len(cache) == 0


def test_another_dimension_is_refused() -> None:
    cache: SemanticCache[str] = SemanticCache(
        lambda texts: [[1.0] * len(texts[0])] * len(texts), 10, threshold=0.5
    )
    cache.set("abc", "3")
    with pytest.raises(OutputError, match="4 dimensions, not 3 as before"):
        cache.get("abcd")


def test_huge_and_tiny_vectors_are_as_good_as_others() -> None:
    scale = {"huge": 1e300, "tiny": 1e-300}
    cache: SemanticCache[str] = SemanticCache(
        lambda texts: [[3.0 * scale[text], 4.0 * scale[text]] for text in texts], 10, threshold=0.99
    )
    cache.set("huge", "found")
    found = cache.get("tiny")
    assert found is not None
    assert found.similarity == pytest.approx(1.0)
    assert found.similarity <= 1.0


@pytest.mark.parametrize("text", ["", "  \n", None, 5, b"bytes"])
def test_what_is_no_question_is_refused(text: Any) -> None:
    cache = a_cache()
    for method in (cache.get, cache.delete, cache.explain):
        with pytest.raises(InputError, match="question"):
            method(text)
    with pytest.raises(InputError, match="question"):
        cache.set(text, "a")
    with pytest.raises(InputError, match="question"):
        cache.get_or_load(text, lambda text: "a")
    with pytest.raises(InputError, match="question"):
        asyncio.run(cache.aget(text))
    assert text not in cache


@pytest.mark.parametrize(
    "options",
    [
        {"capacity": 0},
        {"capacity": "many"},
        {"threshold": 2.0},
        {"threshold": float("nan")},
        {"threshold": True},
        {"audit": -0.1},
        {"audit": 2},
        {"same": 5},
        {"equal": None},
    ],
)
def test_bad_parameters_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        a_cache(**options)
    with pytest.raises(ConfigurationError):
        SemanticCache(5, 10)  # type: ignore[arg-type]


def calibration(rate: float) -> Calibration:
    return Calibration(0.7, rate, 0.95, 100, 0, 0.03, 0.9, "made by hand")


def test_an_audit_corrects_and_counts() -> None:
    cache = a_cache(threshold=calibration(0.9), audit=1.0)
    cache.set(ORDER, "old")
    right = cache.get_or_load(ORDER_TOO, lambda text: "old")
    assert (right.origin, right.value) == (Origin.SIMILAR, "old")
    wrong = cache.get_or_load(ORDER_TOO, lambda text: "new")
    assert (wrong.origin, wrong.value) == (Origin.LOADED, "new")
    assert origin(cache.get(ORDER_TOO)) is Origin.EXACT
    stats = cache.stats()
    assert (stats.audited, stats.false_hits, stats.suspended) == (2, 1, False)
    low, high = stats.false_hit_bounds
    assert 0 < low < 0.5 < high < 1


def test_an_audit_that_cannot_load_answers_what_is_there() -> None:
    cache = a_cache(audit=1.0)
    cache.set(ORDER, "there")

    def down(text: str) -> str:
        raise OSError("down")

    async def adown(text: str) -> str:
        raise OSError("down")

    assert cache.get_or_load(ORDER_TOO, down).value == "there"
    assert asyncio.run(cache.aget_or_load(ORDER_TOO, adown)).value == "there"
    assert cache.stats().audited == 0


def test_too_many_false_hits_suspend_similarity_until_calibrated_anew() -> None:
    cache = a_cache(1_000, threshold=calibration(0.05), audit=1.0, equal=lambda a, b: False)
    cache.set(ORDER, "wrong")

    async def load(text: str) -> str:
        return "loaded"

    for number in range(50):
        if cache.stats().suspended:
            break
        asyncio.run(cache.aget_or_load(f"{ORDER} {'x' * (number + 1)}", load))
    stats = cache.stats()
    assert stats.suspended
    assert stats.false_hit_bounds[0] > 0.05
    assert cache.threshold is None
    assert cache.get(ORDER_TOO) is None
    assert "suspended" in cache.explain(ORDER_TOO).reason
    groups = [[word, f"the {word}"] for word in WORDS]
    found = cache.calibrate(groups, false_hit_rate=0.5)
    assert found.threshold is not None
    assert not cache.stats().suspended
    assert cache.threshold == found.threshold


def test_a_threshold_by_hand_is_never_suspended() -> None:
    cache = a_cache(audit=1.0, equal=lambda a, b: False)
    for number in range(20):
        cache.get_or_load(f"{ORDER} {'x' * number}", lambda text: "x")
    stats = cache.stats()
    assert stats.false_hits > 5
    assert not stats.suspended


WORDS = [f"{letter}{other}" * 6 for letter in "abcdefgh" for other in "pqrst"]
