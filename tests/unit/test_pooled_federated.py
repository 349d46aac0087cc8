"""Nodes that learn together, each from its shard's log, learn what one with all logs would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import msgspec
import numpy as np
import pytest

from augury.accesslog import Spool, requests_of
from augury.errors import ArtefactError, ConfigurationError, LearningError
from augury.features import Rows
from augury.learning import (
    Lesson,
    Pooled,
    average,
    federate,
    pack,
    prepare,
    refine,
    train,
    unpack,
)
from augury.learning.fits import mlp
from augury.models import Artefact
from augury.simulation import simulate_many
from tests.unit.learnable import asked_four_times, popular_and_scans
from tests.unit.test_artefact import ROWS, linear

pytest.importorskip("sklearn")
pytest.importorskip("lightgbm")

NODES = 3
POINT = 0.01
"""Of miss ratio."""
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")


@dataclass
class Shards:
    """A trace whose keys are shared out among nodes by a hash."""

    whole: Spool
    parts: list[Spool]
    lessons: list[Lesson]

    def miss_ratio(self, model: Artefact) -> float:
        """Of all nodes together, each with a cache of a tenth of its keys."""
        results = [
            simulate_many(part, ["learned"], ["10%"], warm=0.5, model=model)[0]
            for part in self.parts
        ]
        return sum(it.misses for it in results) / sum(it.requests for it in results)


@pytest.fixture(scope="module", params=[asked_four_times, popular_and_scans])
def shards(request: pytest.FixtureRequest) -> Iterator[Shards]:
    make: Callable[[int], Any] = request.param
    keys = make(24_000)
    node = (keys * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)) % np.uint64(NODES)
    with ExitStack() as stack:
        whole = stack.enter_context(Spool(requests_of(keys)))
        parts = [
            stack.enter_context(Spool(requests_of(keys[node == number]))) for number in range(NODES)
        ]
        yield Shards(whole, parts, [prepare(part, rows=8_000) for part in parts])


MODELS = [
    "logistic",
    "gbm",
    pytest.param("forest", marks=pytest.mark.slow),
    pytest.param("mlp", marks=[pytest.mark.slow, needs_torch]),
]


@pytest.mark.parametrize("model", MODELS)
def test_learning_together_is_as_good_as_in_one_place(shards: Shards, model: str) -> None:
    central = shards.miss_ratio(train(prepare(shards.whole, rows=24_000), model)[0])
    sent = [unpack(pack(lesson)) for lesson in shards.lessons]
    pooled, test = train(Pooled(tuple(sent)), model)
    assert test is not None
    assert test.roc_auc is not None
    assert test.roc_auc > 0.6
    assert shards.miss_ratio(pooled) <= central + POINT
    assert shards.miss_ratio(federate(shards.lessons, model)) <= central + POINT


# Samples


def test_a_sample_is_read_as_it_was_packed(shards: Shards) -> None:
    lesson = shards.lessons[0]
    content = pack(lesson)
    read = unpack(content)
    assert (read.name, read.requests, read.stop, read.seed) == (
        lesson.name, lesson.requests, lesson.stop, lesson.seed
    )  # fmt: skip
    for mine, theirs in ((lesson.past, read.past), (lesson.future, read.future)):
        for part in ("X", "label", "censored", "index"):
            assert np.array_equal(getattr(mine, part), getattr(theirs, part))
    assert len(content) < 130 * (len(lesson.past.index) + len(lesson.future.index))


def test_a_sample_that_is_damaged_or_none_is_refused(shards: Shards) -> None:
    content = pack(shards.lessons[0])
    for wrong in (b"", b"what?", content[:-1], content[:100] + b"!" + content[101:]):
        with pytest.raises(ArtefactError, match="node 7"):
            unpack(wrong, "node 7")
    rows = shards.lessons[0].past
    bad = [
        replace(rows, X=rows.X[:, 1:]),
        replace(rows, X=np.full_like(rows.X, np.nan)),
        replace(rows, label=rows.label[1:]),
        replace(rows, index=rows.index + np.uint64(10**9)),
        replace(rows, X=np.full_like(rows.X, 3e38)),
        replace(rows, label=np.full_like(rows.label, 3e38)),
        replace(rows, label=np.full_like(rows.label, -1)),
    ]
    for each in bad:
        with pytest.raises(ArtefactError, match="cannot be learned from"):
            unpack(pack(replace(shards.lessons[0], past=each)))
    lesson = shards.lessons[0]
    for wrong_lesson in (replace(lesson, stop=0), replace(lesson, seed=-1)):
        with pytest.raises(ArtefactError, match="cannot be learned from"):
            unpack(pack(wrong_lesson))


def test_pooling_one_log_changes_nothing(shards: Shards) -> None:
    lesson = shards.lessons[0]
    alone, pooled = lesson.training(), Pooled((lesson,)).training()
    for part in ("rows", "time", "again"):
        assert np.array_equal(getattr(alone, part), getattr(pooled, part))
    # All weights times one number: how many requests a row stands for.
    assert np.allclose(pooled.weight, alone.weight)
    one, other = train(lesson, "logistic")[0], train(Pooled((lesson,)), "logistic")[0]
    assert np.allclose(one.score(ROWS), other.score(ROWS), atol=1e-3)


def test_rows_of_a_node_that_sampled_less_count_for_more(shards: Shards) -> None:
    lesson = shards.lessons[0]
    fewer = Rows(*(getattr(lesson.past, part)[::4] for part in ("X", "label", "censored", "index")))
    pooled = Pooled((lesson, replace(lesson, past=fewer))).training()
    count = len(lesson.training().rows)
    mine, theirs = pooled.weight[:count].sum(), pooled.weight[count:].sum()
    assert 0.8 < mine / theirs < 1.25


def test_a_node_with_too_little_is_left_out(shards: Shards) -> None:
    lesson = shards.lessons[0]
    few = Rows(*(getattr(lesson.past, part)[:5] for part in ("X", "label", "censored", "index")))
    nothing = replace(lesson, past=few)
    both = Pooled((lesson, nothing))
    assert len(both.training().rows) == len(lesson.training().rows)
    with pytest.raises(LearningError, match="rows to learn from"):
        Pooled((nothing,)).training()
    with pytest.raises(LearningError, match="no node"):
        Pooled(())


# Averages


def learned(artefact: Artefact, requests: int) -> Artefact:
    card = msgspec.structs.replace(artefact.card, period=(0, requests))
    return replace(artefact, card=card)


@pytest.mark.parametrize("model", ["logistic", "tree", "gbm"])
def test_the_average_scores_the_average(shards: Shards, model: str) -> None:
    parts = [train(lesson, model)[0] for lesson in shards.lessons]
    parts = [learned(part, requests) for part, requests in zip(parts, (1, 2, 5), strict=True)]
    together = average(parts)
    rows = shards.lessons[0].past.X[:500]
    expected = sum(
        share * part.score(rows) for share, part in zip((1 / 8, 2 / 8, 5 / 8), parts, strict=True)
    )
    assert np.allclose(together.score(rows), expected, atol=1e-3)
    assert together.card.period == (0, 8)
    if together.kind == "forest":
        assert together.explanation["cover"].shape == together.arrays["feature"].shape
    together.to_bytes()


def test_a_random_forest_grows_no_larger(shards: Shards) -> None:
    one = train(shards.lessons[0], "forest")[0]
    together = average([learned(one, 1), learned(one, 1)])
    assert len(together.arrays["roots"]) == len(one.arrays["roots"])
    rows = shards.lessons[0].past.X[:500]
    # Twice its first half: about the same as a whole one.
    assert np.corrcoef(together.score(rows), one.score(rows))[0, 1] > 0.97
    assert together.explanation["cover"].shape == together.arrays["feature"].shape


@needs_torch
@pytest.mark.slow
def test_networks_that_went_on_from_one_are_averaged(shards: Shards) -> None:
    first = train(shards.lessons[0], "mlp")[0]
    parts = [refine(lesson, first, seed=2) for lesson in shards.lessons]
    together = average(parts)
    assert np.array_equal(together.arrays["mean"], first.arrays["mean"])
    shares = np.array([lesson.stop for lesson in shards.lessons], float)
    expected = np.tensordot(
        shares / shares.sum(), np.array([part.arrays["weights1"] for part in parts]), 1
    )
    assert np.allclose(together.arrays["weights1"], expected, atol=1e-5)
    stranger = train(shards.lessons[1], "mlp")[0]
    with pytest.raises(ConfigurationError, match="went on from the same"):
        average([first, stranger])


def test_what_cannot_be_averaged_is_refused(shards: Shards) -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        average([])
    other = replace(linear(), card=msgspec.structs.replace(linear().card, model="svm"))
    with pytest.raises(ConfigurationError, match=r"of one kind .* not logistic, svm"):
        average([linear(), other])
    with pytest.raises(ConfigurationError, match="cannot be trained further"):
        refine(shards.lessons[0], linear())
    with pytest.raises(ConfigurationError, match="at least one node"):
        federate([], "logistic")
    for period in ((5, 5), (10**6, 0)):
        empty = replace(linear(), card=msgspec.structs.replace(linear().card, period=period))
        with pytest.raises(ConfigurationError, match="learned from requests"):
            average([linear(), empty])


def test_networks_of_another_form_are_refused(shards: Shards) -> None:
    rows = shards.lessons[0].past.X.shape[1]
    arrays = {
        "weights0": np.zeros((24, rows), np.float32), "bias0": np.zeros(24, np.float32),
        "weights1": np.zeros((1, 24), np.float32), "bias1": np.zeros(1, np.float32),
        "mean": np.zeros(rows, np.float32), "scale": np.ones(rows, np.float32),
    }  # fmt: skip
    card = msgspec.structs.replace(linear().card, model="mlp")
    rectified = Artefact("mlp", arrays, card)
    logistic = Artefact("mlp", arrays | {"logistic": np.ones(1, np.float32)}, card)
    for networks in ((rectified, logistic), (logistic, rectified)):
        with pytest.raises(ConfigurationError, match="went on from the same"):
            average(networks)
    with pytest.raises(ConfigurationError, match=r"augury\.learn has made"):
        mlp.refine(shards.lessons[0].training(), logistic.arrays, 1)


def test_models_without_rows_to_explain_them_by_are_averaged() -> None:
    bare = replace(linear(), explanation={})
    assert "background" not in average([bare, bare]).explanation


@pytest.mark.parametrize("model", ["tree", "gbm", "svm"])
def test_any_seed_is_taken(shards: Shards, model: str) -> None:
    assert train(replace(shards.lessons[0], seed=2**64 - 1), model)[0].card.seed == 2**64 - 1
