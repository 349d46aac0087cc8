"""Who will buy? A decision tree over sessions in a shop: near-equal sessions share an answer.

python examples/purchase_intent.py

Sessions are made up, always the same. Seconds on the page are never quite equal twice, so hardly a
row comes again; rounded for the key (`decimals`), most do. What that costs is measured: an answer
may be that of a session one unit of the last decimal away, and differs if the tree splits between
the two.
A tree is so cheap that it is not worth a cache by itself: here it stands for a model that is.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from augury import Cache
from augury.inference import CachedModel

random = np.random.default_rng(0)


def sessions(count: int) -> NDArray[np.float64]:
    """Return pages seen, minutes on the last page, items in the basket, visits before."""
    return np.column_stack(
        [
            random.geometric(0.3, count),
            random.exponential(1.0, count),
            random.poisson(0.5, count),
            random.geometric(0.6, count) - 1,
        ]
    )


def bought(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    pages, minutes, basket, before = rows.T
    interest = 0.2 * pages + 0.5 * np.minimum(minutes, 3) + 1.5 * basket + 0.5 * before
    return interest + random.normal(0, 0.3, len(rows)) > 2.5


def main() -> None:
    rows = sessions(10_000)
    train, test, labels, unseen = train_test_split(rows, bought(rows), random_state=0)
    tree = DecisionTreeClassifier(max_depth=8, random_state=0).fit(train, labels)
    print(f"accuracy {tree.score(test, unseen):.3f}")

    live = sessions(50_000)
    exact = tree.predict_proba(live)[:, 1]
    for decimals in (None, 2, 1, 0):
        cached = CachedModel(
            tree, Cache(50_000), method="predict_proba", decimals=decimals, bypass=False
        )
        given = np.vstack([cached(batch) for batch in np.split(live, 500)])[:, 1]
        changed = (given > 0.5) != (exact > 0.5)
        print(
            f"decimals {decimals!s:4}: hit ratio {cached.stats.hit_ratio:.3f}, "
            f"{cached.stats.computed:6,} rows computed, "
            f"mean error {np.abs(given - exact).mean():.4f}, other decision {changed.mean():.2%}"
        )


if __name__ == "__main__":
    main()
