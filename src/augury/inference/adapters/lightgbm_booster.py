"""Boosters of LightGBM; its classifiers and regressors are estimators."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError
from augury.inference.adapters.contract import Adapter, Batch, Outputs
from augury.inference.arrays import batch_of, rows_of
from augury.inference.frames import batch_of_frame, join, select
from augury.inference.objects import Attributes

RANK = 10
METHODS = ("predict", "raw_score", "pred_leaf", "pred_contrib")


def adapt(model: Any, method: str | None) -> Adapter | None:
    """Return the adapter of a booster; None if it is none."""
    lightgbm = sys.modules.get("lightgbm")
    if lightgbm is None or not isinstance(model, lightgbm.Booster):
        return None
    if method is not None and method not in METHODS:
        raise ConfigurationError(
            f"method of a booster must be one of {', '.join(METHODS)}, not {method!r}"
        )
    return Booster(model, method or "predict")


class Booster(Adapter):
    """A booster; the methods but ``predict`` are the options of its ``predict``.

    Whatever adds or removes trees is noticed; `shuffle_models` and `set_leaf_output` are not.
    """

    def __init__(self, model: Any, method: str) -> None:
        self.model = model
        self.method = method
        self._options = {} if method == "predict" else {method: True}

    def read(self, given: Any) -> Batch:
        """Return the rows of what the user passed."""
        return batch_of_frame(given) or batch_of(rows_of(given), given)

    def join(self, parts: Sequence[Any]) -> Any:
        """Return as one what several calls had passed."""
        return join(parts)

    def run(self, given: Any, chosen: NDArray[np.int64] | None) -> Outputs:
        """Run the model on these rows of what was passed."""
        rows = given if chosen is None else select(given, chosen)
        return Outputs((np.asarray(self.model.predict(rows, **self._options)),))

    def assemble(self, outputs: Outputs) -> Any:
        """Return outputs as the model itself would."""
        return outputs.leaves[0]

    def state(self) -> Any:
        """Return what is compared to tell whether the model may have changed."""
        return Attributes([self.model], 0), self.model.current_iteration()

    def fingerprint(self) -> bytes:
        """Return what stands for all that the output depends on but the row."""
        import lightgbm

        digest = blake2b(f"{lightgbm.__version__} {np.__version__}".encode(), digest_size=16)
        digest.update(f"{self.model.best_iteration} ".encode())
        digest.update(self.model.model_to_string(num_iteration=-1).encode())
        return digest.digest()
