"""Drained accesses to rows of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.accesslog.key_columns import key_columns
from augury.accesslog.record import ATTRIBUTE, OPERATIONS, pyarrow
from augury.accesslog.session_column import SESSION, session_column

Attribute = ContextVar[Any] | Callable[[Any], object]
"""Where a request's attribute comes from: a context variable, or a function of the key."""


class Rows:
    """Makes rows of accesses and the objects that came with them.

    Parameters
    ----------
    attributes
        Names of attributes, and where they come from.
    secret
        See `key_columns`.
    """

    def __init__(self, attributes: Mapping[str, Attribute], secret: bytes) -> None:
        self._pa = pyarrow()
        self._secret = secret
        self._attributes = dict(attributes)
        self.variables = tuple(v for v in attributes.values() if isinstance(v, ContextVar))
        """The attributes that are read with each access, in the order of its objects."""

    def batch(
        self, objects: Sequence[Sequence[Any]], accesses: NDArray[np.void], offset: int
    ) -> Any:
        """Return an Arrow batch of the accesses whose keys have an encoding.

        Parameters
        ----------
        objects
            The keys, the sessions and the values of each of `variables`, aligned with the
            accesses.
        accesses
            An array of `ACCESS`.
        offset
            What is added to its times.
        """
        pa = self._pa
        keys, good = key_columns(pa, objects[0], self._secret)
        size = accesses["size"]
        latency = accesses["latency"]
        operations = pa.DictionaryArray.from_arrays(
            pa.array(accesses["operation"].astype(np.int8)), pa.array(OPERATIONS)
        )
        columns = {
            "time": pa.array(accesses["time"] + offset).cast(pa.timestamp("ns", "UTC")),
            "sequence": pa.array(accesses["sequence"]),
            "operation": operations,
            **keys,
            SESSION: session_column(pa, objects[1], self._secret),
            "hit": pa.array(accesses["hit"]),
            "size": pa.array(size, mask=size == 0),
            "latency": pa.array(latency, mask=latency < 0).cast(pa.duration("ns")),
        }
        values = dict(zip(self.variables, objects[2:], strict=True))
        for name, source in self._attributes.items():
            column = (
                values[source]
                if isinstance(source, ContextVar)
                else [_ask(source, key) for key in objects[0]]
            )
            columns[ATTRIBUTE + name] = pa.array(list(map(_text, column)), pa.string())
        batch = pa.RecordBatch.from_pydict(columns)
        return batch if good.all() else batch.filter(pa.array(good))


def _ask(function: Callable[[Any], object], key: object) -> object:
    try:
        return function(key)
    except Exception:  # an attribute that a key has not got
        return None


def _text(value: object) -> str | None:
    if value is None:
        return None
    try:
        return str(value).encode("utf-8", "replace").decode()
    except Exception:
        return None
