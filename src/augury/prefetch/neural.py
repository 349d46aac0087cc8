"""A recurrent neural network that says which key comes next, to compare the predictors with.

It learns from a part of a trace, ahead of time and in bulk, which is why no live cache runs it: the
predictors of the catalogue learn from each request, and cost less than a thousandth.

B. Hidasi, A. Karatzoglou, L. Baltrunas, D. Tikk, "Session-based recommendations with recurrent
neural networks", ICLR 2016; K. Cho et al., "Learning phrase representations using RNN
encoder-decoder for statistical machine translation", EMNLP 2014 (the GRU).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from augury.errors import ConfigurationError, LearningError, MissingExtraError
from augury.learning.torch_threads import one_thread
from augury.parameters import check_integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = np.uint32(0xFFFFFFFF)
"""In `Proposals.ids`, where there is no proposal."""

_EMBEDDING = 64
_BUCKETS = 256  # that the rarer keys share as inputs
_WINDOW = 64  # requests that are learned from at once
_CONTEXT = 32  # requests before these, to begin with
_BATCH = 16  # windows
_RATE = 4e-3
_MOST = 8


@dataclass(frozen=True, slots=True)
class Proposals:
    """Which keys may come next after each request, the likeliest first."""

    ids: NDArray[np.uint32]
    """A row a request, with `NOTHING` where there are fewer."""
    probabilities: NDArray[np.float32]
    """Of the same shape."""


class NeuralPredictor:
    """Predicts the next keys of a session by a GRU. From `fit_neural`.

    It proposes keys only that were frequent when it was trained.
    """

    def __init__(self, network: Any, frequent: NDArray[np.uint32], distinct: int) -> None:
        self._network = network
        self._frequent = frequent
        # Inputs: 0 is none, then the frequent keys, then the buckets of the others.
        self._input = np.zeros(distinct, np.int64)
        self._input[frequent] = np.arange(1, len(frequent) + 1)

    def predict(
        self, ids: NDArray[np.uint32], sessions: NDArray[np.uint32] | None = None, *, most: int = 4
    ) -> Proposals:
        """Propose what comes after each request, from the requests before it in its session.

        Parameters
        ----------
        ids
            The keys of the requests in order, numbered as in training; new numbers are new keys.
        sessions
            Who asked, by request; one session by default.
        most
            Proposals a request, from 1 to 8.

        Raises
        ------
        ConfigurationError
            If the arrays do not fit each other, or `most` makes no sense.
        """
        import torch

        check_integer("most", most)
        if most > _MOST:
            raise ConfigurationError(f"most must be at most {_MOST}, not {most}")
        ids, order = _ordered(ids, sessions)
        inputs = self.inputs(ids)
        guessed = np.full((len(ids), most), NOTHING)
        probabilities = np.zeros((len(ids), most), np.float32)
        shown = min(most, len(self._frequent))
        with one_thread(), torch.no_grad():
            for rows, fresh in _windows(order):
                asked = torch.from_numpy(np.where(rows < 0, 0, inputs[rows]))
                logits = self._network(asked)[torch.from_numpy(fresh)]
                chances = torch.softmax(logits, 1)[:, 1:]  # the first: none of these
                at = rows[fresh]
                again = inputs[at] - 1  # the key itself is no proposal
                known = (again >= 0) & (again < len(self._frequent))
                chances[np.flatnonzero(known), again[known]] = 0
                best = torch.topk(chances, shown)
                guessed[at, :shown] = self._frequent[best.indices.numpy()]
                probabilities[at, :shown] = best.values.numpy()
        guessed[probabilities <= 0] = NOTHING
        return Proposals(guessed, probabilities)

    def inputs(self, ids: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return what the network knows each key by."""
        rare = 1 + len(self._frequent) + ids.astype(np.int64) % _BUCKETS
        known = ids < len(self._input)
        number = self._input[np.where(known, ids, 0)]
        return np.where(known & (number != 0), number, rare)


