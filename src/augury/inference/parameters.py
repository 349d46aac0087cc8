"""A model's parameters in a folder or in tiers, as safetensors.

In a folder they are mapped into memory: processes that load them share one copy, of which only what
is read takes room.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128

from augury.errors import ArtefactError, ConfigurationError, MissingExtraError
from augury.parameters import check_instance
from augury.tiers import Tiers

Where = Tiers[Any, Any] | str | os.PathLike[str]

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DTYPES = {
    "BOOL": np.dtype(bool),
    **{
        f"{kind}{8 * size}": np.dtype(f"<{kind.lower()}{size}")
        for kind, sizes in {"I": (1, 2, 4, 8), "U": (1, 2, 4, 8), "F": (2, 4, 8)}.items()
        for size in sizes
    },
}


def save_parameters(where: Where, name: str, arrays: Mapping[str, Any]) -> str:
    """Save arrays by their names, in place of those saved under this name before.

    Parameters
    ----------
    where
        A folder, or `Tiers`: there they are one entry, which the tiers have to have room for.
    name
        Of the model: letters, digits, ``_``, ``-`` and ``.``.
    arrays
        Arrays of numbers, or what NumPy makes such of, such as a torch module's ``state_dict()``
        in the CPU's memory.

    Returns
    -------
    The fingerprint of what was saved.

    Raises
    ------
    ConfigurationError
        If a name, or what goes by it, cannot be saved.
    MissingExtraError
        If the package ``safetensors`` is not installed.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> fingerprint = save_parameters(folder, "model", {"weight": np.ones((2, 3), np.float32)})
    >>> load_parameters(folder, "model", fingerprint)["weight"].sum()
    np.float32(6.0)
    """
    try:
        from safetensors.numpy import save
    except ImportError:
        raise MissingExtraError("safetensors", "codecs") from None
    _check(name)
    check_instance("arrays", arrays, Mapping)
    dense = {}
    for key, value in arrays.items():
        check_instance("the name of an array", key, str)
        if isinstance(value, np.ma.MaskedArray):
            raise ConfigurationError(f"array {key!r} is masked, and masks are not saved")
        try:
            array = np.asarray(value)
        except (TypeError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigurationError(f"array {key!r} is not saved: {reason}") from error
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
        if array.dtype not in _DTYPES.values():
            raise ConfigurationError(f"array {key!r} is of {array.dtype}, which is not saved")
        dense[key] = array
    fingerprint = _fingerprint(dense)
    data = save(dense, {"fingerprint": fingerprint})
    if isinstance(where, Tiers):
        where.set(_key(name), data)
        return fingerprint
    folder = Path(where)
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / f".{name}-{uuid.uuid4().hex}"
    try:
        written.write_bytes(data)
        written.replace(_path(where, name))
    finally:
        written.unlink(missing_ok=True)
    return fingerprint


def load_parameters(
    where: Where, name: str, fingerprint: str | None = None
) -> dict[str, NDArray[Any]]:
    """Load what was saved under a name; nothing is copied but what a tier has to.

    Parameters
    ----------
    where, name
        As of `save_parameters`.
    fingerprint
        What they have to be; None (the default): whatever was saved last.

    Returns
    -------
    Arrays that cannot be written to. They stay as they are, whatever is saved later.

    Raises
    ------
    ArtefactError
        If there are none, they are damaged, or of another fingerprint.
    """
    _check(name)
    data: Any
    if isinstance(where, Tiers):
        data = where.get(_key(name))
        if not isinstance(data, bytes):
            raise ArtefactError(f"the tiers hold no parameters {name!r}")
    else:
        try:
            with _path(where, name).open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file
            raise ArtefactError(f"{_path(where, name)} cannot be read: {error}") from error
    try:
        arrays, said = _read(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtefactError(f"the parameters {name!r} are damaged") from error
    found = _fingerprint(arrays)
    if found != said:
        raise ArtefactError(f"the parameters {name!r} are damaged")
    if fingerprint is not None and found != fingerprint:
        raise ArtefactError(f"the parameters {name!r} are {found}, not {fingerprint}")
    return arrays


def _read(data: Any) -> tuple[dict[str, NDArray[Any]], str]:
    """Return views of the arrays in a safetensors file, and the fingerprint it has with it."""
    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8:
        raise ValueError("the header ends behind the file")
    header = json.loads(data[8 : 8 + size])
    said = header.pop("__metadata__")["fingerprint"]
    arrays = {}
    for key, each in header.items():
        dtype, (start, end) = _DTYPES[each["dtype"]], each["data_offsets"]
        if not 0 <= start <= end <= len(data) - 8 - size:
            raise ValueError("an array ends behind the file")
        part = np.frombuffer(data, np.uint8, end - start, 8 + size + start)
        arrays[key] = part.view(dtype).reshape(each["shape"])
    return arrays, said


def _fingerprint(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = xxh3_128(b"augury parameters")
    for key, array in sorted(arrays.items()):
        digest.update(repr((key, array.dtype.str, array.shape)).encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _check(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigurationError(f"a name is of letters, digits, _, - and ., not {name!r}")


def _path(where: str | os.PathLike[str], name: str) -> Path:
    return Path(where) / f"{name}.safetensors"


def _key(name: str) -> str:
    return f"augury parameters {name}"
