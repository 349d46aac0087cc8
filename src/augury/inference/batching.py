"""Small batches of the rows that many tasks and threads ask a model about at once."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import threading
from collections.abc import Mapping
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from augury.closing import AsyncClosing
from augury.errors import ConfigurationError, InputError, OutputError, OverloadError
from augury.forks import renew_in_child
from augury.inference.adapters import Batch
from augury.inference.arrays import rows_of
from augury.inference.lookup import Computed, Form, Found
from augury.inference.model import CachedModel
from augury.parameters import check_instance, check_integer


class Batcher(AsyncClosing):
    """Asks a cached model about rows that come one by one, in small batches.

    Rows in the cache are answered at once. The others wait until there are `max_batch` of them, or
    the first has waited for `max_wait`; then the model is run on all, in a thread. However many
    tasks and threads ask about equal rows meanwhile, the model sees one. Whoever is cancelled
    leaves the others their answer.

    Rows of one call are answered by the model as it was at one time, unless it changes again and
    again while they are computed; then each by what it was at some time during the call.

    An error of the model is raised by all who asked about a row of its batch, and nothing of it is
    kept. A single row that makes the model fail does not harm the others: such a batch is run again
    in halves, until what is left is that row, or both halves have failed.

    Parameters
    ----------
    model
        The `CachedModel`. All rows are looked up, whether its bypass would or not.
    max_batch
        How many rows the model is run on at once, at most. By default 256.
    max_wait
        Seconds that a row waits for others, at most; 0 for not at all. By default 0.002.
    max_queue
        How many rows may wait for the model; who asks about more is refused. By default 16,384.
    workers
        How many batches are computed at once, each in a thread: more than one for models that may
        be called so. By default 1.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.

    Examples
    --------
    >>> import asyncio
    >>> from augury import Cache
    >>> model = CachedModel(lambda rows: rows.sum(axis=1), Cache(1_000))
    >>> async def serve():
    ...     async with Batcher(model) as batcher:
    ...         return await asyncio.gather(batcher([1, 2]), batcher([3, 4]), batcher([1, 2]))
    >>> [int(each) for each in asyncio.run(serve())]
    [3, 7, 3]
    >>> model.stats.computed
    2
    """

    def __init__(
        self,
        model: CachedModel,
        *,
        max_batch: int = 256,
        max_wait: float = 0.002,
        max_queue: int = 16_384,
        workers: int = 1,
    ) -> None:
        check_instance("model", model, CachedModel)
        check_integer("max_batch", max_batch)
        check_integer("max_queue", max_queue)
        check_integer("workers", workers)
        number = isinstance(max_wait, int | float) and not isinstance(max_wait, bool)
        if not number or not 0 <= max_wait < threading.TIMEOUT_MAX:
            raise ConfigurationError(f"max_wait must be seconds, zero or more, not {max_wait!r}")
        self._call = model._main
        self._max_batch = max_batch
        self._max_wait = max_wait
        self._max_queue = max_queue
        self._workers = workers
        self._closed = False
        self.begin_anew()
        renew_in_child(self)

    def begin_anew(self) -> None:
        """In a forked child, where no thread of the parent ever computes anything."""
        self._changed = threading.Condition()
        self._queue: dict[bytes, list[_Batch]] = {}  # by signature; all but the last are full
        self._waiting = 0  # rows in the queue
        self._under_way: dict[bytes, tuple[_Batch, int]] = {}  # rows, until their batch has ended
        self._ended = 0  # batches
        self._working = 0  # threads
        self._threads = concurrent.futures.ThreadPoolExecutor(
            self._workers, thread_name_prefix="augury-batcher"
        )

    async def __call__(self, row: Any) -> Any:
        """Return the output for one row: a text, array, tensor, or what can be made an array.

        For models of several inputs, a mapping of their names to the row of each.
        """
        return _only(await self.many(_alone(row)))

    async def many(self, rows: Any) -> Any:
        """Return what the model returns for these rows.

        Raises
        ------
        OverloadError
            If too many rows wait for the model already.
        ConfigurationError
            If this is closed.
        """
        given = self._call.copied(rows)
        for mixed in (False, True):
            if self._call.remote:
                asked = await asyncio.to_thread(self._ask, given)
            else:
                asked = self._ask(given)
            for batch in asked.batches:
                # Cancelling ends this wait only: the future is running, which none can cancel.
                await asyncio.wrap_future(batch.ended)
            outputs = asked.outputs(mixed)
            if outputs is not None:
                return self._call.assemble(*outputs)
        raise _unsteady()

    def call(self, row: Any) -> Any:
        """Do in a thread what calling this does in a coroutine: return the output of a `row`."""
        return _only(self.call_many(_alone(row)))

    def call_many(self, rows: Any) -> Any:
        """Return the outputs of `rows`: do in a thread what `many` does in a coroutine."""
        given = self._call.copied(rows)
        for mixed in (False, True):
            asked = self._ask(given)
            for batch in asked.batches:
                batch.ended.result()
            outputs = asked.outputs(mixed)
            if outputs is not None:
                return self._call.assemble(*outputs)
        raise _unsteady()

    def close(self) -> None:
        """Refuse further rows, and wait until those that were asked about are computed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._threads.shutdown()

    async def aclose(self) -> None:
        """Do what `close` does, in a coroutine."""
        await asyncio.to_thread(self.close)

    def _ask(self, given: Batch) -> _Asked:
        """Look rows up, and have those computed that are not there."""
        ended = self._ended
        found = self._call.find(given)
        with self._changed:
            if ended == self._ended or not len(found.missing):
                return self._queued(found)
        found = self._call.find(given)  # the batch that ended meanwhile may have stored them
        with self._changed:
            return self._queued(found)

    def _queued(self, found: Found) -> _Asked:
        """Queue the missing rows that are not under way already. The lock is held."""
        if self._closed:
            raise ConfigurationError("this Batcher is closed; make another one")
        missing = found.missing.tolist()
        keys = [found.key(row) for row in missing]
        new = len(keys) - sum(key in self._under_way for key in keys)
        if self._waiting + new > self._max_queue:
            raise OverloadError(
                f"{self._waiting} rows wait for the model, and {new} more would be more than "
                f"max_queue={self._max_queue}; ask again later, or about fewer at once"
            )
        for key, row in zip(keys, missing, strict=True):
            if key not in self._under_way:
                self._put(key, found, row)
        self._call.count(found, new)
        return _Asked(found, [self._under_way[key] for key in keys])

    def _put(self, key: bytes, found: Found, row: int) -> None:
        batches = self._queue.setdefault(found.batch.signature, [])
        if not batches or len(batches[-1].rows) == self._max_batch:
            batches.append(_Batch())
            if self._working < self._workers:
                self._working += 1
                self._threads.submit(self._work)
        batch = batches[-1]
        self._under_way[key] = batch, len(batch.rows)
        batch.keys.append(key)
        batch.rows.append((found, row))
        self._waiting += 1
        if len(batch.rows) == self._max_batch:
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                batch = self._next()
                if batch is None:
                    self._working -= 1
                    return
            self._compute(batch)

    def _next(self) -> _Batch | None:
        """Take the next batch from the queue, when it is due; None: none. The lock is held."""
        while self._queue:
            signature, batches = next(iter(self._queue.items()))
            batch = batches[0]
            left = batch.since + self._max_wait - monotonic()
            if left > 0 and len(batch.rows) < self._max_batch and not self._closed:
                self._changed.wait(left)
                continue
            del self._queue[signature]
            if len(batches) > 1:
                self._queue[signature] = batches[1:]  # behind those of other signatures
            self._waiting -= len(batch.rows)
            return batch
        return None

    def _compute(self, batch: _Batch) -> None:
        """Run the model on a batch, and should it fail on halves of it."""
        start, end = 0, len(batch.rows)
        succeeded = self._try(batch, start, end)
        while not succeeded and end - start > 1:
            middle = (start + end) // 2
            first, second = self._try(batch, start, middle), self._try(batch, middle, end)
            if first == second:
                break
            start, end = (middle, end) if first else (start, middle)
        with self._changed:
            self._ended += 1
            for key in batch.keys:
                del self._under_way[key]
        batch.ended.set_result(None)

    def _try(self, batch: _Batch, start: int, end: int) -> bool:
        """Compute rows of a batch; return whether the model did not fail."""
        size = end - start
        try:
            computed = self._call.compute(batch.rows[start:end])
        except BaseException as error:  # whatever it is, it is for those who wait
            batch.outcomes[start:end] = [error] * size
            return False
        batch.outcomes[start:end] = [(computed, line) for line in range(size)]
        return True


