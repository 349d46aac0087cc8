"""The models of answers in one file, for other processes: nothing in it is code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from augury.answers.calibration import Conformal
from augury.answers.fits import restore_estimator
from augury.answers.model import Model
from augury.answers.query import Query
from augury.answers.region import Dimension, Vocabulary
from augury.answers.target import KINDS, Target
from augury.answers.watch import Watch
from augury.codecs import Serializer
from augury.errors import ArtefactError, AuguryError
from augury.models.container import ArrayReader, Container, Described, save

_FILE = Container(
    b"AUGURYAN",
    1,
    ("<f4", "<f8", "<i4", "<i8", "|b1"),
    "a set of models of answers",
    "Answers.learn",
    "learn again with: Answers.learn",
)


class _Stored(msgspec.Struct, frozen=True):
    query: str
    counts: bool
    family: str
    dimensions: tuple[Dimension, ...]
    vocabulary: bytes
    """The values of each dimension's categories by number, and the labels, encoded so that types
    are kept."""
    target: Target
    fit: str
    confidence: float
    time: float
    oldest: float
    examples: int
    estimator: tuple[Described, ...]
    calibration: tuple[Described, ...]


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model, and what a query has to be like to be answered by it."""

    query: str
    family: str
    dimensions: tuple[Dimension, ...]
    confidence: float
    model: Model
    counts: bool = False
    """Whether it infers how many rows a group has, rather than the answers."""

    def fits(self, query: Query) -> bool:
        """Return whether it estimates what a query asks. Those of one tenant take no other's."""
        return (
            type(query) is Query
            and self.query == query.name
            and self.family == query.family.name
            and self.dimensions == query.family.dimensions
            and (self.counts or self.model.target == query.target)
        )


@dataclass(frozen=True, slots=True)
class StoredModels:
    """Models of several queries, as they are published and read again.

    `augury.models.Registry` keeps them; `load_models` reads them.
    """

    models: tuple[StoredModel, ...]

    @classmethod
    def of(cls, queries: Iterable[Query]) -> StoredModels:
        """Return the models that these queries have by now, but for those that are private."""
        return cls(
            tuple(
                StoredModel(
                    each.name,
                    each.family.name,
                    each.family.dimensions,
                    each.confidence,
                    model,
                    counts,
                )
                for each in queries
                if type(each) is Query
                for counts, model in ((False, each.model), (True, each.counts))
                if model is not None
            )
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file as a whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        save(self.to_bytes(), path)

    def to_bytes(self) -> bytes:
        """Return what `save` writes."""
        headers: list[_Stored] = []
        arrays: list[NDArray[Any]] = []
        for each in self.models:
            model = each.model
            estimator, calibration = model.estimator.arrays(), model.calibration.arrays()
            values = [list(each) for each in (*model.vocabulary.values, model.vocabulary.labels)]
            headers.append(
                _Stored(
                    each.query,
                    each.counts,
                    each.family,
                    each.dimensions,
                    Serializer().dumps(values),
                    model.target,
                    model.fit,
                    each.confidence,
                    model.time,
                    model.oldest,
                    model.examples,
                    _described(estimator),
                    _described(calibration),
                )
            )
            arrays += [*_little(estimator).values(), *_little(calibration).values()]
        return _FILE.pack(msgspec.msgpack.encode(headers), arrays)


def load_models(path: str | os.PathLike[str]) -> StoredModels:
    """Read models that `StoredModels.save` wrote.

    Reading runs no code from the file.

    Raises
    ------
    ArtefactError
        If it is no such file, of another version, truncated or damaged, or its arrays make no
        models.
    OSError
        If it cannot be read.
    """
    name = str(path)
    encoded, reader = _FILE.unpack(_FILE.read(path), name)
    try:
        headers = msgspec.msgpack.decode(encoded, type=list[_Stored])
        return StoredModels(tuple(_restored(each, reader) for each in headers))
    except (
        *(msgspec.MsgspecError, AuguryError, ArithmeticError, AssertionError),
        *(LookupError, RecursionError, TypeError, ValueError),
    ) as error:
        raise ArtefactError(f"{name}: cannot be read ({error}); {_FILE.remedy}") from error


def _restored(stored: _Stored, reader: ArrayReader) -> StoredModel:
    if stored.target.kind not in KINDS:
        raise ValueError(f"there is no target of kind {stored.target.kind}")
    vocabulary = Vocabulary(stored.dimensions)
    values = Serializer().loads(stored.vocabulary)
    *categories, vocabulary.labels = (
        {value: number for number, value in enumerate(each)} for each in values
    )
    vocabulary.values = tuple(categories)
    arrays = {each.name: reader.array(each) for each in stored.estimator}
    estimator = restore_estimator(stored.fit, arrays, stored.target)
    arrays = {each.name: reader.array(each) for each in stored.calibration}
    calibration = Conformal.restore(arrays)
    if len(vocabulary.values) != len(stored.dimensions):
        raise ValueError("its categories are of other dimensions")
    # Arrays that do not fit each other show now, not when somebody asks.
    box = ((0.0, 0.0),) * len(stored.dimensions)
    estimator.estimate(np.array([box]))
    estimator.estimate_one(box)
    calibration.half_width(0.0, 1.0, stored.confidence)
    model = Model(
        stored.fit,
        stored.target,
        estimator,
        calibration,
        vocabulary,
        Watch(stored.confidence),
        stored.time,
        stored.examples,
        oldest=stored.oldest,
    )
    return StoredModel(
        stored.query,
        stored.family,
        stored.dimensions,
        stored.confidence,
        model,
        stored.counts,
    )


def _little(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays with the order of bytes that the file has."""
    return {
        name: np.asarray(array, array.dtype.newbyteorder("<")) for name, array in arrays.items()
    }


def _described(arrays: Mapping[str, NDArray[Any]]) -> tuple[Described, ...]:
    return tuple(
        Described(name, array.dtype.str, array.shape) for name, array in _little(arrays).items()
    )
