"""scikit-learn estimators, and whatever has their `get_params` and `predict`."""

from __future__ import annotations

import pickle
import sys
from hashlib import blake2b
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError, OutputError
from augury.inference.adapters.contract import Adapter, Batch, Outputs
from augury.inference.arrays import batch_of, rows_of
from augury.inference.code import add_function
from augury.inference.frames import batch_of_frame

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
        return batch_of_frame(given) or batch_of(rows_of(given), given)

    def run(self, given: Any, chosen: NDArray[np.int64] | None) -> Outputs:
        """Run the model on these rows of what was passed."""
        return self.outputs(self.returned(given if chosen is None else select(given, chosen)))

    def returned(self, rows: Any) -> Any:
        """Return what the model returns for these rows."""
        return getattr(self.model, self.method)(rows)

    def outputs(self, returned: Any) -> Outputs:
        """Return what the model returned as arrays."""
        if isinstance(returned, list):  # predict_proba of several outputs
            return Outputs(tuple(np.asarray(each) for each in returned), "list")
        if hasattr(returned, "toarray"):
            raise OutputError(
                "the model returns a sparse matrix, whose rows cannot be cached; have it return a "
                "dense array, as by sparse_output=False"
            )
        if hasattr(returned, "columns"):
            raise OutputError(
                "the model returns a frame, which cannot be cached; have it return an array, as by "
                "set_output(transform='default')"
            )
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
        return Attributes([self.model])

    def fingerprint(self) -> bytes:
        """Return what stands for all that the output depends on but the row."""
        return fingerprint_of([self.model])


def select(given: Any, chosen: NDArray[np.int64]) -> Any:
    """Return these rows of an array, of what can be made one, or of a frame."""
    if hasattr(given, "iloc"):  # pandas
        return given.iloc[chosen]
    return given[chosen] if hasattr(given, "get_columns") else np.asarray(given)[chosen]


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
        try:
            # What is referred to twice is written twice: whether two equal parts are one object
            # differs between a model that was fitted and the same one read from a file.
            return _digest([models, versions], fast=True)
        except ValueError:  # it refers to itself
            return _digest([models, versions], fast=False)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"the model has no fingerprint, because it cannot be pickled: {error}"
        ) from error


def _digest(value: Any, *, fast: bool) -> bytes:
    digest = blake2b(digest_size=16)
    writer = _Writer(_Sink(digest), protocol=5)
    writer.fast = fast
    writer.dump(value)
    return digest.digest()


class _Writer(pickle.Pickler):
    """Writes a model to be digested: nothing is ever unpickled.

    A function is written as its code and what it encloses, not by its name only.
    """

    def reducer_override(self, value: Any) -> Any:
        """Return how to write a value."""
        if not isinstance(value, FunctionType):
            return NotImplemented
        digest = blake2b(digest_size=16)
        add_function(digest, value)
        enclosed = tuple(cell.cell_contents for cell in value.__closure__ or ())
        return bytes, (digest.digest(),), (enclosed, value.__defaults__, value.__kwdefaults__)


class _Sink:
    """A file whose bytes go into a digest."""

    def __init__(self, digest: Any) -> None:
        self._digest = digest

    def write(self, data: bytes | pickle.PickleBuffer) -> int:
        """Add data: bytes, or the memory of a large array."""
        self._digest.update(data)
        return memoryview(data).nbytes


class Attributes:
    """Estimators, their attributes and those of estimators in them, compared by identity.

    Fitting replaces attributes, or elements of lists; it keeps those alive that it compares, so
    that none can come back at the address of another.
    """

    __slots__ = ("_seen",)

    def __init__(self, models: list[Any], deep: int = _DEEPEST) -> None:
        self._seen: list[Any] = [*models]
        for model in models:
            if hasattr(model, "__dict__"):  # else it is a step to be passed through
                self._walk(model, deep)

    def _walk(self, value: Any, deep: int) -> None:
        seen = self._seen
        for each in list(vars(value).values()):  # a fit in another thread may add some
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
        if not isinstance(other, Attributes) or len(self._seen) != len(other._seen):
            return False
        return all(mine is its for mine, its in zip(self._seen, other._seen, strict=True))

    __hash__ = None  # type: ignore[assignment]
