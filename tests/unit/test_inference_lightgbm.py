"""Boosters of LightGBM, and its estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from augury import Cache
from augury.errors import ConfigurationError, InputError
from augury.inference import CachedModel

lgb = pytest.importorskip("lightgbm")

PARAMETERS = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    X = random.random((200, 4))
    return X, (X[:, 0] + X[:, 1] > 1).astype(int)


def table() -> tuple[Any, Any]:
    X, y = data()
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["shop"] = pd.Categorical(np.where(X[:, 2] > 0.5, "north", "south"))
    return frame, (y ^ (frame.shop == "north")).astype(int)


def booster(rounds: int = 10, **options: Any) -> Any:
    return lgb.train(PARAMETERS | options, lgb.Dataset(*data()), rounds, keep_training_booster=True)


@pytest.mark.parametrize("method", ["predict", "raw_score", "pred_leaf", "pred_contrib"])
def test_outputs_are_those_of_the_booster(method: str) -> None:
    bare = booster()
    cached = CachedModel(bare, Cache(1_000), method=method, bypass=False)
    X, _ = data()
    expected = bare.predict(X, **({} if method == "predict" else {method: True}))
    for _ in range(2):
        returned = cached(X)
        assert returned.dtype == expected.dtype
        assert np.array_equal(returned, expected)
    assert cached.stats.computed == len(X)


def test_other_methods_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="predict, raw_score, pred_leaf, pred_contrib"):
        CachedModel(booster(1), Cache(10), method="transform")


def test_whatever_changes_the_trees_is_noticed() -> None:
    bare = booster()
    cached = CachedModel(bare, Cache(10_000), bypass=False)
    X, _ = data()

    def check() -> None:
        assert np.array_equal(cached(X), bare.predict(X))

    check()
    bare.update()
    check()
    bare.rollback_one_iter()
    check()
    bare.update(fobj=lambda scores, _: (np.ones_like(scores), np.ones_like(scores)))
    bare.best_iteration = 3
    check()
    bare.model_from_string(booster(4, learning_rate=0.5).model_to_string())
    check()


def test_equal_boosters_share_and_others_do_not() -> None:
    cache: Cache[Any, Any] = Cache(10_000)
    X, _ = data()
    CachedModel(booster(), cache, bypass=False)(X)
    text = booster().model_to_string()
    same = CachedModel(lgb.Booster(model_str=text), cache, bypass=False)
    assert np.array_equal(same(X), booster().predict(X))
    other = CachedModel(booster(11), cache, bypass=False)
    assert np.array_equal(other(X), booster(11).predict(X))
    assert other.stats.hits == 0


def test_categories_are_told_apart_by_value_and_place() -> None:
    frame, y = table()
    bare = lgb.train(PARAMETERS, lgb.Dataset(frame, y), 10)
    estimator = lgb.LGBMClassifier(verbose=-1, n_jobs=1, min_child_samples=5).fit(frame, y)
    cache: Cache[Any, Any] = Cache(10_000)
    cached = CachedModel(bare, cache, bypass=False)
    classifier = CachedModel(estimator, cache, bypass=False)
    swapped = frame.assign(shop=frame.shop.cat.set_categories(["south", "north"]))
    renamed = frame.assign(shop=frame.shop.cat.rename_categories(["south", "north"]))
    one = frame.iloc[:1].assign(shop=pd.Categorical(["south"]))
    for _ in range(2):
        for rows in (frame, swapped, renamed, one):
            assert np.array_equal(cached(rows), bare.predict(rows))
            assert np.array_equal(classifier(rows), estimator.predict(rows))
            probable = estimator.predict_proba(rows)
            assert np.array_equal(classifier.predict_proba(rows), probable)
    assert not np.array_equal(cached(frame), cached(renamed))


def test_fitting_an_estimator_again_is_noticed() -> None:
    X, y = data()
    estimator = lgb.LGBMRegressor(verbose=-1, n_jobs=1, n_estimators=5).fit(X, y)
    cached = CachedModel(estimator, Cache(10_000), bypass=False)
    cached(X)
    estimator.fit(X, 1 - y)
    assert np.array_equal(cached(X), estimator.predict(X))


def test_bad_input_is_refused_or_the_boosters_own_error() -> None:
    bare = booster()
    cached = CachedModel(bare, Cache(1_000), bypass=False)
    with pytest.raises(InputError, match="single value"):
        cached("model.txt")
    with pytest.raises(InputError, match="ragged"):
        cached([[1.0], [1.0, 2.0]])
    with pytest.raises(lgb.basic.LightGBMError, match="number of features"):
        cached(np.ones((3, 5)))
    rows = np.full((3, 4), np.nan)
    assert np.array_equal(cached(rows), bare.predict(rows))
