"""A neural network, by PyTorch."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from augury.errors import ConfigurationError
from augury.learning.fitting import Fitted, standard
from augury.learning.torch_threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from augury.learning.labels import Training

TITLE = "neural network"
PACKAGE = "torch"
EXTRA = "torch"

_PARAMETERS = {"hidden": 32, "steps": 2_000, "batch": 512, "learning_rate": 3e-3, "decay": 1e-4}
_FURTHER = 250  # steps of a network that goes on


def fit(training: Training, seed: int) -> Fitted:
    """Fit two hidden layers to the time to the next access, by Huber's loss."""
    import torch

    mean, scale = standard(training.rows)
    with torch.random.fork_rng(devices=[]), one_thread():  # nobody else's random numbers change
        torch.manual_seed(seed)
        network = _network(training.rows.shape[1])
        # Starting from the mean, the layers have only the differences to learn.
        torch.nn.init.constant_(
            network[-1].bias, float(np.average(training.time, weights=training.weight))
        )
        _train(network, training, (training.rows - mean) / scale, int(_PARAMETERS["steps"]))
    return _fitted(network, mean, scale)


def refine(training: Training, begin: Mapping[str, NDArray[Any]], seed: int) -> Fitted:
    """Go on from a network's weights, with the rows standardised as they were for it.

    Raises
    ------
    ConfigurationError
        If it is not a network as `fit` makes them.
    """
    if {name: array.shape for name, array in begin.items()} != _shapes(training.rows.shape[1]):
        raise ConfigurationError("only a network that augury.learn has made can be trained further")
    import torch

    mean, scale = begin["mean"], begin["scale"]
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        network = _network(training.rows.shape[1])
        with torch.no_grad():
            for at, layer in enumerate(_layers(network)):
                layer.weight.copy_(torch.from_numpy(begin[f"weights{at}"].copy()))
                layer.bias.copy_(torch.from_numpy(begin[f"bias{at}"].copy()))
        _train(network, training, (training.rows - mean) / scale, _FURTHER)
    return _fitted(network, mean, scale)


def _shapes(features: int) -> dict[str, tuple[int, ...]]:
    hidden = int(_PARAMETERS["hidden"])
    shapes: dict[str, tuple[int, ...]] = {"mean": (features,), "scale": (features,)}
    for at, (inputs, outputs) in enumerate(pairwise((features, hidden, hidden, 1))):
        shapes |= {f"weights{at}": (outputs, inputs), f"bias{at}": (outputs,)}
    return shapes


def _network(features: int) -> Any:
    import torch

    hidden = int(_PARAMETERS["hidden"])
    return torch.nn.Sequential(
        torch.nn.Linear(features, hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, 1),
    )


def _layers(network: Any) -> list[Any]:
    import torch

    return [layer for layer in network if isinstance(layer, torch.nn.Linear)]


def _fitted(network: Any, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> Fitted:
    import torch

    arrays: dict[str, NDArray[Any]] = {"mean": mean, "scale": scale}
    for at, layer in enumerate(_layers(network)):
        arrays[f"weights{at}"] = layer.weight.detach().numpy().copy()
        arrays[f"bias{at}"] = layer.bias.detach().numpy().copy()

    def predict(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            scores = network(torch.from_numpy((rows - mean) / scale))[:, 0]
        return np.asarray(scores.numpy())

    return Fitted("mlp", arrays, predict, _PARAMETERS)


def _train(network: Any, training: Training, standardised: NDArray[np.float32], steps: int) -> None:
    import torch

    rows = torch.from_numpy(standardised)
    time = torch.from_numpy(training.time.astype(np.float32))
    weight = torch.from_numpy(training.weight.astype(np.float32))
    batch = min(int(_PARAMETERS["batch"]), len(rows))
    rate = _PARAMETERS["learning_rate"]
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=_PARAMETERS["decay"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(rows), (batch,))
        optimiser.zero_grad()
        off = torch.nn.functional.huber_loss(
            network(rows[chosen])[:, 0], time[chosen], reduction="none"
        )
        (off * weight[chosen]).mean().backward()
        optimiser.step()
        schedule.step()
