"""One model from many, each trained by a node on its own log, which no row leaves.

Models whose score is linear in what they are made of are averaged exactly: the score of the average
is the average of the scores. These are linear models, and forests, whose trees are put together.
Neural networks are averaged weight by weight, which means something only of networks that went on
from the same one: so there are rounds, in each of which every node goes on from the last average
with its own rows (McMahan et al., *Communication-Efficient Learning of Deep Networks from
Decentralized Data*, AISTATS 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from augury.errors import ConfigurationError
from augury.learning.fits import load_fit
from augury.learning.native_threads import one_native_thread
from augury.learning.training import train
from augury.models import Artefact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.learning.lesson import Lesson

    Arrays = Mapping[str, NDArray[Any]]

_ROUNDS = 8
_BACKGROUND = 256  # rows kept for explanations


def federate(lessons: Sequence[Lesson], model: str, *, rounds: int = _ROUNDS) -> Artefact:
    """Train on each node's log and average: in one process, what nodes do by turns.

    Parameters
    ----------
    lessons
        One a node; at least one.
    model
        As for `augury.learn`.
    rounds
        Of a neural network: how often the nodes go on from the average. Others have one round.

    Returns
    -------
    Artefact
        The average.

    Raises
    ------
    LearningError
        If a node's log has too little in it to learn from.
    ConfigurationError
        If there is no lesson, or no model of that name.
    MissingExtraError
        If the library that fits the model is not installed.
    """
    if not lessons:
        raise ConfigurationError("federate needs the lesson of at least one node")
    if not hasattr(load_fit(model), "refine"):
        return average([train(lesson, model)[0] for lesson in lessons])
    artefact, _ = train(max(lessons, key=lambda lesson: lesson.stop), model)
    for number in range(rounds):
        artefact = average([refine(lesson, artefact, seed=number) for lesson in lessons])
    return artefact


def refine(lesson: Lesson, artefact: Artefact, *, seed: int = 1) -> Artefact:
    """Go on training a model with a node's own rows: the node's part of a round.

    Parameters
    ----------
    lesson
        Of the node's log.
    artefact
        The last average.
    seed
        Of the random choices in this round.

    Returns
    -------
    Artefact
        The node's, to be averaged with the others'.

    Raises
    ------
    ConfigurationError
        If it is a model that cannot be trained further: all but ``"mlp"`` of `augury.learn`.
    """
    fit = load_fit(artefact.card.model)
    further = getattr(fit, "refine", None)
    if further is None:
        raise ConfigurationError(
            f"a {artefact.card.model} model cannot be trained further; train one, and average"
        )
    training = lesson.training()
    with one_native_thread():
        fitted = further(training, artefact.arrays, seed)
    card = msgspec.structs.replace(
        artefact.card,
        data=lesson.name,
        created=_now(),
        requests=lesson.requests,
        period=(0, lesson.stop),
        rows=len(training.rows),
        censored=lesson.censored,
        horizon=lesson.horizon,
        scores={},
    )
    return Artefact(fitted.kind, dict(fitted.arrays), card, artefact.explanation)


def average(artefacts: Sequence[Artefact]) -> Artefact:
    """Return the average of models of one kind, each with the weight of the requests learned from.

    A random forest's average has as many trees as the largest of them, some of each; that of
    boosted trees has all trees of all, and costs a cache as many times more.

    Parameters
    ----------
    artefacts
        From `augury.learn`, `train` or `refine`; at least one.

    Raises
    ------
    ConfigurationError
        If they are of different kinds or features, are neural networks that do not go on from the
        same one, or one says that it has learned from nothing.
    """
    if not artefacts:
        raise ConfigurationError("average needs at least one model")
    first = artefacts[0]
    if len({(each.card.model, each.kind, each.features) for each in artefacts}) > 1:
        names = ", ".join(dict.fromkeys(each.card.model for each in artefacts))
        raise ConfigurationError(f"only models of one kind can be averaged, not {names}")
    learned = np.array([each.card.period[1] - each.card.period[0] for each in artefacts], float)
    if learned.min() <= 0:
        raise ConfigurationError("only models that have learned from requests can be averaged")
    shares = learned / learned.sum()
    cover = None
    if first.kind == "forest":
        thinned = _thinned(artefacts, shares) if first.card.model == "forest" else list(artefacts)
        arrays = _forests([each.arrays for each in thinned], shares)
        if all("cover" in each.explanation for each in thinned):
            cover = np.concatenate([each.explanation["cover"] for each in thinned])
    elif first.kind == "linear":
        arrays = _linear([each.arrays for each in artefacts], shares)
    else:
        arrays = _networks([each.arrays for each in artefacts], shares)
    explanation = _background(artefacts) | ({} if cover is None else {"cover": cover})
    return Artefact(first.kind, arrays, _card(artefacts, shares), explanation, first.features)


def _card(artefacts: Sequence[Artefact], shares: NDArray[np.float64]) -> Any:
    cards = [each.card for each in artefacts]
    intercept, slope = shares @ np.array([card.calibration for card in cards])
    return msgspec.structs.replace(
        cards[0],
        data=", ".join(dict.fromkeys(card.data for card in cards)),
        created=_now(),
        requests=sum(card.requests for card in cards),
        period=(0, sum(card.period[1] - card.period[0] for card in cards)),
        rows=sum(card.rows for card in cards),
        censored=float(shares @ [card.censored for card in cards]),
        horizon=max(card.horizon for card in cards),
        calibration=(float(intercept), float(slope)),
        scores={},
    )


def _background(artefacts: Sequence[Artefact]) -> dict[str, NDArray[Any]]:
    kept = [each.explanation.get("background") for each in artefacts]
    some = [rows for rows in kept if rows is not None]
    if not some:
        return {}
    rows = np.concatenate(some)
    chosen = np.random.default_rng(1).choice(len(rows), min(_BACKGROUND, len(rows)), replace=False)
    return {"background": rows[chosen]}


def _linear(parts: Sequence[Arrays], shares: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Average slopes and intercepts, with features as they are; then standardise again."""
    slopes = [part["weights"].astype(np.float64) / part["scale"] for part in parts]
    intercepts = [
        float(part["bias"][0]) - slope @ part["mean"].astype(np.float64)
        for part, slope in zip(parts, slopes, strict=True)
    ]
    mean, scale = (shares @ np.array([part[name] for part in parts]) for name in ("mean", "scale"))
    slope = shares @ np.array(slopes)
    made = {
        "weights": slope * scale,
        "bias": np.array([shares @ intercepts + slope @ mean]),
        "mean": mean,
        "scale": scale,
    }
    return {name: array.astype(np.float32) for name, array in made.items()}


