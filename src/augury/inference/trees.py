"""Trees and forests of scikit-learn, run natively."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury import _native

_TREES = frozenset({
    ("sklearn.tree._classes", "DecisionTreeClassifier"),
    ("sklearn.tree._classes", "DecisionTreeRegressor"),
    ("sklearn.tree._classes", "ExtraTreeClassifier"),
    ("sklearn.tree._classes", "ExtraTreeRegressor"),
})  # fmt: skip
_FORESTS = frozenset({
    ("sklearn.ensemble._forest", "RandomForestClassifier"),
    ("sklearn.ensemble._forest", "RandomForestRegressor"),
    ("sklearn.ensemble._forest", "ExtraTreesClassifier"),
    ("sklearn.ensemble._forest", "ExtraTreesRegressor"),
})  # fmt: skip
_METHODS = ("predict", "predict_proba", "predict_log_proba")


class Trees:
    """A method of a fitted tree or forest of one output, as native arrays.

    It returns what the estimator does, bit for bit: features as float32, leaves added in the order
    of the trees in double precision. A forest with ``n_jobs`` adds them in the order in which its
    threads finish; here it is always the first to the last. Whatever is out of the ordinary, such
    as rows with infinite numbers or of another length, goes to the estimator, and so does the first
    batch: only if that came to the same are others computed here.
    """

    def __init__(self, model: Any, method: str) -> None:
        self._own = getattr(model, method)
        self._method = method
        self._classes: NDArray[Any] | None = getattr(model, "classes_", None)
        self._features = int(model.n_features_in_)
        names = getattr(model, "feature_names_in_", None)
        self._names = None if names is None else names.tolist()
        self._forest = _kind(model) in _FORESTS
        self._alike: set[bool] = set()  # whether rows had NaN that have come to the same
        self._differs = False
        fitted = model.estimators_ if self._forest else [model]
        trees = [each.tree_.__getstate__() for each in fitted]
        nodes = np.concatenate([tree["nodes"] for tree in trees])
        values = np.concatenate([tree["values"][:, 0, :] for tree in trees])
        sizes = [len(tree["nodes"]) for tree in trees]
        self._count = len(trees)
        self._outputs = values.shape[1]
        self._native = _native.TreeEnsemble(
            self._features,
            left=np.ascontiguousarray(nodes["left_child"], np.int64),
            right=np.ascontiguousarray(nodes["right_child"], np.int64),
            feature=np.ascontiguousarray(nodes["feature"], np.int64),
            threshold=np.ascontiguousarray(nodes["threshold"], np.float64),
            nan_to_left=np.ascontiguousarray(nodes["missing_go_to_left"], np.uint8),
            values=np.ascontiguousarray(values, np.float64),
            roots=np.cumsum([0, *sizes[:-1]], dtype=np.int64),
        )

    @classmethod
    def of(cls, model: Any, method: str) -> Trees | None:
        """Return the trees of a model; None if it has none that can be run here."""
        if method not in _METHODS or _kind(model) not in _TREES | _FORESTS:
            return None
        trees = getattr(model, "estimators_", None) if _kind(model) in _FORESTS else [model]
        if not trees or not all(_kind(tree) in _TREES and hasattr(tree, "tree_") for tree in trees):
            return None
        if any(tree.tree_.n_outputs != 1 for tree in trees):
            return None
        return cls(model, method)

    def __call__(self, rows: Any) -> Any:
        """Return what the model returns for these rows."""
        numbers = None if self._differs else self._numbers(rows)
        if numbers is None:
            return self._own(rows)
        missing = False
        if not np.isfinite(numbers).all():
            if np.isinf(numbers).any():
                return self._own(rows)
            missing = True
        if missing in self._alike:
            return self._computed(numbers)
        returned = self._own(rows)
        if _alike(returned, self._computed(numbers)):
            self._alike.add(missing)
        else:
            self._differs = True
        return returned

    def _numbers(self, rows: Any) -> NDArray[np.float32] | None:
        """Return rows as the trees compare them; None if it is not plain what these are."""
        if self._names is not None:  # the model warns of rows without names
            if not hasattr(rows, "iloc") or list(rows.columns) != self._names:
                return None
            if len(set(rows.dtypes)) != 1:
                return None
            rows = rows.to_numpy()
        if type(rows) is not np.ndarray or rows.dtype.kind not in "fiub":
            return None
        if rows.ndim != 2 or rows.shape[1] != self._features or not len(rows):
            return None
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(rows, np.float32)

    def _computed(self, numbers: NDArray[np.float32]) -> NDArray[Any]:
        # Of a single tree nothing is added, not even to zero, which would make 0.0 of -0.0.
        start = 0.0 if self._forest else -0.0
        sums = np.full((len(numbers), self._outputs), start)
        self._native.add(numbers, sums)
        if self._forest:
            sums /= self._count
        if self._classes is None:
            return sums[:, 0]
        if self._method == "predict":
            chosen: NDArray[Any] = self._classes.take(np.argmax(sums, axis=1), axis=0)
            return chosen
        return sums if self._method == "predict_proba" else np.log(sums)


def _kind(model: Any) -> tuple[str, str]:
    return type(model).__module__, type(model).__qualname__


def _alike(one: Any, other: NDArray[Any]) -> bool:
    if type(one) is not np.ndarray or one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool((one == other).all())
    # Threads may have added in another order.
    return bool(np.allclose(one, other, rtol=1e-12, atol=1e-300, equal_nan=True))
