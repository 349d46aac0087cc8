"""What a module of torch depends on: noticing that it changed, and a fingerprint of it."""

from __future__ import annotations

import importlib
import os
import sys
from collections import OrderedDict
from functools import cache
from hashlib import blake2b
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from augury import _native
from augury.inference.arrays import bytes_of
from augury.inference.code import add_function, enclosed_by
from augury.inference.tensors import array_of

_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None)})
_CONTAINERS = frozenset({dict, OrderedDict, list, tuple})
_HOOKS = frozenset({"_forward_hooks", "_forward_pre_hooks"})
# What a bare module has, too, that says something.
_TOLD = frozenset({"_parameters", "_buffers", "_modules"}) | _HOOKS
_MOST = 1000  # elements of a container without tensors that are looked at before each call
_DEEPEST = 8  # objects within objects


class Seen:
    """All attributes of a module and of those in it, by identity, and the versions of tensors.

    It keeps alive what it has seen, memory of tensors included, so that nothing else can come to
    lie at an address that is compared.
    """

    __slots__ = ("_containers", "_contents", "_scripts", "_tensors", "training")

    training: Any
    """A module that is in training mode, or None."""

    def __init__(self, module: Any) -> None:
        self.training = None
        self._containers: list[tuple[Any, tuple[Any, ...]]] = []
        self._tensors: list[tuple[Any, int, int, Any]] = []
        self._contents: list[tuple[Any, bytes]] = []  # of tensors that keep no versions
        self._scripts: list[Any] = []
        self._module(module, sys.modules["torch"], set())

    def holds(self) -> bool:
        """Return whether all is as it was."""
        if not _native.unchanged(self._containers):
            return False
        for tensor, version, address, _ in self._tensors:
            if tensor._version != version or tensor.data_ptr() != address:
                return False
        if any(script.training for script in self._scripts):
            return False
        return all(_content(tensor) == before for tensor, before in self._contents)

    def _module(self, module: Any, torch: Any, known: set[int]) -> None:
        if id(module) in known:
            return
        known.add(id(module))
        if module.training and self.training is None:
            self.training = module
        if isinstance(module, torch.jit.ScriptModule):
            self._scripts.append(module)
            for tensor in (*module.parameters(), *module.buffers()):
                self._tensor(tensor)
        else:
            self._container(vars(module), torch, known)

    def _container(self, container: Any, torch: Any, known: set[int]) -> None:
        values = tuple(container.values() if isinstance(container, dict) else container)
        self._containers.append((container, values))
        for value in values:
            kind = type(value)
            if kind in _CONTAINERS:
                held = value.values() if isinstance(value, dict) else value
                parts = torch.Tensor, torch.nn.Module
                few = len(value) <= _MOST or any(isinstance(each, parts) for each in held)
                if few and id(value) not in known:
                    known.add(id(value))
                    self._container(value, torch, known)
            elif kind not in _PLAIN:
                if isinstance(value, torch.Tensor):
                    self._tensor(value)
                elif isinstance(value, torch.nn.Module):
                    self._module(value, torch, known)

    def _tensor(self, tensor: Any) -> None:
        shared = tensor.detach()
        try:
            self._tensors.append((tensor, tensor._version, shared.data_ptr(), shared))
        except RuntimeError:  # made in inference mode, or sparse
            self._contents.append((tensor, _content(tensor)))


@cache
def count_fused_steps() -> None:
    """Have fused optimizers count versions of weights as others do; of themselves they do not."""
    torch = importlib.import_module("torch")
    optimizers = importlib.import_module("torch.optim.optimizer")

    def after(optimizer: Any, *_: Any) -> None:
        for group in optimizer.param_groups:
            if group.get("fused"):
                torch.autograd.graph.increment_version(group["params"])

    optimizers.register_optimizer_step_post_hook(after)


def fingerprint(module: Any, besides: frozenset[str] = frozenset()) -> bytes:
    """Return 16 bytes for weights, attributes and code of a module, alike in every process.

    Parameters
    ----------
    besides
        Names of attributes that do not bear on what is computed. By default all do.

    Notes
    -----
    What is neither data nor code nor has attributes, such as an object of another language, cannot
    be told from others of its kind: with such a part no two fingerprints are alike.
    """
    torch = sys.modules["torch"]
    # Code compiled by another Python may differ, and then only misses.
    digest = blake2b(f"{torch.__version__} {sys.version_info[:2]}".encode(), digest_size=16)
    _Writer(digest, torch, besides).add(module)
    return digest.digest()


