"""Recommendations by a random forest: visitors who are alike share scores, until it is retrained.

python examples/recommendation.py

Likes, visitors and films are made up, always the same. A page ranks all films for a visitor, of
whom the model sees age group, favourite genre and device only; so most pages need no forest.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from augury import Cache
from augury.inference import CachedModel

Rows = NDArray[np.float32]
GENRES, FILMS = 8, 40
random = np.random.default_rng(0)

films = np.column_stack(
    [random.integers(GENRES, size=FILMS), random.integers(70, 200, FILMS), random.random(FILMS)]
).astype(np.float32)  # genre, minutes, how well known


def visitors(count: int) -> Rows:
    """Return age group, favourite genre, and whether on a phone; some are far more common."""
    ages = random.zipf(1.5, count) % 6
    return np.column_stack([ages, random.zipf(1.5, count) % GENRES, random.integers(2, size=count)])


def pairs(who: Rows, what: Rows) -> Rows:
    return np.hstack([who, what]).astype(np.float32)


def liked(rows: Rows, trend: float) -> NDArray[np.bool_]:
    """Return who liked what: the favourite genre, short films on phones, and what is in vogue."""
    _, favourite, phone, genre, minutes, known = rows.T
    taste = 2.0 * (favourite == genre) - phone * (minutes > 110) + trend * known
    return taste + random.normal(0, 0.5, len(rows)) > 1.0


def page(model: RandomForestClassifier | CachedModel, visitor: Rows) -> tuple[Rows, list[int]]:
    """Return the score of each film for a visitor, and the five best films."""
    scores = model.predict_proba(pairs(np.tile(visitor, (FILMS, 1)), films))[:, 1]
    return scores, np.argsort(-scores, kind="stable")[:5].tolist()


def main() -> None:
    forest = RandomForestClassifier(n_estimators=100, min_samples_leaf=5, random_state=0)
    cached = CachedModel(forest, Cache(10_000), method="predict_proba", bypass=False)
    for night, trend in enumerate([0.5, 2.0], start=1):
        rows = pairs(visitors(4_000), films[random.integers(FILMS, size=4_000)])
        train, test, likes, unseen = train_test_split(rows, liked(rows, trend), random_state=0)
        forest.fit(train, likes)  # outputs of the forest as it was are out of reach from here on
        print(f"night {night}: accuracy {forest.score(test, unseen):.2f}")

        asked, computed, equal = cached.stats.rows, cached.stats.computed, True
        for visitor in visitors(200):
            (scores, best), bare = page(cached, visitor), page(forest, visitor)
            equal &= np.array_equal(scores, bare[0]) and best == bare[1]
        asked, computed = cached.stats.rows - asked, cached.stats.computed - computed
        print(f"  {asked:,} scores asked for, {computed:,} computed,", end=" ")
        print(f"hit ratio {1 - computed / asked:.3f}, as without a cache: {equal}")
        print(f"  for the young who love genre 1, on a phone: films {page(cached, [1, 1, 1])[1]}")


if __name__ == "__main__":
    main()
