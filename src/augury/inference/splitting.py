"""Splits a PyTorch module into what runs before one of its modules, and what after."""

from __future__ import annotations

import importlib
import inspect
import operator
from dataclasses import dataclass
from typing import Any

from augury.errors import ConfigurationError

_SHAPES = frozenset({"shape", "ndim", "dtype", "device"})
_SHAPE_METHODS = frozenset({"size", "dim"})


@dataclass(frozen=True, slots=True)
class Split:
    """Two modules that share their parts with the one that was split."""

    body: Any
    """Takes the inputs of these names and returns a tuple of all that the head needs of it."""
    body_inputs: tuple[str, ...]
    head: Any
    """Takes what the body returns, then the inputs of these names."""
    head_inputs: tuple[str, ...]


def split(model: Any, at: str, containers: list[Any], names: tuple[str, ...]) -> Split:
    """Return the module split behind the one of a dotted name.

    Parameters
    ----------
    model, at, containers
        What to split, where, and the modules on the way there, from the model itself.
    names
        Of the parameters of the model that are given; the others have their defaults.

    Raises
    ------
    ConfigurationError
        If it cannot be traced, or rows do not pass through that module exactly once.
    """
    graph = _traced(model, at, names)
    nodes = list(graph.nodes)
    passes = [node for node in nodes if node.op == "call_module" and node.target == at]
    if len(passes) != 1:
        raise ConfigurationError(
            f"rows pass through {at!r} {len(passes)} times; a model is split where they do so once"
        )
    _check(nodes, at)
    body = _needed(passes)
    for container in containers:
        if container.training:
            _check_evaluated([node for node in nodes if node in body], container)
    shapes = _shapes(nodes)
    # What is cached is what the head needs of the body, but weights, inputs and shapes, which are
    # there anyway.
    cut: list[Any] = []
    head: list[Any] = []
    wanted = {nodes[-1]}
    for node in reversed(nodes):
        if node in wanted:
            cached = node in body and node.op not in ("placeholder", "get_attr")
            if cached and node not in shapes:
                cut.insert(0, node)
            else:
                head.insert(0, node)
                wanted.update(node.all_input_nodes)
    if passes[0] not in cut:
        raise ConfigurationError(f"the output of {at!r} is not used, so that nothing is split")
    first = _part(model, [], [node for node in nodes if node in body], cut)
    second = _part(model, cut, head, None)
    return Split(first, _inputs(nodes, body), second, _inputs(nodes, set(head)))


def _traced(model: Any, at: str, names: tuple[str, ...]) -> Any:
    fx = importlib.import_module("torch.fx")
    if model._forward_hooks or model._forward_pre_hooks or "forward" in vars(model):
        raise ConfigurationError(
            f"{type(model).__name__} cannot be split: it has hooks, or a forward() that is not its "
            "class's"
        )

    class Tracer(fx.Tracer):  # type: ignore[misc, name-defined]
        def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:  # noqa: ARG002
            return not at.startswith(f"{module_qualified_name}.")

    defaults = {
        name: each.default
        for name, each in inspect.signature(model.forward).parameters.items()
        if name not in names and each.default is not inspect.Parameter.empty
    }
    try:
        return Tracer().trace(model, concrete_args=defaults or None)
    except Exception as error:  # whatever the code of the model does with what it does not expect
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigurationError(
            f"{type(model).__name__} cannot be split at {at!r}, for torch.fx cannot trace it: "
            f"{reason}"
        ) from error


def _check(nodes: list[Any], at: str) -> None:
    """See that no node is there for what it does, instead of for what it returns."""
    for node in nodes:
        asserts = "assert" in getattr(node.target, "__name__", "")
        if not node.users and node.op.startswith("call_") and not asserts:
            raise ConfigurationError(
                f"a model cannot be split at {at!r} that calls {node.target} and does not use what "
                "it returns"
            )


def _check_evaluated(body: list[Any], container: Any) -> None:
    for node in body:
        name = getattr(node.target, "__name__", "")
        given = (*node.args, *node.kwargs.values())
        if (
            node.op == "call_function"
            and ("dropout" in name or "norm" in name)
            and True in [each for each in given if isinstance(each, bool)]
        ):
            raise ConfigurationError(
                f"{type(container).__name__} is in training mode, and its {name} is part of the "
                "body; call eval() first"
            )


def _needed(nodes: list[Any]) -> set[Any]:
    """Return these nodes and all that they depend on."""
    needed, waiting = set(nodes), list(nodes)
    while waiting:
        new = set(waiting.pop().all_input_nodes) - needed
        needed |= new
        waiting.extend(new)
    return needed


def _shapes(nodes: list[Any]) -> set[Any]:
    """Return the nodes that are sizes and the like, no tensors."""
    shapes: set[Any] = set()
    for node in nodes:
        asked = (node.op == "call_method" and node.target in _SHAPE_METHODS) or (
            node.op == "call_function" and node.target is getattr and node.args[1] in _SHAPES
        )
        of_shapes = (
            node.op == "call_function"
            and node.target.__module__ == operator.add.__module__
            and bool(node.all_input_nodes)
            and shapes.issuperset(node.all_input_nodes)
        )
        if asked or of_shapes:
            shapes.add(node)
    return shapes


def _inputs(nodes: list[Any], used: set[Any]) -> tuple[str, ...]:
    return tuple(str(node.target) for node in nodes if node.op == "placeholder" and node in used)


def _part(model: Any, given: list[Any], nodes: list[Any], returned: list[Any] | None) -> Any:
    """Return a module of these nodes, which takes some others first and may return some."""
    fx = importlib.import_module("torch.fx")
    graph = fx.Graph()
    made = {node: graph.placeholder(f"held_{at}") for at, node in enumerate(given)}
    inputs = [node for node in nodes if node.op == "placeholder"]
    for node in (*inputs, *(node for node in nodes if node.op != "placeholder")):
        made[node] = graph.node_copy(node, made.__getitem__)
    if returned is not None:
        graph.output(tuple(made[node] for node in returned))
    part = fx.GraphModule(model, graph)
    own = set(model.modules())
    for module in part.modules():
        # Itself, and what GraphModule made on the way to a part, which is not run itself.
        if module not in own:
            module.training = False
    return part
