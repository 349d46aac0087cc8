"""One model from the logs of many nodes: each sends a bounded sample of rows, never a key.

A row says how a key behaved, in units of how long entries stay in that node's cache, so rows of
large and small nodes mean the same. Each node labels its own, by its own requests; a node that
sampled a smaller share of its requests has its rows count for more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from augury import features
from augury.errors import ArtefactError, ConfigurationError, LearningError
from augury.features import FEATURES, Rows
from augury.learning import labels
from augury.learning.lesson import QUARTERS, Lesson
from augury.models.container import Container, Described
from augury.policies import check_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WIDEST = 127.0
"""Beyond all features, which are octaves, shares and cosines, and within what exp2 takes."""
_LONGEST = 64.0
"""The label of as many requests as can be counted."""
_DTYPES = {"X": "<f4", "label": "<f4", "censored": "|u1", "index": "<u8"}
_FILE = Container(
    b"AUGURYLE",
    1,
    tuple(dict.fromkeys(_DTYPES.values())),
    "a sample of a log",
    "augury.learning.pack",
    "have its node send it again",
)


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """The lessons of several nodes, from which `train` makes one model.

    Parameters
    ----------
    lessons
        One a node, from `prepare` or `unpack`; at least one.

    Raises
    ------
    LearningError
        If there is no lesson.

    Examples
    --------
    >>> from augury.accesslog import Spool, requests_of
    >>> from augury.learning import prepare
    >>> with Spool(requests_of([1, 2, 1, 3] * 100)) as spool:
    ...     lesson = prepare(spool, until=1.0)
    >>> pooled = Pooled((lesson, unpack(pack(lesson))))
    >>> pooled.requests
    800
    """

    lessons: tuple[Lesson, ...]

    def __post_init__(self) -> None:
        if not self.lessons:
            raise LearningError("no node has sent anything to learn from")

    @property
    def name(self) -> str:
        """Of all traces."""
        return ", ".join(dict.fromkeys(lesson.name for lesson in self.lessons))

    @property
    def requests(self) -> int:
        """Of all traces together."""
        return sum(lesson.requests for lesson in self.lessons)

    @property
    def stop(self) -> int:
        """Requests that are learned from, of all traces together."""
        return sum(lesson.stop for lesson in self.lessons)

    @property
    def seed(self) -> int:
        """Of all random choices."""
        return self.lessons[0].seed

    @property
    def horizon(self) -> float:
        """Requests of a node beyond which no next access is told apart from never: the longest."""
        return max(lesson.horizon for lesson in self.lessons)

    @property
    def censored(self) -> float:
        """Share of the rows of which the end of a node's period hides the next request."""
        return float(np.concatenate([lesson.past.censored for lesson in self.lessons]).mean())

    def training(self, quarters: int = QUARTERS) -> labels.Training:
        """Return the rows of all nodes that have enough; `quarters` as of `Lesson.training`.

        Raises
        ------
        LearningError
            If no node has enough.
        """
        parts, requests, failed = [], [], None
        for lesson in self.lessons:
            try:
                parts.append(lesson.training(quarters))
            except LearningError as error:
                failed = error
            else:
                requests.append(lesson.stop)
        if not parts:
            assert failed is not None
            raise failed
        rows = [len(part.rows) for part in parts]
        typical = sum(requests) / sum(rows)
        return labels.Training(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.time for part in parts]),
            np.concatenate([part.again for part in parts]),
            np.concatenate(
                [
                    part.weight * np.float32(stop / count / typical)
                    for part, stop, count in zip(parts, requests, rows, strict=True)
                ]
            ),
        )

    def judged(self, quarter: int) -> labels.Judged:
        """Return the rows of a quarter of each node's period; as `Lesson.judged`."""
        return labels.joined([lesson.judged(quarter) for lesson in self.lessons])

    def test(self) -> labels.Judged:
        """Return the rows after each node's period; as `Lesson.test`."""
        return labels.joined([lesson.test() for lesson in self.lessons])


class _Header(msgspec.Struct, frozen=True):
    name: str
    requests: int
    stop: int
    seed: int
    schema: str
    past: tuple[Described, ...]
    future: tuple[Described, ...]


def pack(lesson: Lesson) -> bytes:
    """Return what a node sends of its log: about 121 bytes a row, checksummed, and no keys.

    Parameters
    ----------
    lesson
        From `prepare`, whose `rows` bounds it.
    """
    parts = [_arrays(lesson.past), _arrays(lesson.future)]
    past, future = (
        tuple(Described(name, _DTYPES[name], array.shape) for name, array in part.items())
        for part in parts
    )
    header = _Header(
        lesson.name, lesson.requests, lesson.stop, lesson.seed, features.schema(), past, future
    )
    arrays = (np.asarray(array, _DTYPES[name]) for part in parts for name, array in part.items())
    return _FILE.pack(msgspec.msgpack.encode(header), arrays)


def unpack(content: bytes, name: str = "the sample") -> Lesson:
    """Read what `pack` returned.

    Parameters
    ----------
    content
        The bytes.
    name
        What errors call it, such as the node's name.

    Raises
    ------
    ArtefactError
        If it is no sample, truncated, damaged, or its rows have other features than this Augury
        computes.
    """
    encoded, reader = _FILE.unpack(content, name)
    try:
        header = msgspec.msgpack.decode(encoded, type=_Header)
        past, future = (
            {each.name: reader.array(each) for each in part}
            for part in (header.past, header.future)
        )
        if header.schema != features.schema():
            raise ValueError("its rows have other features")
        if not 0 < header.stop <= header.requests:
            raise ValueError("it ends before it begins")
        check_seed(header.seed)
        return Lesson(
            header.name,
            header.requests,
            header.stop,
            _rows(past, header.stop),
            _rows(future, header.requests),
            header.seed,
        )
    except (
        msgspec.MsgspecError, ConfigurationError, ValueError, KeyError, RecursionError
    ) as error:  # fmt: skip
        raise ArtefactError(f"{name}: cannot be learned from ({error})") from error


def _arrays(rows: Rows) -> dict[str, NDArray[Any]]:
    return {name: getattr(rows, name) for name in _DTYPES}


def _rows(arrays: dict[str, NDArray[Any]], stop: int) -> Rows:
    """Return rows that may come from anywhere; raise a `ValueError` if they are none."""
    rows = Rows(arrays["X"], arrays["label"], arrays["censored"] > 0, arrays["index"])
    count = len(rows.index)
    if (
        any(array.dtype != _DTYPES[name] for name, array in arrays.items())
        or rows.X.shape != (count, len(FEATURES))
        or rows.label.shape != (count,)
        or rows.censored.shape != (count,)
    ):
        raise ValueError("its arrays are no rows")
    if not (np.isfinite(rows.X).all() and np.isfinite(rows.label).all()):
        raise ValueError("a row has what is not a number")
    if (np.abs(rows.X) > _WIDEST).any() or ((rows.label < 0) | (rows.label > _LONGEST)).any():
        raise ValueError("a row has a number that no log gives")
    if count and int(rows.index.max()) >= stop:
        raise ValueError("a row comes after its log")
    return rows