def _networks(parts: Sequence[Arrays], shares: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    for name, array in parts[0].items():
        same = name not in {"mean", "scale"}
        if any(
            part.keys() != parts[0].keys()
            or (part[name].shape != array.shape if same else not np.array_equal(part[name], array))
            for part in parts
        ):
            raise ConfigurationError(
                "networks can be averaged only if they went on from the same one: see refine"
            )
    return {
        name: np.tensordot(shares, np.array([part[name] for part in parts]), 1).astype(np.float32)
        for name in parts[0]
    }


def _forests(parts: Sequence[Arrays], shares: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Put trees together, their values times the share of their forest."""
    joined: dict[str, list[NDArray[Any]]] = {name: [] for name in parts[0]}
    nodes = 0
    for part, share in zip(parts, shares, strict=True):
        for name in ("feature", "threshold"):
            joined[name].append(part[name])
        for name in ("left", "right"):
            joined[name].append(np.where(part[name] >= 0, part[name] + nodes, part[name]))
        joined["roots"].append(part["roots"] + nodes)
        joined["value"].append(part["value"] * np.float32(share))
        nodes += len(part["feature"])
    base = sum(part["base"] * np.float32(share) for part, share in zip(parts, shares, strict=True))
    whole = {name: np.concatenate(arrays) for name, arrays in joined.items() if arrays}
    types = {name: parts[0][name].dtype for name in whole}
    made = {name: array.astype(types[name]) for name, array in whole.items()}
    return made | {"base": np.asarray(base, np.float32), "features": parts[0]["features"]}


def _thinned(artefacts: Sequence[Artefact], shares: NDArray[np.float64]) -> list[Artefact]:
    """Keep some trees of each random forest, which is a smaller one: its trees are alike."""
    most = max(len(each.arrays["roots"]) for each in artefacts)
    return [
        _first_trees(each, max(1, round(most * share)))
        for each, share in zip(artefacts, shares, strict=True)
    ]


def _first_trees(artefact: Artefact, count: int) -> Artefact:
    arrays = artefact.arrays
    roots = arrays["roots"]
    if count >= len(roots):
        return artefact
    end = int(roots[count])
    kept = {name: arrays[name][:end] for name in ("feature", "threshold", "left", "right")}
    kept["value"] = arrays["value"][:end] * np.float32(len(roots) / count)
    kept |= {"roots": roots[:count], "base": arrays["base"], "features": arrays["features"]}
    explanation = dict(artefact.explanation)
    if "cover" in explanation:
        explanation["cover"] = explanation["cover"][:end]
    return Artefact(artefact.kind, kept, artefact.card, explanation, artefact.features)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
