"""PyTorch modules: they take and return tensors with a row for each along the first dimension."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.errors import ConfigurationError, InputError
from augury.inference.adapters.contract import Adapter, Batch, Outputs
from augury.inference.arrays import side_by_side
from augury.inference.tensors import Structure, array_of, signature_of
from augury.inference.weights import Seen, count_fused_steps, fingerprint

RANK = 10


def adapt(model: Any, method: str | None) -> Adapter | None:
    """Return the adapter of a module; None if it is none."""
    torch = sys.modules.get("torch")  # whoever has a module has imported it
    if torch is None or not isinstance(model, torch.nn.Module):
        return None
    if method is not None and not callable(getattr(model, method, None)):
        raise ConfigurationError(f"{type(model).__name__} has no method {method!r}")
    return TorchModule(model, method or "__call__")


class TorchModule(Adapter):
    """A module in evaluation mode, run without gradients.

    Its input is a tensor, a tuple or list of tensors, which are passed one after the other, or a
    mapping, which is passed by name. What is computed for a row lies in the memory of the CPU;
    tensors of a GPU are copied from there and back.

    That its weights have changed is told by the version and address of each tensor: an optimizer's
    step, `load_state_dict`, `to` and writes in place are noticed. Writes through ``tensor.data`` or
    an array that shares its memory are not: call `CachedModel.changed` after them, as after one
    to an attribute of an object, such as a configuration, that the module refers to.
    """

    def __init__(self, model: Any, method: str) -> None:
        self.model = model
        self.method = method
        self._torch: Any = importlib.import_module("torch")
        # What torch.compile() returns refers to what it compiles, and to the compiler.
        self._weighed = getattr(model, "_orig_mod", model)
        self._structure = Structure(self._torch)
        self._seen: Seen | None = None
        count_fused_steps()

    def read(self, given: Any) -> Batch:
        """Return the rows of what the user passed."""
        tensor = self._torch.Tensor
        if type(given) is tensor or isinstance(given, tensor):  # the latter runs Python code
            array = array_of(given)
            rows, floats = side_by_side([array])
            return Batch(given, rows, signature_of(given, array), floats)
        named = isinstance(given, Mapping)
        if not named and not isinstance(given, tuple | list):
            raise InputError(
                f"a module takes tensors, not {type(given).__name__}; convert it, as "
                "torch.from_numpy does"
            )
        names, tensors = (list(given), list(given.values())) if named else ([], list(given))
        if not tensors or not all(isinstance(each, self._torch.Tensor) for each in tensors):
            raise InputError("a module takes a tensor, or a tuple or mapping of tensors")
        arrays = [array_of(tensor) for tensor in tensors]
        if len({len(array) for array in arrays}) != 1:
            raise InputError(
                f"tensors of one batch have a row for each, not {[len(array) for array in arrays]}"
            )
        signature = b"tensors |u1 " + repr(names).encode()
        for tensor, array in zip(tensors, arrays, strict=True):
            signature += signature_of(tensor, array)
        rows, floats = side_by_side(arrays)
        return Batch(given, rows, signature, floats)

    def join(self, parts: Sequence[Any]) -> Any:
        """Return as one what several calls had passed."""
        first = parts[0]
        if isinstance(first, Mapping):
            return {name: self._torch.cat([part[name] for part in parts]) for name in first}
        if isinstance(first, tuple | list):
            return [self._torch.cat(tensors) for tensors in zip(*parts, strict=True)]
        return self._torch.cat(list(parts))

    def run(self, given: Any, chosen: NDArray[np.int64] | None) -> Outputs:
        """Run the module on these rows of what was passed."""
        with self._torch.inference_mode():
            if chosen is not None:
                given = self._select(given, chosen)
            return self._structure.take_apart(self._passed(given))

    def bare(self, given: Any) -> tuple[Any, int]:
        """Return what the module returns, and how many rows there were."""
        with self._torch.no_grad():  # in inference mode nobody could write to what is returned
            returned = self._passed(given)
        if isinstance(given, Mapping):
            given = list(given.values())
        return returned, len(given[0] if isinstance(given, tuple | list) else given)

    def assemble(self, outputs: Outputs) -> Any:
        """Return outputs as the module itself would."""
        return self._structure.put_together(outputs, self._weighed)

    def state(self) -> Any:
        """Return what is compared to tell whether the module may have changed."""
        seen = self._seen
        if seen is None or not seen.holds():
            seen = self._seen = Seen(self._weighed)
        if seen.training is not None:
            raise _in_training(seen.training)
        return seen

    def fingerprint(self) -> bytes:
        """Return what stands for all that the output depends on but the row."""
        return fingerprint(self._weighed)

    def _passed(self, given: Any) -> Any:
        if self._weighed.training:  # nobody may have looked at its state
            raise _in_training(self._weighed)
        function = self.model if self.method == "__call__" else getattr(self.model, self.method)
        if isinstance(given, Mapping):
            return function(**given)
        return function(*given) if isinstance(given, tuple | list) else function(given)

    def _select(self, given: Any, chosen: NDArray[np.int64]) -> Any:
        index = self._torch.from_numpy(chosen)
        if isinstance(given, Mapping):
            return {name: _rows(tensor, index) for name, tensor in given.items()}
        if isinstance(given, tuple | list):
            return [_rows(tensor, index) for tensor in given]
        return _rows(given, index)


def _rows(tensor: Any, index: Any) -> Any:
    return tensor.index_select(0, index.to(tensor.device))


def _in_training(module: Any) -> ConfigurationError:
    return ConfigurationError(
        f"{type(module).__name__} is in training mode, in which outputs are random or depend on "
        "other rows; call eval() first"
    )
