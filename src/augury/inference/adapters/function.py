"""Any function of rows: it takes an array, or a list of texts, and returns a row for each."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from secrets import token_bytes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError, OutputError
from augury.inference.adapters.contract import Adapter, Batch, Outputs
from augury.inference.arrays import batch_of, check_outputs, returned_array, rows_of
from augury.inference.code import add_function, code_of, parts_of
from augury.inference.objects import Attributes, digest_of
from augury.inference.texts import batch_of_texts, texts_of

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
    """A function of rows.

    Its fingerprint is its code and what that refers to: enclosed and global variables, of a method
    its object; so, too, of functions of its own module that it names, and of one that it wraps.
    Where this cannot be pickled, no other process, nor another `CachedModel`, has its entries. That
    one of these was given another value is noticed, and so is the fit of an estimator among them;
    other changes within are not.
    """

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
        returned = self._function(given)
        array = returned_array(returned)
        if array.dtype.hasobject:
            what = "Python objects" if array.ndim else f"a {type(returned).__name__}"
            raise OutputError(f"the model returns {what}, which cannot be cached as rows")
        return Outputs((array,))

    def assemble(self, outputs: Outputs) -> Any:
        """Return outputs as the model itself would."""
        return outputs.leaves[0]

    def bare(self, given: Any) -> tuple[Any, int]:
        """Return what the function returns, and how many rows there were."""
        rows = rows_of(given) if texts_of(given) is None else given
        outputs = self.run(rows, None)
        check_outputs(outputs, len(rows))
        return self.assemble(outputs), len(rows)

    def join(self, parts: Sequence[Any]) -> Any:
        """Return as one what several calls had passed."""
        if isinstance(parts[0], list | tuple):  # texts
            return [each for part in parts for each in part]
        return np.concatenate(parts)

    def state(self) -> Any:
        """Return what is compared to tell whether the model may have changed."""
        parts = [code_of(self._function), *parts_of(self._function)]
        return Attributes([part for part in parts if hasattr(part, "fit")], others=parts)

    def fingerprint(self) -> bytes:
        """Return what stands for all that the output depends on but the row."""
        digest = blake2b(digest_size=16)
        add_function(digest, self._function)
        try:
            digest.update(digest_of(parts_of(self._function)))
        except Exception:  # what cannot be pickled says so in many ways; nobody else has such a one
            digest.update(token_bytes(16))
        return digest.digest()
