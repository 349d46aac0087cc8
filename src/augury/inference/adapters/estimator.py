"""scikit-learn estimators, and whatever has their `get_params` and `predict`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError, OutputError
from augury.inference.adapters.contract import Adapter, Batch, Outputs
from augury.inference.arrays import batch_of, returned_array, rows_of
from augury.inference.frames import batch_of_frame, join, select
from augury.inference.objects import UNWRITABLE, Attributes, digest_of
from augury.inference.texts import batch_of_texts
from augury.inference.trees import Trees

RANK = 20
_LABELS = (str, bytes, int, float, bool)  # that MessagePack returns as they were
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


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
        self._seen: Attributes | None = None
        self._trees: tuple[Attributes | None, Trees | None] = None, None

    def read(self, given: Any) -> Batch:
        """Return the rows of what the user passed."""
        batch = batch_of_frame(given) or batch_of_texts(given)
        return batch or batch_of(rows_of(given), given)

    def join(self, parts: Sequence[Any]) -> Any:
        """Return as one what several calls had passed."""
        return join(parts)

    def run(self, given: Any, chosen: NDArray[np.int64] | None) -> Outputs:
        """Run the model on these rows of what was passed."""
        return self.outputs(self.returned(given if chosen is None else select(given, chosen)))

    def returned(self, rows: Any) -> Any:
        """Return what the model returns for these rows."""
        state = self.state()
        of, trees = self._trees
        if of != state:
            trees = Trees.of(self.model, self.method)
            self._trees = state, trees
        return getattr(self.model, self.method)(rows) if trees is None else trees(rows)

    def outputs(self, returned: Any) -> Outputs:
        """Return what the model returned as arrays."""
        if isinstance(returned, list) and isinstance((returned or [0])[0], np.ndarray):
            # predict_proba of several outputs
            return Outputs(tuple(map(returned_array, returned)), "list")
        if hasattr(returned, "columns"):
            raise OutputError(
                "the model returns a frame, which cannot be cached; have it return an array, as by "
                "set_output(transform='default')"
            )
        array = returned_array(returned)
        if array.dtype.hasobject:
            return self._labels(array)
        return Outputs((array,))

    def assemble(self, outputs: Outputs) -> Any:
        """Return outputs as the model itself would."""
        if outputs.form == "list":
            return list(outputs.leaves)
        if isinstance(outputs.form, list):
            return np.array(outputs.form, object)[outputs.leaves[0]]
        return outputs.leaves[0]

    def _labels(self, array: NDArray[Any]) -> Outputs:
        """Return classes that are Python objects by their places among all classes."""
        classes = getattr(self.model, "classes_", None)
        labels = classes.tolist() if isinstance(classes, np.ndarray) else []
        if not all(type(label) in _LABELS for label in labels):
            labels = []
        place = {label: at for at, label in enumerate(labels)}
        try:
            places = np.array([place[label] for label in array.tolist()], np.int64)
        except (KeyError, TypeError):
            raise OutputError(
                "the model returns Python objects, which cannot be cached as rows"
            ) from None
        return Outputs((places,), labels)

    def state(self) -> Attributes:
        """Return what is compared to tell whether the model may have changed."""
        seen = self._seen
        if seen is None or not seen.holds():
            seen = self._seen = Attributes([self.model])
        return seen

    def fingerprint(self) -> bytes:
        """Return what stands for all that the output depends on but the row."""
        return fingerprint_of([self.model])


def fingerprint_of(models: list[Any]) -> bytes:
    """Return what stands for estimators as they are fitted, and for the libraries they are of.

    Raises
    ------
    ConfigurationError
        If one of them cannot be pickled.
    """
    parts = [models]
    for model in models:
        if hasattr(model, "get_params"):
            parts += [model, *model.get_params(deep=True).values()]
    libraries = sorted({type(part).__module__.partition(".")[0] for part in parts} | {"numpy"})
    versions = [(name, getattr(sys.modules.get(name), "__version__", "")) for name in libraries]
    try:
        return digest_of([models, versions])
    except UNWRITABLE as error:
        raise ConfigurationError(
            f"the model has no fingerprint, because it cannot be pickled: {error}"
        ) from error
