"""One method of a cached model: splits a batch into what is there and what is computed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from hashlib import blake2b
from time import perf_counter
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from augury import _native
from augury.errors import ConfigurationError, InputError, OutputError
from augury.forks import renew_in_child
from augury.inference.adapters import Adapter, Batch, Outputs
from augury.inference.adapters.contract import Leaf
from augury.inference.arrays import check_outputs, pack, rounded
from augury.inference.bypass import Bypass
from augury.inference.lookup import Computed, Form, Found
from augury.inference.rounding import RoundingError, rounding_error
from augury.inference.stats import InferenceStats
from augury.inference.store import Store
from augury.spans import span


class Call:
    """One method of a cached model."""

    def __init__(
        self,
        adapter: Adapter,
        store: Store[Any],
        stats: InferenceStats,
        *,
        version: str,
        verify: bool,
        decimals: int | None,
        bypass: Bypass | None,
        pad: str | int | None,
    ) -> None:
        self._adapter = adapter
        self._store = store
        self._stats = stats
        self._version = version
        self._salt = f"{version}\0{decimals}\0{verify}".encode()
        self._verify = verify
        self._decimals = decimals
        self._bypass = bypass
        self._pad = pad
        self.begin_anew()
        renew_in_child(self)
        self._state: Any = _UNKNOWN  # of the model when it was looked at last
        self._fingerprint = b""
        self._ran_seconds = 0.0
        self._ran_rows = 0
        self._spaces: dict[bytes, tuple[bytes, Form | None]] = {}

    def begin_anew(self) -> None:
        """In a forked child, where a thread of the parent may have held the locks."""
        # Held while the cache is read, whose listener may call the model.
        self._lock = threading.RLock()
        self._stats.begin_anew()

    def forget(self) -> None:
        """Have the model looked at anew."""
        with self._lock:
            self._state = _UNKNOWN

    def __call__(self, given: Any) -> Any:
        """Return what the model returns for these rows."""
        bypass = self._bypass
        if bypass is not None and not bypass.looks_up and not bypass.glances():
            return self._bare(given)
        started = perf_counter()
        batch = self._adapter.read(given)
        if not len(batch.rows):
            return self._adapter.assemble(self._adapter.run(batch.given, None))
        space, form = self._space(batch.signature)
        glanced = bypass is not None and not bypass.looks_up
        if bypass is not None and glanced:
            worth = bypass.doorkeeper.screen(self._keyed(batch, None))
            glance = perf_counter() - started
            if 2 * len(worth) < len(batch.rows):
                return self._glanced(batch, worth, space, form, glance)
            started = perf_counter()
        lines, form = self._looked_up(batch, space, form, started, screened=glanced)
        return self.assemble(lines, form)

    def error(self, given: Any) -> RoundingError:
        """Return how far answers for these rows are from the model's own."""
        batch = self._adapter.read(given)
        if not len(batch.rows):
            raise InputError("there are no rows to compare answers for")
        own = self._ran(batch, None, len(batch.rows))
        lines, form = self._looked_up(batch, *self._space(batch.signature), perf_counter())
        return rounding_error(own.leaves, form.unpack(lines).leaves)

    @property
    def remote(self) -> bool:
        """Whether looking up may take as long as asking a server."""
        return self._store.remote

    def copied(self, given: Any) -> Batch:
        """Return rows as they are now, whatever becomes of the memory that they lie in.

        Whoever asked may write other rows into theirs before these are looked up, or computed.
        """
        batch = self._adapter.read(given)
        given, rows = self._adapter.join([batch.given]), batch.rows.copy()
        return Batch(given, rows, batch.signature, batch.floats)

    def find(self, batch: Batch) -> Found:
        """Look rows up, and count nothing but the time."""
        started = perf_counter()
        space, form = self._space(batch.signature)
        if not len(batch.rows):
            outputs = self._adapter.run(batch.given, None)  # it may refuse none at all
            form = Form.of(outputs)
        found = self._found(batch, space, form)
        self._count(0, search=perf_counter() - started)
        return found

    def count(self, found: Found, queued: int) -> None:
        """Count rows that were looked up, of which so many go to the model, sooner or later."""
        rows, hits = len(found.batch.rows), found.hits
        self._count(rows, searched=rows, hits=hits, duplicates=rows - hits - queued)

    def compute(self, asked: Sequence[tuple[Found, int]]) -> Computed:
        """Run the model on rows of several calls, all of one signature, and store that.

        Rows of one call follow each other, in their order.
        """
        calls = list(dict.fromkeys(found for found, _ in asked))
        # A copy, as the choice of a part is: the model may write to it, fail, and be run again.
        part = len(calls) == 1 and len(asked) < len(calls[0].batch.rows)
        joined = calls[0] if part else self._joined(calls)
        start, rows = {}, 0
        for found in calls:
            start[found] = rows
            rows += len(found.batch.rows)
        missing = np.array([start[found] + row for found, row in asked], np.int64)
        space, form = self._space(joined.batch.signature)
        computed = self._computed(
            msgspec.structs.replace(joined, space=space, form=form, missing=missing)
        )
        self._count(0, computed=len(missing), model=computed.model_seconds)
        # A model may reuse the memory of its outputs, and others read these lines later.
        return msgspec.structs.replace(computed, lines=computed.lines.copy())

    def _joined(self, calls: Sequence[Found]) -> Found:
        """Return a copy of the rows of calls, all together; not what was found of them."""
        first = calls[0]
        batch = msgspec.structs.replace(
            first.batch,
            given=self._adapter.join([found.batch.given for found in calls]),
            rows=np.concatenate([found.batch.rows for found in calls]),
        )
        digests = np.concatenate([found.digests for found in calls])
        verified = [found.verified for found in calls if found.verified is not None]
        return msgspec.structs.replace(
            first,
            batch=batch,
            digests=digests,
            verified=np.concatenate(verified) if verified else None,
        )

    def assemble(self, lines: NDArray[np.uint8], form: Form) -> Any:
        """Return outputs as the model itself would."""
        return self._adapter.assemble(form.unpack(lines))

    def _bare(self, given: Any) -> Any:
        """Run the model on a batch at which nobody looks."""
        started = perf_counter()
        if self._pad is None:
            with span("inference.run"):
                returned, rows = self._adapter.bare(given)
        else:
            batch = self._adapter.read(given)
            rows = len(batch.rows)
            returned = self._adapter.assemble(self._ran(batch, None, rows))
        self._count(rows, computed=rows, model=perf_counter() - started)
        return returned

    def _glanced(
        self, batch: Batch, worth: NDArray[np.int64], space: bytes, form: Form | None, took: float
    ) -> Any:
        """Look up the few rows of a batch that may have been seen before; compute all others."""
        rows = batch.rows
        if not len(worth) or form is None:
            started = perf_counter()
            outputs = self._ran(batch, None, len(rows))
            model = perf_counter() - started
            if form is None and not self._changed_since(space, batch.signature):
                self._settle(space, batch.signature, outputs)
            self._count(len(rows), computed=len(rows), model=model, glance=took)
            return self._adapter.assemble(outputs)
        started = perf_counter()
        keyed = self._keyed(batch, worth)
        digests = _native.digest_rows(keyed)
        out = np.empty((len(worth), form.width), np.uint8)
        verified = keyed if self._verify else None
        missing, source = self._store.find(space, digests, out, verified)
        found = source < 0
        search = perf_counter() - started
        chosen = np.ones(len(rows), bool)
        chosen[worth[found]] = False
        computed = np.flatnonzero(chosen)
        started = perf_counter()
        own = self._ran(batch, computed, len(computed)) if len(computed) else None
        model = perf_counter() - started
        started = perf_counter()
        if self._changed_since(space, batch.signature):
            return self.assemble(*self._anew(batch, started - search - model, model))
        lines = np.empty((len(rows), out.shape[1]), np.uint8)
        lines[worth[found]] = out[found]
        if own is not None:
            lines[computed] = self._lines(own, form)
        cost = self._cost(model, len(computed))
        self._store.put(space, digests, missing, lines[worth[missing]], verified, cost)
        hits = int(found.sum())
        search += perf_counter() - started
        self._count(
            len(rows),
            searched=len(worth),
            hits=hits,
            computed=len(computed),
            search=search,
            model=model,
            glance=took,
        )
        return self.assemble(lines, form)

    def _looked_up(
        self,
        batch: Batch,
        space: bytes,
        form: Form | None,
        started: float,
        *,
        screened: bool = False,
    ) -> tuple[NDArray[np.uint8], Form]:
        """Look all rows up; compute and store those that are not there."""
        found = self._found(batch, space, form)
        count, missing, hits = len(batch.rows), len(found.missing), found.hits
        lines, model = found.lines, 0.0
        if missing:
            computed = self._computed(found, screened=screened)
            if computed.space is None and hits:
                return self._anew(batch, started, computed.model_seconds)
            lines, form, model = found.filled(computed.lines), computed.form, computed.model_seconds
        assert form is not None
        self._count(
            count,
            searched=count,
            hits=hits,
            duplicates=count - hits - missing,
            computed=missing,
            search=perf_counter() - started - model,
            model=model,
        )
        return lines, form

    def _found(self, batch: Batch, space: bytes, form: Form | None) -> Found:
        """Look all rows up."""
        keyed = self._keyed(batch, None)
        digests = _native.digest_rows(keyed)
        verified = keyed if self._verify else None
        lines = np.empty((len(batch.rows), 0 if form is None else form.width), np.uint8)
        missing, source = self._store.find(space, digests, lines, verified)
        return Found(batch, space, form, digests, verified, lines, missing, source)

    def _computed(self, found: Found, *, screened: bool = False) -> Computed:
        """Run the model on the missing rows; store that, unless it has changed meanwhile."""
        batch, missing, form = found.batch, found.missing, found.form
        chosen = None if len(missing) == len(batch.rows) else missing
        verified = found.verified
        if verified is not None and chosen is None:
            verified = verified.copy()  # the model is given the rows themselves, and may write
        if self._bypass is not None and not screened:  # a glance shall know what is there
            self._bypass.doorkeeper.screen(self._keyed(batch, chosen))
        started = perf_counter()
        outputs = self._ran(batch, chosen, len(missing))
        model = perf_counter() - started
        if self._changed_since(found.space, batch.signature):
            return Computed(pack(outputs), Form.of(outputs), model, None)
        if form is None:
            form = self._settle(found.space, batch.signature, outputs)
        lines = self._lines(outputs, form)
        cost = self._cost(model, len(missing))
        self._store.put(found.space, found.digests, missing, lines, verified, cost)
        return Computed(lines, form, model, found.space)

    def _cost(self, seconds: float, rows: int) -> float:
        """Return the milliseconds that the model takes for a row, on the average of all so far."""
        with self._lock:
            self._ran_seconds += seconds
            self._ran_rows += rows
            return max(1e3 * self._ran_seconds / max(self._ran_rows, 1), 1e-6)

    def _changed_since(self, space: bytes, signature: bytes) -> bool:
        """Return whether the model has changed since this space was looked up.

        What it has computed since is then stored nowhere: it may be of either. That holds, too, if
        it has changed back, so it is not enough that the bytes are equal.
        """
        return self._space(signature)[0] is not space

    def _anew(self, batch: Batch, started: float, model: float) -> tuple[NDArray[np.uint8], Form]:
        """Compute all rows, as what was found of them is of another model than the rest."""
        count, again = len(batch.rows), perf_counter()
        outputs = self._ran(batch, None, count)
        model += perf_counter() - again
        search = perf_counter() - started - model
        self._count(count, searched=count, computed=count, search=search, model=model)
        return pack(outputs), Form.of(outputs)

    def _ran(self, batch: Batch, chosen: NDArray[np.int64] | None, count: int) -> Outputs:
        """Run the model, and see that it returned what can be cached."""
        size = count if self._pad is None else _padded(count, self._pad)
        if size != count:
            filled = np.full(size, count - 1)
            filled[:count] = np.arange(count)
            chosen = filled if chosen is None else chosen[filled]
        with span("inference.run", rows=count):
            outputs = self._adapter.run(batch.given, chosen)
        check_outputs(outputs, size)
        if size == count:
            return outputs
        return Outputs(tuple(leaf[:count] for leaf in outputs.leaves), outputs.form)

    def _lines(self, outputs: Outputs, form: Form) -> NDArray[np.uint8]:
        """Return outputs as bytes, if they look as outputs of this model did before."""
        own = Form.of(outputs)
        if own != form:
            raise OutputError(
                "the model returns rows of another shape or type than before for the same kind of "
                f"input, {_described(own.leaves)} instead of {_described(form.leaves)}; "
                "have it return always the same, as by astype()"
            )
        return pack(outputs)

    def _keyed(self, batch: Batch, chosen: NDArray[np.int64] | None) -> NDArray[np.uint8]:
        """Return the bytes of which a digest is made."""
        rows = batch.rows if chosen is None else np.ascontiguousarray(batch.rows[chosen])
        return rows if self._decimals is None else rounded(rows, batch.floats, self._decimals)

    def _space(self, signature: bytes) -> tuple[bytes, Form | None]:
        """Return the namespace of rows of this signature, and what outputs look like, if known.

        It is the same object until the model changes, and another one then.
        """
        state = self._adapter.state()
        with self._lock:
            if self._state is _UNKNOWN or self._state != state:
                self._fingerprint = self._adapter.fingerprint()
                if not self._fingerprint and not self._version:
                    raise ConfigurationError(
                        f"what this {type(self._adapter.model).__name__} computes with cannot be "
                        "told; name it with version=, and anew whenever it changes"
                    )
                self._state = state
                self._spaces.clear()
            known = self._spaces.get(signature)
            if known is None:
                digest = blake2b(self._fingerprint, digest_size=16, key=b"augury inference")
                for part in (self._adapter.method.encode(), self._salt, signature):
                    digest.update(len(part).to_bytes(8, "little") + part)
                space = digest.digest()
                held = self._store.form(space)
                known = (space, None if held is None else _read_form(held))
                self._spaces[signature] = known
            return known

    def _settle(self, space: bytes, signature: bytes, outputs: Outputs) -> Form:
        """Take note of what outputs of this space look like."""
        form = Form.of(outputs)
        with self._lock:
            known = self._spaces.get(signature)
            if known is not None and known[0] is space:
                self._spaces[signature] = (space, form)
        self._store.put_form(space, msgspec.msgpack.encode(form))
        return form

    def _count(
        self,
        rows: int,
        *,
        searched: int = 0,
        hits: int = 0,
        duplicates: int = 0,
        computed: int = 0,
        search: float = 0.0,
        model: float = 0.0,
        glance: float = 0.0,
    ) -> None:
        self._stats.add(
            rows,
            hits=hits,
            duplicates=duplicates,
            computed=computed,
            skipped=rows - searched,
            model=model,
            cache=search + glance,
        )
        if self._bypass is not None:
            with self._lock:
                self._bypass.note(
                    rows,
                    searched=searched,
                    hits=hits + duplicates,
                    computed=computed,
                    search=search,
                    model=model,
                    glance=glance,
                )


def _padded(count: int, pad: str | int) -> int:
    if isinstance(pad, int):
        return -(-count // pad) * pad
    return int(1 << (count - 1).bit_length()) if count else 0


def _described(leaves: tuple[Leaf, ...]) -> str:
    return ", ".join(f"{leaf.dtype} {list(leaf.shape)}" for leaf in leaves) or "nothing"


def _read_form(held: bytes) -> Form | None:
    """Return what outputs look like, unless it was written by something else than this."""
    try:
        form = msgspec.msgpack.decode(held, type=Form)
        dtypes = [np.dtype(leaf.dtype) for leaf in form.leaves]
    except (msgspec.DecodeError, TypeError, ValueError):
        return None
    plain = not any(dtype.hasobject or dtype.names for dtype in dtypes)
    sizes = [size for leaf in form.leaves for size in leaf.shape]
    return form if dtypes and plain and min(sizes, default=0) >= 0 else None


_UNKNOWN: Any = object()
