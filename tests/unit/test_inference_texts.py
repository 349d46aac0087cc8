"""Texts are rows: a function of a list of texts is cached text by text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from augury import Cache
from augury.errors import InputError
from augury.inference import CachedModel
from tests.unit.toy_embedding import embed

TEXTS = ["one", "another", "one", "größer", "\ud800", ""]


class Recorded:
    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __call__(self, texts: Any) -> NDArray[np.float32]:
        self.asked.append(texts)
        return embed([text.encode("utf-8", "replace").decode() for text in texts])


def a_model(**options: Any) -> tuple[Recorded, CachedModel]:
    recorded = Recorded()
    return recorded, CachedModel(recorded, Cache(1_000), bypass=False, **options)


@pytest.mark.parametrize("verify", ["digest", "row"])
def test_texts_are_computed_once(verify: str) -> None:
    recorded, model = a_model(verify=verify)
    first = model(TEXTS)
    assert np.array_equal(first, Recorded()(TEXTS))
    longer = [*TEXTS, "a far longer text than any before it"]
    again = model(longer)
    assert np.array_equal(again, Recorded()(longer))
    assert recorded.asked == [["one", "another", "größer", "\ud800", ""], [longer[-1]]]


@pytest.mark.parametrize("kind", [list, tuple, lambda texts: np.array(texts, object)])
def test_whatever_holds_the_texts(kind: Any) -> None:
    recorded, model = a_model()
    texts = ["one", "two", "three"]
    assert np.array_equal(model(kind(texts)), embed(texts))
    assert np.array_equal(model(["two", "a longer one"]), embed(["two", "a longer one"]))
    assert [list(asked) for asked in recorded.asked] == [texts, ["a longer one"]]


def test_arrays_of_other_widths_are_of_other_dtypes() -> None:
    model = CachedModel(lambda texts: texts, Cache(100), bypass=False)
    for given in (np.array(["a", "b"]), np.array(["a", "long"]), np.array(["a"], "U9")):
        assert model(given).dtype == model(given).dtype == given.dtype
    assert (model.stats.computed, model.stats.hits) == (5, 5)


def test_texts_are_never_taken_for_numbers_or_bytes() -> None:
    model = CachedModel(lambda rows: np.array([len(rows)] * len(rows)), Cache(100))
    assert model(["1"]).tolist() == [1]
    assert model(np.array([1, 1, 1])).tolist() == [1, 1, 1]


@pytest.mark.parametrize("mixed", [["a", 5], ["a", None], [b"a", "a"], np.array(["a", 5], object)])
def test_texts_among_other_things_are_refused(mixed: Any) -> None:
    _, model = a_model()
    with pytest.raises(InputError, match="texts"):
        model(mixed)
