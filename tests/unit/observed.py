"""An observer of one thing of each kind, whose figures are not all zero."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

import augury
from augury.advice import Access, Advisor
from augury.observe import Observer
from augury.tiers import Memory


@contextmanager
def one_of_each() -> Iterator[Observer]:
    cache: augury.Cache[int, int] = augury.Cache(10)
    prefetcher = augury.Prefetcher(cache, lambda keys: {key: key for key in keys}, background=False)
    tiers: augury.Tiers[int, int] = augury.Tiers([Memory(10)], source=lambda key: key)
    answers = augury.Answers()
    answers.register("double", lambda x: 2 * x, {"x": int})
    model = augury.CachedModel(lambda rows: rows.sum(axis=1), augury.Cache(100))
    advisor = Advisor(10, policy="lru")
    with Observer(interval=3600) as observer:
        for name, each in {
            'users "of" \\ Köln\n': cache,
            "prefetcher": prefetcher,
            "tiers": tiers,
            "answers": answers,
            "model": model,
            "advisor": advisor,
        }.items():
            observer.add(name, each)
        for key in range(20):
            cache.get_or_load(key % 15, lambda key: key)
            tiers.get(key)
        answers.ask("double", x=3)
        model(np.ones((4, 2)))
        advisor.record([Access("a", hit=False), Access("a", hit=True)])
        observer.sample()
        yield observer
    prefetcher.close()
    answers.close()
