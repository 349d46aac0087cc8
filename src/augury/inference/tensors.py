"""Tensors of torch as arrays, and what modules return as arrays and a description."""

from __future__ import annotations

import dataclasses
import sys
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

from numpy.typing import NDArray

from augury.errors import InputError, OutputError
from augury.inference.adapters.contract import Outputs

_SHARED = frozenset({
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
    "complex64", "complex128",
})  # fmt: skip
_CARRIERS = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}


def array_of(tensor: Any) -> NDArray[Any]:
    """Return a tensor of rows as an array that shares its memory, if that is the CPU's.

    Numbers that NumPy lacks, such as bfloat16, come as integers of their size.

    Raises
    ------
    InputError
        If it is a single value, or its bytes do not say all about it.
    """
    if tensor.dtype in _shared():
        with suppress(RuntimeError, TypeError):  # torch says itself that this takes more
            simple: NDArray[Any] = tensor.numpy()
            if simple.ndim:
                return simple
    if tensor.is_quantized or tensor.is_nested or tensor.is_meta or tensor.layout is not _strided():
        raise InputError(
            "a sparse, nested, quantized or meta tensor has no rows of bytes; make it dense"
        )
    if tensor.ndim == 0:
        raise InputError("the input is a single value; pass rows, such as torch.tensor([[1.0]])")
    host = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.dtype not in _shared():
        try:
            host = host.view(getattr(sys.modules["torch"], _CARRIERS[tensor.dtype.itemsize]))
        except (KeyError, RuntimeError):
            raise InputError(f"tensors of {tensor.dtype} have no rows of bytes") from None
    array: NDArray[Any] = host.numpy()
    return array


def signature_of(tensor: Any, array: NDArray[Any]) -> bytes:
    """Return what the bytes of a row do not say, and what else bears on what is computed of it."""
    torch = sys.modules["torch"]
    device = tensor.device.type
    return _signature(
        array.dtype.str if tensor.dtype in _shared() else "|u1",
        array.shape[1:],
        tensor.dtype,
        device,
        torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None,
        torch.get_float32_matmul_precision(),
    )


@lru_cache(1024)
def _signature(*parts: Any) -> bytes:
    return " ".join(["tensor", *map(str, parts)]).encode()


@cache
def _shared() -> frozenset[Any]:
    """Return the dtypes that NumPy has, too; the bytes of others are no numbers of its own."""
    torch = sys.modules["torch"]
    return frozenset(getattr(torch, name) for name in _SHARED)


def _strided() -> Any:
    return sys.modules["torch"].strided


class Structure:
    """Takes apart what a module returns, and puts it together again.

    The description of a tensor is ``["tensor", dtype, device]``, of others their kind and the
    descriptions of their parts. A class is found again by its name, never imported.
    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._classes: dict[str, type] = {}

    def take_apart(self, returned: Any) -> Outputs:
        """Return the tensors in it as arrays in the CPU's memory, and what else there is to it.

        Raises
        ------
        OutputError
            If it holds anything but dense tensors.
        """
        leaves: list[NDArray[Any]] = []
        return Outputs(form=self._apart(returned, leaves), leaves=tuple(leaves))

    def put_together(self, outputs: Outputs, module: Any) -> Any:
        """Return what was taken apart; tensors of a GPU where the module is."""
        return self._together(outputs.form, iter(outputs.leaves), module)

    def _apart(self, value: Any, leaves: list[NDArray[Any]]) -> list[Any]:
        if isinstance(value, self._torch.Tensor):
            if value.ndim == 0:
                raise OutputError("the model returns a single value, not one for each row")
            try:
                leaves.append(array_of(value))
            except InputError as error:
                raise OutputError(f"the model returns what cannot be cached: {error}") from None
            return ["tensor", str(value.dtype).removeprefix("torch."), value.device.type]
        kind = type(value)
        if value is None:
            return ["none"]
        if kind is tuple or kind is list:
            return [kind.__name__, [self._apart(each, leaves) for each in value]]
        if kind is dict and all(isinstance(key, str) for key in value):
            return ["dict", [[key, self._apart(each, leaves)] for key, each in value.items()]]
        if dataclasses.is_dataclass(kind):
            named = [
                [field.name, self._apart(getattr(value, field.name), leaves)]
                for field in dataclasses.fields(kind)
                if field.init
            ]
            return ["dataclass", self._name(kind), named]
        if issubclass(kind, tuple):
            return ["record", self._name(kind), [self._apart(each, leaves) for each in value]]
        raise OutputError(
            f"the model returns a {kind.__name__}, which cannot be cached; only tensors can, in "
            "tuples, lists, dicts and dataclasses"
        )

    def _together(self, form: list[Any], leaves: Any, module: Any) -> Any:
        kind, *rest = form
        if kind == "tensor":
            dtype, device = rest
            tensor = self._torch.from_numpy(next(leaves))
            if dtype not in _SHARED:
                tensor = tensor.view(getattr(self._torch, dtype))
            return tensor if device == "cpu" else tensor.to(_place(module, device))
        if kind == "none":
            return None
        if kind in ("tuple", "list"):
            parts = [self._together(each, leaves, module) for each in rest[0]]
            return tuple(parts) if kind == "tuple" else parts
        if kind == "dict":
            return {key: self._together(each, leaves, module) for key, each in rest[0]}
        found = self._class(rest[0])
        if kind == "dataclass":
            return found(**{name: self._together(each, leaves, module) for name, each in rest[1]})
        parts = [self._together(each, leaves, module) for each in rest[1]]
        return found(*parts) if hasattr(found, "_fields") else found(parts)

    def _name(self, kind: type) -> str:
        name = f"{kind.__module__}:{kind.__qualname__}"
        self._classes[name] = kind
        return name

    def _class(self, name: str) -> Any:
        found: Any = self._classes.get(name)
        if found is None:
            module, _, path = name.partition(":")
            found = sys.modules.get(module)
            for part in path.split("."):
                found = getattr(found, part, None)
            # Another process has written the name: only what holds values is called.
            holds = isinstance(found, type) and (
                issubclass(found, tuple) or dataclasses.is_dataclass(found)
            )
            if not holds:
                raise OutputError(f"the class {name} of the cached outputs is not imported")
            self._classes[name] = found
        return found


def _place(module: Any, device: str) -> Any:
    """Return the device of this kind on which a module's weights are."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.device.type == device:
            return tensor.device
    return device
