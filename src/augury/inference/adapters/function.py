"""Any function of rows: it takes an array, or a list of texts, and returns a row for each."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError, OutputError
from augury.inference.adapters.contract import Adapter, Batch, Outputs
from augury.inference.arrays import batch_of, rows_of
from augury.inference.code import add_function
from augury.inference.texts import batch_of_texts

RANK = 100


def adapt(model: Any, method: str | None) -> Adapter | None:
    """Return the adapter of a function, or of a method of any object."""
    if method is not None:
        function = getattr(model, method, None)
        if not callable(function):
            raise ConfigurationError(f"{type(model).__name__} has no method {method!r}")
        return Function(model, function, method)
    return Function(model, model, "__call__") if callable(model) else None


class Function(Adapter):
    """A function of rows. Its name and code are its fingerprint: what it refers to is not seen."""

    def __init__(self, model: Any, function: Any, method: str) -> None:
        self.model = model
        self.method = method
        self._function = function

    def read(self, given: Any) -> Batch:
        """Return the rows of what the user passed."""
        return batch_of_texts(given) or batch_of(rows_of(given))

    def run(self, given: Any, chosen: NDArray[np.int64] | None) -> Outputs:
        """Run the model on these rows of what was passed."""
        if chosen is not None:
            texts = isinstance(given, list | tuple)
            given = [given[at] for at in chosen.tolist()] if texts else given[chosen]
        returned = np.asarray(self._function(given))
        if returned.dtype.hasobject:
            raise OutputError("the model returns Python objects, which cannot be cached as rows")
        return Outputs((returned,))

    def assemble(self, outputs: Outputs) -> Any:
        """Return outputs as the model itself would."""
        return outputs.leaves[0]

    def state(self) -> Any:
        """Return what is compared to tell whether the model may have changed."""
        return getattr(self._function, "__code__", None)

    def fingerprint(self) -> bytes:
        """Return what stands for all that the output depends on but the row."""
        digest = blake2b(digest_size=16)
        add_function(digest, self._function)
        return digest.digest()