class _Writer:
    """Writes into a digest what a value is."""

    def __init__(self, digest: Any, torch: Any, besides: frozenset[str]) -> None:
        self._digest = digest
        self._torch = torch
        self._besides = besides
        # Alive, so that nothing else comes to lie at the address; numbered alike in every process.
        self._written: dict[int, tuple[int, Any]] = {}

    def add(self, value: Any, depth: int = 0) -> None:
        kind = type(value)
        self._say(f"{kind.__module__}.{kind.__qualname__}")
        if kind in _PLAIN or isinstance(value, self._torch.dtype | self._torch.device):
            self._say(repr(value))
            return
        if isinstance(value, type | ModuleType):
            self._say(getattr(value, "__qualname__", value.__name__))
            self._say(getattr(value, "__module__", ""))
            return
        if id(value) in self._written:  # shared, as weights may be, or a circle
            self._say(f"#{self._written[id(value)][0]}")
            return
        self._written[id(value)] = (len(self._written), value)
        if isinstance(value, FunctionType | MethodType | BuiltinFunctionType):
            self._function(value, depth)
        elif isinstance(value, self._torch.Tensor):
            self._say(f"{value.dtype} {tuple(value.shape)} {value.device.type}")
            self._digest.update(_content(value))
        elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
            self._say(f"{value.dtype.str} {value.shape}")
            self._digest.update(value.tobytes())
        elif kind is dict or kind is OrderedDict:
            self._say(f"{len(value)}")
            for key, each in value.items():
                self.add(key, depth + 1)
                self.add(each, depth + 1)
        elif kind is list or kind is tuple:
            self._say(f"{len(value)}")
            for each in value:
                self.add(each, depth + 1)
        elif isinstance(value, set | frozenset):
            self._say(repr(sorted(map(repr, value))))
        elif isinstance(value, self._torch.nn.Module):
            self._module(value)
        else:
            self._object(value, depth)

    def _function(self, function: Any, depth: int) -> None:
        add_function(self._digest, function)
        while function is not None:
            if isinstance(function, MethodType):
                self.add(function.__self__, depth + 1)
            for each in enclosed_by(function):
                self.add(each, depth + 1)
            function = getattr(function, "__wrapped__", None)

    def _object(self, value: Any, depth: int) -> None:
        """Write what pickle would: attributes alone do not say all about a partial, or a slot."""
        try:
            made = value.__reduce_ex__(4) if depth < _DEEPEST else None
        except Exception:  # what cannot be pickled says so in many ways
            made = None
        if isinstance(made, str):
            self._say(made)
        elif made is not None:
            for part in made[:3]:
                self.add(part, depth)
            for held in made[3:5]:  # elements of a list, items of a dict
                self.add(list(held or ()), depth)
        else:
            self._digest.update(os.urandom(16))

    def _module(self, module: Any) -> None:
        if isinstance(module, self._torch.jit.ScriptModule):
            self._say(str(module.inlined_graph))
            for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                self._say(name)
                self.add(tensor)
            return
        if isinstance(module, self._torch.fx.GraphModule):
            self._say(module.code)
            bare = self._torch.fx.GraphModule(self._torch.nn.Module(), self._torch.fx.Graph())
        else:
            self._code(type(module))
            bare = self._torch.nn.Module()
        besides = (vars(bare).keys() - _TOLD) | self._besides
        for name, value in vars(module).items():
            if name not in besides:
                self._say(name)
                # Hooks are numbered through the whole process.
                self.add(list(value.values()) if name in _HOOKS else value)

    def _code(self, kind: type) -> None:
        """Write methods and constants of a class, but not of torch, whose version says enough."""
        for each in kind.__mro__:
            if each is not object and not each.__module__.startswith("torch."):
                for name, value in sorted(vars(each).items()):
                    function = getattr(value, "fget", None) or getattr(value, "__func__", value)
                    if isinstance(function, FunctionType):
                        self._say(name)
                        add_function(self._digest, function)
                    elif type(value) in _PLAIN | _CONTAINERS and not name.startswith("__"):
                        self._say(name)
                        self.add(value)

    def _say(self, text: str) -> None:
        data = text.encode()
        self._digest.update(len(data).to_bytes(8, "little") + data)


def _content(tensor: Any) -> bytes:
    """Return a digest of a tensor's elements."""
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_sparse:
        tensor = tensor.to_dense()
    rows = bytes_of(array_of(tensor.reshape(1, -1)))
    return _native.digest_rows(rows).tobytes()
