"""Tensors, sizes, dtypes and devices of torch."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from augury.keys.dispatch import Unencodable, content_encoder, parts_encoder
from augury.keys.format import Encoder

FIXED = True

torch: Any = importlib.import_module("torch")  # seldom installed where types are checked


def find(kind: type) -> Encoder | None:
    """Return the encoder of a type of torch."""
    if kind in (torch.Tensor, torch.nn.Parameter):
        return parts_encoder(f"torch.{kind.__name__}", _tensor)
    if kind is torch.Size:
        return content_encoder("torch.Size", tuple)
    if kind in (torch.dtype, torch.device):
        return content_encoder(f"torch.{kind.__name__}", str)
    return None


def _tensor(tensor: Any) -> Iterator[tuple[str, object]]:
    """Yield dtype, kind of device and elements; gradients and names are not part of the value."""
    strange = tensor.is_quantized or tensor.is_meta or tensor.is_nested
    if strange or tensor.layout is not torch.strided:
        raise Unencodable(
            tensor,
            "cannot make a stable key from a sparse, nested, quantized or meta tensor; "
            "make it a dense one",
        )
    yield ".dtype", str(tensor.dtype)
    # A result lies where its arguments do, so that one for the CPU does not serve a GPU.
    yield ".device", tensor.device.type
    dense = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.dtype in (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2):
        dense = dense.float()  # NumPy lacks these; each of their numbers is one of float32
    try:
        yield "", dense.numpy()
    except TypeError:
        raise Unencodable(
            tensor, f"cannot make a stable key from a tensor of {tensor.dtype}; convert it"
        ) from None
