"""scikit-learn estimators, and whatever has their `get_params` and `predict`."""

from __future__ import annotations

import pickle
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError, OutputError
from augury.inference.adapters.contract import Adapter, Batch, Outputs
from augury.inference.arrays import batch_of, rows_of

RANK = 20
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")
_DEEPEST = 3  # estimators within estimators whose attributes are compared


def adapt(model: Any, method: str | None) -> Adapter | None:
    """Return the adapter of an estimator; None if it is none."""
    if not (hasattr(model, "get_params") and hasattr(model, "fit")):
        return None
    if method is None:
        method = "predict" if hasattr(model, "predict") else "transform"
    if method not in METHODS:
        raise ConfigurationError(
            f"method {method!r} of an estimator cannot be cached; of {', '.join(METHODS)} those"
            " that it has can"
        )
    if not hasattr(model, method):
        raise ConfigurationError(f"{type(model).__name__} has no method {method!r}")
    return Estimator(model, method)


class Estimator(Adapter):
    """An estimator. Fitting it again, also in part, is noticed; writing into its arrays is not."""

    def __init__(self, model: Any, method: str) -> None:
        self.model = model
        self.method = method

    def read(self, given: Any) -> Batch:
        """Return the rows of what the user passed."""
        return batch_of(rows_of(given), given)

    def run(self, given: Any, chosen: NDArray[np.int64] | None) -> Outputs:
        """Run the model on these rows of what was passed."""
        if chosen is not None:
            given = given.iloc[chosen] if hasattr(given, "iloc") else np.asarray(given)[chosen]
        returned = getattr(self.model, self.method)(given)
        if isinstance(returned, list):  # predict_proba of several outputs
            return Outputs(tuple(np.asarray(each) for each in returned), "list")
        array = np.asarray(returned)
        if array.dtype.hasobject:
            return Outputs((self._labels(array),), "labels")
        return Outputs((array,))

    def assemble(self, outputs: Outputs) -> Any:
        """Return outputs as the model itself would."""
        if outputs.form == "list":
            return list(outputs.leaves)
        if outputs.form == "labels":
            return self.model.classes_[outputs.leaves[0]]
        return outputs.leaves[0]

    def _labels(self, array: NDArray[Any]) -> NDArray[np.int64]:
        """Return classes that are Python objects by their place among all classes."""
        classes = getattr(self.model, "classes_", None)
        if classes is None or array.ndim != 1:
            raise OutputError("the model returns Python objects, which cannot be cached as rows")
        place = {label: at for at, label in enumerate(classes.tolist())}
        return np.array([place[label] for label in array.tolist()], np.int64)

    def state(self) -> Any:
        """Return what is compared to tell whether the model may have changed."""
        return _Attributes(self.model, _DEEPEST)

    def fingerprint(self) -> bytes:
        """Return what stands for all that the output depends on but the row."""
        import sklearn

        digest = blake2b(f"{sklearn.__version__} {np.__version__}".encode(), digest_size=16)
        # Only written, to be digested: nothing is ever unpickled.
        pickle.Pickler(_Sink(digest), protocol=5).dump(self.model)
        return digest.digest()


class _Sink:
    """A file whose bytes go into a digest."""

    def __init__(self, digest: Any) -> None:
        self._digest = digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return len(data)


class _Attributes:
    """The attributes of an estimator and of those in it, compared by identity.

    Fitting replaces attributes, or elements of lists; it keeps those alive that it compares, so
    that none can come back at the address of another.
    """

    __slots__ = ("_seen",)

    def __init__(self, model: Any, deep: int) -> None:
        self._seen: list[Any] = []
        self._walk(model, deep)

    def _walk(self, value: Any, deep: int) -> None:
        seen = self._seen
        for each in vars(value).values():
            seen.append(each)
            if isinstance(each, list | tuple):
                for element in each:
                    seen.append(element)
                    if isinstance(element, tuple):  # a named step
                        seen.extend(element)
                        if deep and hasattr(element[-1], "get_params"):
                            self._walk(element[-1], deep - 1)
            elif isinstance(each, dict):
                seen.extend(each.values())
            elif deep and hasattr(each, "get_params"):
                self._walk(each, deep - 1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Attributes) or len(self._seen) != len(other._seen):
            return False
        return all(mine is its for mine, its in zip(self._seen, other._seen, strict=True))

    __hash__ = None  # type: ignore[assignment]
