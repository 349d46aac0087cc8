"""Learns from the requests of a running cache, and gives it a model once one has won."""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from augury import features
from augury.accesslog import InMemoryTrace, Spool
from augury.errors import AuguryError, ConfigurationError, MissingExtraError
from augury.events import Learned, Step
from augury.learning.background import Stopped, background
from augury.learning.drift import Drift
from augury.learning.fits import load_fit
from augury.learning.lesson import Lesson
from augury.learning.pace import Pace
from augury.learning.schedule import Schedule
from augury.learning.selection import Selection, select
from augury.learning.training import prepare, train
from augury.learning.watch import RegistryWatch
from augury.policies import Policy, check_learns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from augury.models import Artefact, Registry

_log = logging.getLogger("augury.learning")

_ROWS = 30_000  # to train from: a window is short, and more take longer
_CHECKED = 5_000  # rows that drift is looked for in
_LOOK = 0.25  # seconds between two looks at a window being recorded
_WAIT = 2.0  # seconds between two looks otherwise, at the registry, too
_KEPT = 100  # events
_SLICE = 4_096  # slots read at once


class _Cache(Protocol):
    """What a learner needs of `augury.Cache`."""

    @property
    def capacity(self) -> int: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def model(self) -> Any: ...
    def use_model(self, model: Artefact | None) -> None: ...
    def _adopt(self, learner: Learner) -> None: ...
    def _record_requests(self, limit: int, /) -> None: ...
    def _held(self, slot: int, count: int, /) -> tuple[NDArray[Any], NDArray[Any], int | None]: ...
    def _recorded_requests(self) -> tuple[int, int]: ...
    def _take_requests(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
    def _statistics(self) -> tuple[int, ...]: ...


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """What a cache held when a window began."""

    inserted: int
    """Entries that had come by then."""
    numbers: NDArray[np.uint64]
    weights: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """What a cache was asked for, and how it was set up then."""

    numbers: NDArray[np.uint64]
    """Of the keys asked for."""
    weights: NDArray[np.uint64]
    """Of the entries."""
    times: NDArray[np.uint32]
    """Of the requests, in seconds."""
    held: _Held
    """What the cache held before."""
    policy: Policy
    capacity: int
    model: Artefact | None
    served: int


class Learner:
    """Trains models for a cache from its own requests, in the background, as long as it lives.

    It records a window of requests in memory, trains on the first half, and lets the new model, the
    one in use and the policy without any serve the second half in simulation, at the cache's
    capacity. Another one is used only if it wins there. Then it looks at further windows, at
    growing intervals: when the predictions of the model in use have become worse, or the policy
    would do better without it, it trains at once.

    A cache with ``policy="learned"`` has one of its own. Make one yourself for other settings, of a
    cache with ``learn=False``.

    Parameters
    ----------
    cache
        An `augury.Cache` with a policy that has a use for a model.
    registry
        Where new models are published, and from where the current one is taken now and whenever
        another becomes current; None for neither.
    model
        What to train, as for `augury.learn`; None only follows the registry.
    share
        The most processor time that it takes, as a share of one core, above 0 and up to 1. All
        learners of a process work one after another in one thread.
    window
        Requests to look at each time. By default until entries have changed 8 times over (later
        up to 32 times), from 20,000 requests to 128 times the capacity, at most 2,097,152.
    on_event
        Called with each `augury.events.Learned`, in the learner's thread. What it raises is logged.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, or the cache learns already.
    MissingExtraError
        If the library that fits the model is not installed.

    Examples
    --------
    >>> import augury
    >>> cache = augury.Cache(1_000, policy="learned", learn=False)
    >>> learner = Learner(cache, model="tree")
    >>> learner.events
    ()
    >>> learner.close()
    """

    def __init__(
        self,
        cache: _Cache,
        registry: Registry | None = None,
        *,
        model: str | None = "gbm",
        share: float = 0.1,
        window: int | None = None,
        on_event: Callable[[Learned], object] | None = None,
    ) -> None:
        check_learns(cache.policy)
        if not 0.0 < share <= 1.0:
            raise ConfigurationError(f"share must be above 0 and up to 1, not {share!r}")
        if window is not None and not (isinstance(window, int) and 400 <= window <= 1 << 32):
            raise ConfigurationError(f"window must be from 400 to 2**32 requests, not {window!r}")
        if on_event is not None and not callable(on_event):
            raise ConfigurationError(f"on_event must be callable or None, not {on_event!r}")
        if model is not None:
            load_fit(model)
        self._cache = weakref.ref(cache)
        self._model = model
        self._share = share
        self._told = on_event
        self._watch = RegistryWatch(registry) if registry is not None else None
        self._schedule = Schedule(window)
        self.drift: Drift | None = None
        """What compares predictions of the last model with what came; None before it has."""
        self._served = 0
        self._recording: _Held | None = None
        self._events: deque[Learned] = deque(maxlen=_KEPT)
        self._closed = threading.Event()
        cache._adopt(self)
        if self._watch is not None:
            self._follow(cache)
        if self._watch is not None or model is not None:
            background.add(self)

    def __repr__(self) -> str:
        state = "closed" if self.closed else str(self._events[-1]) if self._events else "new"
        return f"<Learner of {self._model}: {state}>"

    @property
    def events(self) -> tuple[Learned, ...]:
        """The last 100 things that it did, from the oldest."""
        return tuple(self._events)

    @property
    def closed(self) -> bool:
        """Whether it has stopped for good."""
        return self._closed.is_set()

    def close(self) -> None:
        """Stop for good; the cache keeps the model in use. What is under way is given up soon."""
        self._closed.set()
        cache = self._cache()
        if cache is not None and self._recording is not None:
            self._recording = None
            cache._take_requests()

    stop = close

    def begin_anew(self) -> None:
        """Forget what was under way: this is a forked child, where it does not go on."""
        closed = self.closed
        self._closed = threading.Event()
        if closed:
            self._closed.set()
        self._recording = None

    # ------------------------------------------------------------ in the background's thread

    def step(self) -> float | None:
        """Do what is due; return the seconds until the next look, or None if there is none."""
        cache = self._cache()
        if cache is None or self.closed:
            return None
        if self._watch is not None:
            self._follow(cache)
        if self._model is None:
            return _WAIT
        served, inserted = _counts(cache)
        if served < self._served:  # somebody has reset the statistics
            self._schedule.restart()
        self._served = served
        if self._recording is None:
            entries = cache._recorded_requests()[1]
            settled = self._schedule.is_settled(served, inserted, entries, cache.capacity)
            if served < self._schedule.start_at or not settled:
                return _WAIT
            return self._record(cache, served, inserted)
        window = self._window(cache, served, inserted)
        del cache  # which nothing must keep alive meanwhile
        if window is not None:
            self._study(window)
        return _LOOK

    def _record(self, cache: _Cache, served: int, inserted: int) -> float:
        try:
            held = _held(cache, inserted)
            cache._record_requests(self._schedule.limit(cache.capacity))
        except MemoryError as error:
            self._tell(Learned(Step.FAILED, f"no memory to record requests in: {error!r}"))
            self._schedule.looked(served, self._schedule.limit(cache.capacity))
            return _WAIT
        self._recording = held
        return _LOOK

    def _window(self, cache: _Cache, served: int, inserted: int) -> _Window | None:
        assert self._recording is not None
        recorded, entries = cache._recorded_requests()
        came = max(0, inserted - self._recording.inserted)
        if not self._schedule.is_enough(recorded, came, entries, cache.capacity):
            return None
        held, self._recording = self._recording, None
        return _Window(
            *cache._take_requests(), held, cache.policy, cache.capacity, cache.model, served
        )

    def _study(self, window: _Window) -> None:
        """Train on a window if there is a reason to, and use what wins."""
        pace = Pace(self._share, self._is_unwanted)
        requests = len(window.numbers)
        try:
            with Spool(_trace(window.numbers, window.weights, window.times)) as spool:
                told = self._judge(window, spool, pace)
        except Stopped:
            raise
        except Exception as error:  # whatever it is, the cache goes on
            _log.debug("a training failed", exc_info=True)
            text = str(error).partition("\n")[0]
            told = Learned(Step.FAILED, f"{type(error).__name__}: {text}")
            self._schedule.trained(window.served, requests, idle=window.model is None)
        if told is not None:
            self._tell(replace(told, requests=requests, cpu_seconds=pace.spent))
        pace()

    def _judge(self, window: _Window, spool: Spool, pace: Pace) -> Learned | None:
        requests = spool.requests
        reason = self._doubt(window, spool, pace) if window.model is not None else None
        if reason is not None:
            self._tell(Learned(Step.DRIFTED, reason, requests=requests))
            self._schedule.changed(window.served, requests)
        elif window.served < self._schedule.train_at:
            self._schedule.looked(window.served, requests)
            return None
        lesson = prepare(spool, rows=_ROWS, name="the cache's own requests")
        pace()
        assert self._model is not None
        with background.undisturbed:
            import_module("sklearn.linear_model")
            import_module(load_fit(self._model).PACKAGE)
        pace()
        trained, _ = train(lesson, self._model, lambda _: pace())
        pace()
        contenders = {"new": trained, "in use": window.model, "none": None}
        incumbent = "none" if window.model is None else "in use"
        if window.model is None:
            del contenders["in use"]
        selection = _select(window, contenders, incumbent, pace)
        return self._settle(window, selection, incumbent, trained, lesson)

    def _doubt(self, window: _Window, spool: Spool, pace: Pace) -> str | None:
        """Return why the model in use may be the wrong one by now; None if nothing says so."""
        model = window.model
        assert model is not None
        if self.drift is None or self.drift.artefact is not model:
            self.drift = Drift(model)
        drift = self.drift
        half = spool.requests // 2  # features are complete by then
        rows = features.rows(spool, start=half, sample=min(1.0, _CHECKED / half))
        pace()
        before = drift.error
        if drift.observe(rows, spool.requests):
            return f"squared errors of its predictions have grown from {before:.3f}"
        pace()
        selection = _select(window, {"in use": model, "none": None}, "in use", pace)
        return "the policy would miss less without it" if selection.best == "none" else None

    def _settle(
        self,
        window: _Window,
        selection: Selection,
        incumbent: str,
        trained: Artefact,
        lesson: Lesson,
    ) -> Learned:
        """Put the decision into effect."""
        requests, ratios = len(window.numbers), selection.miss_ratios
        cache = self._cache()
        if cache is None or self.closed:
            raise Stopped
        if cache.model is not window.model:
            self._schedule.changed(window.served, requests)
            return Learned(Step.KEPT, "another model was given meanwhile", miss_ratios=ratios)
        best = f"misses {ratios[selection.best]:.2%} of requests, and {ratios[incumbent]:.2%}"
        if selection.best == incumbent:
            self._schedule.trained(window.served, requests, idle=window.model is None)
            reason = f"the new model misses {ratios['new']:.2%} of requests, and "
            reason += f"what decides now {ratios[incumbent]:.2%}"
            return Learned(Step.KEPT, reason, miss_ratios=ratios)
        self._schedule.changed(window.served, requests)
        if selection.best == "none":
            cache.use_model(None)
            reason = f"the policy without a model {best} with it"
            return Learned(Step.WITHDRAWN, reason, miss_ratios=ratios)
        cache.use_model(trained)
        self.drift = Drift(trained)
        self.drift.observe(lesson.future, lesson.requests)
        version = self._publish(trained)
        return Learned(
            Step.DEPLOYED, f"the new model {best} before", miss_ratios=ratios, version=version
        )

    def _publish(self, trained: Artefact) -> int | None:
        if self._watch is None:
            return None
        try:
            with background.undisturbed:
                return self._watch.publish(trained)
        except (AuguryError, OSError) as error:
            self._tell(Learned(Step.FAILED, f"the model in use was not published: {error}"))
            return None

    def _follow(self, cache: _Cache) -> None:
        assert self._watch is not None
        with background.undisturbed:
            told = self._watch.look(cache.use_model)
        if told is not None:
            self._tell(told)

    def _is_unwanted(self) -> bool:
        return self.closed or self._cache() is None

    def _tell(self, event: Learned) -> None:
        self._events.append(event)
        loud = event.step in (Step.DRIFTED, Step.WITHDRAWN, Step.FAILED)
        (_log.warning if loud else _log.info)("%s", event, extra=event.log_fields)
        if self._told is not None:
            try:
                self._told(event)
            except Exception:
                _log.exception("on_event failed")


def _select(
    window: _Window, contenders: dict[str, Artefact | None], incumbent: str, pace: Pace
) -> Selection:
    held = window.held
    trace = _trace(
        np.concatenate((held.numbers, window.numbers)),
        np.concatenate((held.weights, window.weights)),
        np.concatenate((np.repeat(window.times[:1], len(held.numbers)), window.times)),
    )
    with Spool(trace) as spool:
        return select(
            spool,
            window.policy,
            window.capacity,
            contenders,
            incumbent,
            held=len(held.numbers),
            between=pace,
        )


def _trace(
    numbers: NDArray[np.uint64], weights: NDArray[np.uint64], times: NDArray[np.uint32]
) -> InMemoryTrace:
    seconds = times.astype(np.float64)
    if not (weights != 1).any():
        return InMemoryTrace(numbers, times=seconds)
    # As the cache tells its policy: of an entry that weighs 1, no size is known.
    sizes = np.where(weights == 1, np.uint64(0), weights)
    return InMemoryTrace(numbers, None, sizes, seconds)


def _held(cache: _Cache, inserted: int) -> _Held:
    """Return what is in the cache, read bit by bit so that no request waits long."""
    numbers, weights = [], []
    at: int | None = 0
    while at is not None:
        some, their, at = cache._held(at, _SLICE)
        numbers.append(some)
        weights.append(their)
    return _Held(inserted, np.concatenate(numbers), np.concatenate(weights))


def _counts(cache: _Cache) -> tuple[int, int]:
    """Return the requests that the policy has seen, and the entries that have come."""
    hits, _, negative, insertions, updates, *_ = cache._statistics()
    return hits + negative + insertions + updates, insertions


def attach(cache: _Cache, registry: Registry | None, *, trains: bool) -> None:
    """Make a cache learn by itself, as far as what that takes is installed.

    Parameters
    ----------
    trains
        Whether models are to be trained; without, only the registry is followed.
    """
    missing = None
    if trains:
        try:
            Learner(cache, registry)
            return
        except MissingExtraError as error:
            missing = f"the cache cannot train a model: {error}"
    if missing or registry is not None:
        learner = Learner(cache, registry, model=None)
        if missing:
            learner._tell(Learned(Step.UNAVAILABLE, missing))