def fit_neural(
    ids: NDArray[np.uint32],
    sessions: NDArray[np.uint32] | None = None,
    *,
    keys: int = 4096,
    hidden: int = 96,
    epochs: int = 6,
    seed: int = 1,
) -> NeuralPredictor:
    """Train a GRU to predict the next key of a session, on one processor.

    Parameters
    ----------
    ids
        The keys of the requests in order, numbered.
    sessions
        Who asked, by request; one session by default.
    keys
        How many keys, the most frequent, it may propose; the others are told apart roughly.
    hidden
        Numbers that it keeps of a session.
    epochs
        How often it sees each request.
    seed
        Of its first weights and of the order of training.

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    LearningError
        If no two different keys follow each other in a session.
    ConfigurationError
        If a parameter makes no sense.
    """
    for name, value in (("keys", keys), ("hidden", hidden), ("epochs", epochs)):
        check_integer(name, value)
    check_integer("seed", seed, least=0)
    ids, order = _ordered(ids, sessions)
    target = _next_of(ids, order)
    if not np.any((target >= 0) & (target != ids)):
        raise LearningError("no two different keys follow each other in a session: nothing to fit")
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "torch") from error
    frequency = np.bincount(ids)
    chosen = np.argsort(-frequency, kind="stable")[:keys]
    frequent = chosen[frequency[chosen] > 0].astype(np.uint32)
    with torch.random.fork_rng(devices=[]), one_thread():  # nobody else's random numbers change
        torch.manual_seed(seed)
        network = _network(len(frequent), hidden)
        predictor = NeuralPredictor(network, frequent, len(frequency))
        # Outputs: 0 is any other key, then the frequent ones; -1 is not learned from.
        wanted = predictor.inputs(np.maximum(target, 0).astype(np.uint32))
        wanted[wanted > len(frequent)] = 0
        wanted[target < 0] = -1
        _train(network, predictor.inputs(ids), wanted, list(_windows(order)), epochs, seed)
    return predictor


def _ordered(
    ids: NDArray[np.uint32], sessions: NDArray[np.uint32] | None
) -> tuple[NDArray[np.uint32], list[NDArray[np.int64]]]:
    """Check the requests, and return the places of each session's in their order."""
    for name, array in (("ids", ids), ("sessions", sessions)):
        if array is not None and (
            not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in "iu"
        ):
            raise ConfigurationError(f"{name} must be a one-dimensional array of integers")
    if len(ids) and int(ids.min()) < 0:
        raise ConfigurationError("ids must not be negative: number the keys from 0")
    if sessions is None:
        return ids, [np.arange(len(ids))]
    if len(sessions) != len(ids):
        raise ConfigurationError(
            f"ids and sessions must have the same length, not {len(ids)} and {len(sessions)}"
        )
    order = np.argsort(sessions, kind="stable")
    return ids, np.split(order, np.flatnonzero(np.diff(sessions[order])) + 1)


def _next_of(ids: NDArray[np.uint32], order: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the next key of each request's session, or -1."""
    following = np.full(len(ids), -1, np.int64)
    for places in order:
        following[places[:-1]] = ids[places[1:]]
    return following


def _windows(
    order: list[NDArray[np.int64]],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Yield batches of places of consecutive requests of a session, filled up with -1.

    And which of them are not there only to begin with. Nothing is behind what it could tell.
    """
    pieces = [
        (places[max(start - _CONTEXT, 0) : start + _WINDOW], min(start, _CONTEXT))
        for places in order
        for start in range(0, len(places), _WINDOW)
    ]
    pieces.sort(key=lambda piece: len(piece[0]))  # so that little is filled up
    for start in range(0, len(pieces), _BATCH):
        batch = pieces[start : start + _BATCH]
        rows = np.full((len(batch), len(batch[-1][0])), -1, np.int64)
        fresh = np.zeros(rows.shape, bool)
        for at, (places, context) in enumerate(batch):
            rows[at, : len(places)] = places
            fresh[at, context : len(places)] = True
        yield rows, fresh


def _network(keys: int, hidden: int) -> Any:
    import torch

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(1 + keys + _BUCKETS, _EMBEDDING, padding_idx=0)
            self.gru = torch.nn.GRU(_EMBEDDING, hidden, batch_first=True)
            self.output = torch.nn.Linear(hidden, 1 + keys)

        def forward(self, asked: Any) -> Any:
            states, _ = self.gru(self.embedding(asked))
            return self.output(states)

    return Network()


def _train(
    network: Any,
    inputs: NDArray[np.int64],
    wanted: NDArray[np.int64],
    batches: list[tuple[NDArray[np.int64], NDArray[np.bool_]]],
    epochs: int,
    seed: int,
) -> None:
    import torch

    optimiser = torch.optim.AdamW(network.parameters(), _RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, _RATE, total_steps=epochs * len(batches)
    )
    random = np.random.default_rng(seed)
    for _ in range(epochs):
        for at in random.permutation(len(batches)):
            rows, fresh = batches[at]
            optimiser.zero_grad()
            logits = network(torch.from_numpy(np.where(rows < 0, 0, inputs[rows])))
            loss = torch.nn.functional.cross_entropy(
                logits[torch.from_numpy(fresh)],
                torch.from_numpy(wanted[rows[fresh]]),
                ignore_index=-1,
                reduction="sum",
            )
            (loss / max(int((wanted[rows[fresh]] >= 0).sum()), 1)).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