class _Batch:
    """Rows that the model is to be run on together."""

    __slots__ = ("ended", "keys", "outcomes", "rows", "since")

    def __init__(self) -> None:
        self.since = monotonic()
        self.keys: list[bytes] = []
        self.rows: list[tuple[Found, int]] = []
        # Of each row: an error, or a line of what was computed.
        self.outcomes: list[BaseException | tuple[Computed, int]] = []
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.ended.set_running_or_notify_cancel()


class _Asked:
    """The rows of one call: those found, and the places in batches of the others."""

    __slots__ = ("_found", "_places", "batches")

    def __init__(self, found: Found, places: list[tuple[_Batch, int]]) -> None:
        self._found = found
        self._places = places
        self.batches = list(dict.fromkeys(batch for batch, _ in places))

    def outputs(self, mixed: bool) -> tuple[NDArray[np.uint8], Form] | None:
        """Return all outputs, once the batches have ended; None: the model changed meanwhile.

        They may be of the model before and after a change if `mixed`, and only look alike.
        """
        found, lines = self._found, []
        runs: dict[Computed, None] = {}
        for batch, place in self._places:
            outcome = batch.outcomes[place]
            if isinstance(outcome, BaseException):
                raise outcome
            computed, line = outcome
            lines.append(computed.lines[line])
            runs[computed] = None
        if not runs:
            assert found.form is not None
            return found.lines, found.form
        form = next(iter(runs)).form
        alike = all(run.form == form for run in runs) and (not found.hits or found.form == form)
        alone = len(runs) == 1 and not found.hits
        if not alike or not (mixed or alone or all(run.space == found.space for run in runs)):
            return None
        return found.filled(np.stack(lines)), form


def _unsteady() -> OutputError:
    return OutputError(
        "the model changed again and again while it computed, and then returned rows of another "
        "shape or type; ask again"
    )


def _alone(row: Any) -> Any:
    """Return one row as rows."""
    if isinstance(row, str):
        return [row]
    if isinstance(row, Mapping):
        return {name: _alone(each) for name, each in row.items()}
    if not hasattr(row, "__array__"):
        return rows_of([row], "the row")
    try:
        return row[None]
    except (KeyError, TypeError, ValueError):  # part of a frame
        raise InputError(
            f"a {type(row).__name__} is no row; ask many() about a frame of one row instead"
        ) from None


def _only(output: Any) -> Any:
    """Return the output of the only row, of each array that there is."""
    if isinstance(output, Mapping):
        return {name: _only(each) for name, each in output.items()}
    if isinstance(output, list | tuple):
        return getattr(type(output), "_make", type(output))(map(_only, output))
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        names = [field.name for field in dataclasses.fields(output) if field.init]
        parts = {name: _only(getattr(output, name)) for name in names}
        return dataclasses.replace(output, **parts)
    return None if output is None else output[0]
