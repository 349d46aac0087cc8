"""Gradient-boosted trees, by LightGBM (Ke et al., NeurIPS 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from augury.features import FEATURES
from augury.learning.fitting import Fitted, Nodes, Tree, forest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.learning.labels import Training

TITLE = "gradient boosting"
PACKAGE = "lightgbm"
EXTRA = "learn"

_STAY = [feature.name for feature in FEATURES].index("stay")

# Few and small trees, as the published policies that are fast enough have them.
_TREES = 60
_PARAMETERS: dict[str, float | int | str] = {
    "objective": "regression",
    "num_leaves": 15,
    "learning_rate": 0.12,
    "min_data_in_leaf": 100,
    "lambda_l2": 1.0,
    # What a trace has of its own would be learned by heart; docs/learning.md has figures.
    "feature_fraction": 0.6,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
}


def fit(training: Training, seed: int) -> Fitted:
    """Fit the trees to the time to the next access, by squared error."""
    import lightgbm

    # A model of `stay` itself would know the sizes it was trained for, and no others.
    rows = training.rows.copy()
    rows[:, _STAY] = 0
    data = lightgbm.Dataset(rows, training.time, weight=training.weight, free_raw_data=True)
    # One thread: on a machine that also serves, several wait for one another.
    quiet = {
        "verbosity": -1,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
    }
    booster = lightgbm.train({**_PARAMETERS, **quiet}, data, num_boost_round=_TREES)
    arrays, cover = forest_of(booster, *training.rows.shape[::-1])

    def predict(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(booster.predict(rows, num_threads=1))

    return Fitted("forest", arrays, predict, {**_PARAMETERS, "trees": _TREES}, cover)


def forest_of(
    booster: Any, features: int, rows: int
) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
    """Return the arrays of LightGBM's trees, and the cover of their nodes."""
    trees = booster.dump_model()["tree_info"]
    return forest((_tree(each["tree_structure"], rows) for each in trees), features)


def _tree(structure: dict[str, Any], rows: int) -> Tree:
    nodes = Nodes()
    _add(nodes, structure, rows)
    return nodes.tree()


def _add(nodes: Nodes, structure: dict[str, Any], rows: int) -> int:
    """Add a node and all below it; return its number. A tree of one leaf does not say its rows."""
    if "leaf_value" in structure:
        value, cover = structure["leaf_value"], structure.get("leaf_count", rows)
        return nodes.add(feature=-1, threshold=0.0, value=value, cover=cover)
    at = nodes.add(
        feature=structure["split_feature"],
        threshold=structure["threshold"],
        value=0.0,
        cover=structure["internal_count"],
    )
    nodes.left[at] = _add(nodes, structure["left_child"], rows)
    nodes.right[at] = _add(nodes, structure["right_child"], rows)
    return at
