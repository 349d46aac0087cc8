"""Sessions of ONNX Runtime: named inputs and outputs, each with a row for each row."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError, InputError, OutputError
from augury.inference.adapters.contract import Adapter, Batch, Outputs
from augury.inference.arrays import rows_of, side_by_side

RANK = 10

# The name of a file with weights, in a model that keeps them beside it: the protocol buffer of a
# StringStringEntryProto with the key "location", and the length of the value, below 128.
_BESIDE = re.compile(rb"\n\x08location\x12(.)", re.DOTALL)

_DTYPES = {
    "float": "f4",
    "double": "f8",
    "float16": "f2",
    "bool": "?",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def adapt(model: Any, method: str | None) -> Adapter | None:
    """Return the adapter of a session; None if it is none."""
    onnxruntime = sys.modules.get("onnxruntime")
    if onnxruntime is None or not isinstance(model, onnxruntime.InferenceSession):
        return None
    return Session(model, method)


class Session(Adapter):
    """A session, called with an array, or with a dict of arrays by the names of its inputs.

    Outputs are a list, as of ``session.run``: of all outputs, or of those that `method` names,
    with commas between them. The model's file is read when this is made, which should be soon after
    the session was: what has been written over it since would be taken for the session's model.
    """

    def __init__(self, session: Any, method: str | None) -> None:
        self.model = session
        self.method = method or "run"
        names = [each.name for each in session.get_outputs()]
        self._outputs = names if method is None else [part.strip() for part in method.split(",")]
        if not set(self._outputs) <= set(names):
            raise ConfigurationError(
                f"method of a session names its outputs, of {', '.join(names)}; not {method!r}"
            )
        self._inputs: dict[str, str] = {}
        for each in session.get_inputs():
            if not each.shape or isinstance(each.shape[0], int):
                size = f"the fixed size {each.shape[0]}" if each.shape else "no axis"
                raise ConfigurationError(
                    f"input {each.name!r} has {size} for rows, so that rows cannot be chosen; "
                    "export the model with a dynamic batch axis"
                )
            self._inputs[each.name] = each.type[len("tensor(") : -1]
        self._model = _digest_of_model(session)

    def read(self, given: Any) -> Batch:
        """Return the rows of what the user passed: those of all inputs, side by side."""
        arrays = self._arrays(given)
        counts = {name: len(array) for name, array in arrays.items()}
        if len(set(counts.values())) != 1:
            raise InputError(f"the inputs differ in their number of rows: {counts}")
        rows, floats = side_by_side(list(arrays.values()))
        shapes = [(name, array.dtype.str, array.shape[1:]) for name, array in arrays.items()]
        return Batch(arrays, rows, f"onnx {shapes}".encode(), floats)

    def _arrays(self, given: Any) -> dict[str, NDArray[Any]]:
        """Return what the user passed by the names of the inputs, in their order."""
        if not isinstance(given, Mapping):
            if len(self._inputs) != 1:
                raise InputError(
                    f"the model has the inputs {', '.join(self._inputs)}; pass a dict of arrays"
                )
            given = dict.fromkeys(self._inputs, given)
        if set(given) != set(self._inputs):
            raise InputError(
                f"the model has the inputs {', '.join(self._inputs)}, not "
                f"{', '.join(map(str, given)) or 'none'}"
            )
        return {name: self._array(name, given[name]) for name in self._inputs}

    def _array(self, name: str, given: Any) -> NDArray[Any]:
        array = rows_of(given, f"input {name!r}")
        dtype = _DTYPES.get(self._inputs[name])
        if dtype is None or isinstance(given, np.ndarray):
            # The runtime takes all bytes for those of its own order.
            return array.astype(array.dtype.newbyteorder("="), copy=False)
        try:
            return array.astype(dtype)  # of a list, which has none of its own
        except ValueError as error:
            raise InputError(f"input {name!r} is no array of {dtype}: {error}") from error

    def join(self, parts: Sequence[Any]) -> Any:
        """Return as one what several calls had passed."""
        return {name: np.concatenate([part[name] for part in parts]) for name in self._inputs}

    def run(self, given: Any, chosen: NDArray[np.int64] | None) -> Outputs:
        """Run the model on these rows of what was passed."""
        arrays = self._arrays(given)
        if chosen is not None:
            arrays = {name: array[chosen] for name, array in arrays.items()}
        returned = self.model.run(self._outputs, arrays)
        for name, each in zip(self._outputs, returned, strict=True):
            if not isinstance(each, np.ndarray):
                raise OutputError(
                    f"output {name!r} is no tensor and cannot be cached; choose others by method=, "
                    "or export the model without it (zipmap=False of skl2onnx)"
                )
        return Outputs(tuple(returned))

    def assemble(self, outputs: Outputs) -> Any:
        """Return outputs as the session itself would."""
        return list(outputs.leaves)

    def state(self) -> Any:
        """Return what is compared to tell whether the model may have changed."""
        return tuple(self.model.get_providers())

    def fingerprint(self) -> bytes:
        """Return what stands for the model's bytes, the runtime and where it computes."""
        import onnxruntime

        if not self._model:
            return b""
        computes = f"{onnxruntime.__version__} {self.model.get_providers()} "
        return blake2b(computes.encode() + self._model, digest_size=16).digest()


def _digest_of_model(session: Any) -> bytes:
    """Return a digest of what a session was made of, weights beside it included.

    Nothing, if that is not there any more.
    """
    path, held = getattr(session, "_model_path", None), getattr(session, "_model_bytes", None)
    try:
        data = Path(path).read_bytes() if path else bytes(held or b"")
        digest = blake2b(data, digest_size=16)
        beside = {
            data[found.end() : found.end() + found[1][0]].decode()
            for found in _BESIDE.finditer(data)
        }
        for name in sorted(beside):
            with (Path(path or "").parent / name).open("rb") as file:
                while part := file.read(1 << 20):
                    digest.update(part)
    except (OSError, TypeError, ValueError):
        return b""
    return digest.digest() if data else b""
