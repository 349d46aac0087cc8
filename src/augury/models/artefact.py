"""A trained model in one file: what scores rows, and a card that says where it comes from.

container.py says what the file is made of. It holds no code: reading one runs nothing that its
author wrote.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from augury import _native, features
from augury.errors import ArtefactError
from augury.models.card import ModelCard
from augury.models.container import Container, Described, save

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAMES = tuple(feature.name for feature in features.FEATURES)
_DTYPES = ("<f4", "<i4")
_REMEDY = "train it again with: augury learn"
_FILE = Container(b"AUGURYML", 1, _DTYPES, "a model of Augury", "augury learn", _REMEDY)


class _Header(msgspec.Struct, frozen=True):
    kind: str
    features: tuple[str, ...]
    schema: str
    card: ModelCard
    arrays: tuple[Described, ...]
    explanation: tuple[Described, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Artefact:
    """A frozen model and its card.

    Made by `augury.learn`, or read by `augury.load_model`. Its arrays must not be written to.
    """

    kind: str
    """What scores: ``"forest"``, ``"linear"`` or ``"mlp"``."""
    arrays: Mapping[str, NDArray[Any]]
    """What the native model is made of, by name."""
    card: ModelCard
    """Where the model comes from and how good it is."""
    explanation: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """What only explanations need: ``background``, rows to compare with, and of a forest
    ``cover``, the training rows of each node."""
    features: tuple[str, ...] = field(default_factory=lambda: _NAMES)
    """Names of a row's columns, in order."""

    def __repr__(self) -> str:
        return f"<Artefact {self.card.model} ({self.kind}) of {self.card.data}>"

    @cached_property
    def native(self) -> _native.Model:
        """The model that scores, as the cache uses it.

        Raises
        ------
        ArtefactError
            If the arrays make no model.
        """
        try:
            return _native.Model(self.kind, dict(self.arrays))
        except (TypeError, ValueError) as error:
            raise ArtefactError(f"the model's arrays make no {self.kind}: {error}") from error

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Predict when keys are asked for again.

        Parameters
        ----------
        rows
            One row of `features` a key, from `augury.features`.

        Returns
        -------
        array of float32
            Of each row, the logarithm to base 2 of the time to its key's next request, in times
            that entries stay in the cache: 0 if LRU would just not keep it for so long.
        """
        return self.native.score(np.ascontiguousarray(rows, np.float32))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file `path` as a whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        save(self.to_bytes(), path)

    def to_bytes(self) -> bytes:
        """Return what `save` writes."""
        arrays, explanation = _described(self.arrays), _described(self.explanation)
        header = msgspec.msgpack.encode(
            _Header(self.kind, self.features, features.schema(), self.card, arrays, explanation)
        )
        return _FILE.pack(
            header,
            (
                np.asarray(each[array.name], array.dtype)
                for each, described in ((self.arrays, arrays), (self.explanation, explanation))
                for array in described
            ),
        )


def _described(arrays: Mapping[str, NDArray[Any]]) -> tuple[Described, ...]:
    return tuple(
        Described(name, _DTYPES[array.dtype.kind in "iu"], array.shape)
        for name, array in arrays.items()
    )


def load_model(path: str | os.PathLike[str]) -> Artefact:
    """Read a model from a file that `Artefact.save` or ``augury learn`` wrote.

    Reading runs no code from the file. What is read was checked against its checksum, and its
    arrays make a model.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Artefact
        The model and its card.

    Raises
    ------
    ArtefactError
        If it is no model's file, of another version, truncated, damaged, or its rows have other
        features than this Augury computes.
    OSError
        If it cannot be read.
    """
    return from_bytes(_FILE.read(path), str(path))


def from_bytes(content: bytes, name: str = "the model") -> Artefact:
    """Read what `Artefact.to_bytes` returned.

    Parameters
    ----------
    content
        The bytes.
    name
        What errors call them.

    Returns
    -------
    Artefact
        The model and its card.

    Raises
    ------
    ArtefactError
        If they are damaged, of another version, or for other features.
    """
    encoded, reader = _FILE.unpack(content, name)
    try:
        header = msgspec.msgpack.decode(encoded, type=_Header)
        arrays = {each.name: reader.array(each) for each in header.arrays}
        explanation = {each.name: reader.array(each) for each in header.explanation}
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ArtefactError(f"{name}: cannot be read ({error}); {_REMEDY}") from error
    if header.schema != features.schema():
        raise ArtefactError(f"{name}: {_other_features(header.features)}; {_REMEDY}")
    artefact = Artefact(header.kind, arrays, header.card, explanation, header.features)
    try:
        made = artefact.native
        _check_explanation(artefact)
    except ArtefactError as error:
        raise ArtefactError(f"{name}: {error}; {_REMEDY}") from error
    if made.features != len(artefact.features):
        raise ArtefactError(f"{name}: its model takes {made.features} features, and names others")
    return artefact


def _check_explanation(artefact: Artefact) -> None:
    """Raise an `ArtefactError` unless explanations can be made of what is there for them."""
    background, cover = map(artefact.explanation.get, ("background", "cover"))
    if background is not None and not (
        background.ndim == 2
        and len(background) > 0
        and background.shape[1] == len(artefact.features)
        and np.isfinite(background).all()
    ):
        raise ArtefactError("the rows kept to explain the model by are no rows of its features")
    if cover is not None and not (
        artefact.kind == "forest"
        and cover.shape == artefact.arrays["feature"].shape
        and np.isfinite(cover).all()
        and (cover > 0).all()
    ):
        raise ArtefactError("the rows counted to explain the model by are not those of its nodes")
    if not np.isfinite(artefact.card.calibration).all():
        raise ArtefactError("the calibration of the model's probabilities is not finite")


def _other_features(names: tuple[str, ...]) -> str:
    if absent := [name for name in names if name not in _NAMES]:
        return f"its rows have features unknown here ({', '.join(absent)})"
    if absent := [name for name in _NAMES if name not in names]:
        return f"its rows lack features ({', '.join(absent)})"
    return "its rows have the same features, computed otherwise"
