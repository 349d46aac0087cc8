"""A trained model in one file: what scores rows, and a card that says where it comes from.

The file is made of a fixed prefix, a MessagePack header, the raw arrays and a checksum, and holds
no code: reading one runs nothing that its author wrote.

====== ========================================================================
bytes  what
====== ========================================================================
8      magic, ``AUGURYML``
4      version of the format, little-endian, as are all numbers
4      length of the header
8      length of the whole file
...    header (MessagePack): kind, features, card, names, types and shapes of the arrays
...    the arrays, one after the other, in the header's order
32     BLAKE2b of all that comes before
====== ========================================================================
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from stat import S_ISREG
from struct import Struct
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from augury import _native, features
from augury.errors import ArtefactError
from augury.models.card import ModelCard

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"AUGURYML"
FORMAT = 1
"""Version of the format that this Augury writes, and the only one that it reads."""

UNFINISHED = ".augury-"
"""What the name of a file begins with as long as it is written."""

_PREFIX = Struct("<8sIIQ")
_CHECKSUM = 32
_MOST = 1 << 30  # bytes: the largest forest has less than half of that
_NAMES = tuple(feature.name for feature in features.FEATURES)
_DTYPES = ("<f4", "<i4")
_REMEDY = "train it again with: augury learn"


class _Array(msgspec.Struct, frozen=True):
    name: str
    dtype: str
    shape: tuple[int, ...]


class _Header(msgspec.Struct, frozen=True):
    kind: str
    features: tuple[str, ...]
    schema: str
    card: ModelCard
    arrays: tuple[_Array, ...]
    explanation: tuple[_Array, ...]


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
        """Write the file as a whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        path = Path(path)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=UNFINISHED, delete=False) as file:
            try:
                file.write(self.to_bytes())
                file.flush()
                os.fsync(file.fileno())
                os.chmod(file.name, 0o644)  # a temporary file is its owner's alone
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise

    def to_bytes(self) -> bytes:
        """Return what `save` writes."""
        arrays, explanation = _described(self.arrays), _described(self.explanation)
        header = msgspec.msgpack.encode(
            _Header(self.kind, self.features, features.schema(), self.card, arrays, explanation)
        )
        body = b"".join(
            np.ascontiguousarray(each[array.name], array.dtype).tobytes()
            for each, described in ((self.arrays, arrays), (self.explanation, explanation))
            for array in described
        )
        length = _PREFIX.size + len(header) + len(body) + _CHECKSUM
        content = _PREFIX.pack(MAGIC, FORMAT, len(header), length) + header + body
        return content + blake2b(content, digest_size=_CHECKSUM).digest()


def _described(arrays: Mapping[str, NDArray[Any]]) -> tuple[_Array, ...]:
    return tuple(
        _Array(name, _DTYPES[array.dtype.kind in "iu"], array.shape)
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

    Raises
    ------
    ArtefactError
        If it is no model's file, of another version, truncated, damaged, or its rows have other
        features than this Augury computes.
    OSError
        If it cannot be read.
    """
    # Before it is opened: a pipe would wait for someone to write, and a device may never end.
    if not S_ISREG(os.stat(path).st_mode) and not Path(path).is_dir():
        raise ArtefactError(f"{path}: is not a file; make a model with: augury learn")
    with open(path, "rb") as file:
        content = file.read(_PREFIX.size)
        # Only what begins as a model is read, and no more than it needs and one byte to tell.
        if content.startswith(MAGIC) and len(content) == _PREFIX.size:
            length = min(_PREFIX.unpack(content)[-1], _MOST, os.fstat(file.fileno()).st_size)
            content += file.read(max(0, length - _PREFIX.size) + 1)
        return from_bytes(content, str(path))


def from_bytes(content: bytes, name: str = "the model") -> Artefact:
    """Read what `Artefact.to_bytes` returned; `name` is what errors call it."""
    if content[: len(MAGIC)] != MAGIC:
        raise ArtefactError(f"{name}: is not a model of Augury; make one with: augury learn")
    if len(content) < _PREFIX.size:
        raise ArtefactError(f"{name}: is truncated; copy it again, or {_REMEDY}")
    _, version, header_length, length = _PREFIX.unpack_from(content)
    if version != FORMAT:
        raise ArtefactError(
            f"{name}: is of format version {version}, and this Augury reads {FORMAT}; {_REMEDY}"
        )
    if length > _MOST:
        raise ArtefactError(f"{name}: is damaged (no model has {length:,} bytes); {_REMEDY}")
    if len(content) < length:
        raise ArtefactError(
            f"{name}: is truncated ({len(content):,} of {length:,} bytes); copy it again, "
            f"or {_REMEDY}"
        )
    checked = content[:-_CHECKSUM]
    if blake2b(checked, digest_size=_CHECKSUM).digest() != content[-_CHECKSUM:]:
        raise ArtefactError(f"{name}: is damaged (its checksum differs); {_REMEDY}")
    body = _PREFIX.size + header_length
    try:
        header = msgspec.msgpack.decode(checked[_PREFIX.size : body], type=_Header)
        reader = _Reader(checked, body)
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


class _Reader:
    """Takes one array after the other from the body of a file."""

    def __init__(self, content: bytes, start: int) -> None:
        self._content = content
        self._at = start

    def array(self, described: _Array) -> NDArray[Any]:
        if described.dtype not in _DTYPES:
            raise ValueError(f"array {described.name} is of type {described.dtype}")
        count = int(np.prod(described.shape, dtype=object)) if described.shape else 1
        size = count * 4
        if count < 0 or self._at + size > len(self._content):
            raise ValueError(f"array {described.name} is longer than the file")
        array = np.frombuffer(self._content, described.dtype, count, self._at)
        self._at += size
        return array.reshape(described.shape)


def _other_features(names: tuple[str, ...]) -> str:
    if absent := [name for name in names if name not in _NAMES]:
        return f"its rows have features unknown here ({', '.join(absent)})"
    if absent := [name for name in _NAMES if name not in names]:
        return f"its rows lack features ({', '.join(absent)})"
    return "its rows have the same features, computed otherwise"
