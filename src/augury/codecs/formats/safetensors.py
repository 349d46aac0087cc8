"""Dense tensors of torch in the CPU's memory, one by one, as safetensors."""

from __future__ import annotations

import importlib
from typing import Any

from augury.codecs.formats import full_name
from augury.errors import CodecError, MissingExtraError

NUMBER = 5
TYPES = frozenset({"torch.Tensor"})

_NAME = "t"


def encode(value: Any) -> bytes:
    """Return the tensor's dtype, shape and elements."""
    library = _library()
    torch = importlib.import_module("torch")
    if type(value) is not torch.Tensor:
        raise CodecError(f"no codec carries a value of type {full_name(type(value))}")
    if value.device.type != "cpu" or value.requires_grad:
        raise CodecError(
            "a tensor with a gradient or in a device's memory is not restored as it was; "
            "store tensor.detach().cpu()"
        )
    if value.layout is not torch.strided or value.is_quantized or value.is_nested:
        raise CodecError("no codec carries a sparse, quantized or nested tensor; make it dense")
    try:
        dense = value.resolve_conj().resolve_neg().contiguous()
        return bytes(library.save({_NAME: dense}))
    except (KeyError, ValueError, RuntimeError) as error:
        raise CodecError(f"no codec carries a tensor of {value.dtype}") from error


def decode(data: memoryview) -> Any:
    """Return the tensor."""
    (tensor,) = _library().load(bytes(data)).values()
    return tensor


def _library() -> Any:
    try:
        return importlib.import_module("safetensors.torch")
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] == "torch":
            raise MissingExtraError("torch", "torch") from None
        raise MissingExtraError("safetensors", "codecs") from None
