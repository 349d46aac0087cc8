"""Learns from executed queries, in the background or at once, and gives queries their models."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from time import monotonic, time
from typing import TypeAlias

from augury.answers.answer import Tolerance
from augury.answers.family import Family
from augury.answers.fits import fit_names, load_fit
from augury.answers.model import Model
from augury.answers.query import Query
from augury.answers.region import Vocabulary
from augury.answers.selection import LEAST, Periods, Selection, Task
from augury.answers.stored import StoredModels, load_models
from augury.answers.target import COUNT, LABEL, ROWS, Target
from augury.closing import Closing
from augury.errors import AuguryError, MissingExtraError
from augury.learning.background import Stopped, background
from augury.learning.native_threads import one_native_thread
from augury.models import Registry

_log = logging.getLogger("augury.answers")

_LOOK = 1.0  # seconds between two looks at how much has been executed
_REST = 9.0  # times what learning a query took, in which it is left as it is


_PRESENCE = Tolerance(absolute=0.49, relative=0.49)
"""How well the rows of a group have to be known to say whether there are any."""


@dataclass(slots=True)
class _State:
    """What was learned of a query."""

    noted: int = 0
    """Executed queries of its family by then, ever."""
    not_before: float = 0.0
    """Of the monotonic clock, when it may be learned again."""
    time: float = 0.0
    """When that was decided, in seconds since 1970: no older model is taken from others."""


_Since: TypeAlias = tuple[Family, float, int]


def _since(query: Query) -> _Since:
    """Return another value after each change by which examples of a query became void."""
    return query.family, query.void_before(), query.family.log.forgotten


@dataclass(frozen=True, eq=False)
class _History:
    """What all queries of a family are learned from, in one turn."""

    vocabulary: Vocabulary
    periods: Periods

    @classmethod
    def of(cls, query: Query, void_before: float) -> _History:
        family = query.family
        sample = None if query.draw is None else query.draw(query)
        examples = replace(family.examples().after(void_before), sample=sample)
        vocabulary = family.vocabulary.copy()  # which may know more categories by now, but no fewer
        sizes = tuple(len(values) for values in vocabulary.values)
        return cls(vocabulary, Periods.of(replace(examples, sizes=sizes)))


class Learner(Closing):
    """Gives queries models as soon as enough has been executed, and better ones later on.

    A query is learned after 250 executed queries of its family, and again after 250 more, but so
    that learning takes no more than a tenth of the time. The model in use goes on with what has
    come; models are compared anew if there is twice as much as there was then, if intervals hold
    too seldom, or if audits have switched the model off. This happens in the thread of
    `augury.learning.background`, one query after another, from copies: whoever asks waits for
    nothing but the interpreter. A model is replaced by one assignment.

    Parameters
    ----------
    queries
        By name, as they are registered. Those without a tolerance are never inferred, and so never
        learned.
    registry
        Where models are published, and from where newer ones of other processes are taken; None
        for neither.
    learns
        Whether models are made here, too. True by default.
    """

    def __init__(
        self, queries: Mapping[str, Query], registry: Registry | None = None, *, learns: bool = True
    ) -> None:
        self._queries = queries
        self._registry = registry
        self._learns = learns
        self._states: dict[Query, _State] = {}
        self._seen: int | None = None
        self._stored = StoredModels(())
        self._started = False
        self.begin_anew()
        self._closed = False

    def begin_anew(self) -> None:
        """Forget what was under way: this is a forked child, where it does not go on."""
        self._turn = threading.Lock()

    def add(self, query: Query) -> None:
        """Look after a query from now on, with the model that the registry has for it."""
        if not _is_learned(query):
            return
        if self._registry is not None:
            self._follow(self._registry)
            self._give(query)
        if not self._started and (self._learns or self._registry is not None):
            self._started = True
            background.add(self)

    def close(self) -> None:
        """Stop for good; models in use stay. What is under way is given up soon."""
        self._closed = True

    stop = close

    def learn(
        self,
        names: Sequence[str] | None = None,
        fits: Sequence[str] | None = None,
        *,
        anew: bool = False,
    ) -> list[Selection]:
        """Learn now and here, whatever the schedule says.

        Parameters
        ----------
        names
            Of queries; by default all that have a tolerance.
        fits
            Names of kinds of models; by default all that are installed.
        anew
            Whether to compare all models again, where else the one in use goes on.
        """
        chosen = [
            each
            for each in list(self._queries.values())
            if (_is_learned(each) if names is None else each.name in names)
        ]
        histories: dict[_Since, _History] = {}
        with self._turn, one_native_thread():
            selections = [self._learned(each, histories, fits, anew) for each in chosen]
        if self._registry is not None and any(each.model for each in selections):
            stored = StoredModels.of(list(self._queries.values()))
            self._seen = self._registry.publish(stored).number
        return selections

    def step(self) -> float | None:
        """Do what is due; return the seconds until the next look, or None if there is none."""
        if self._closed:
            return None
        if self._registry is not None:
            with background.undisturbed:
                self._follow(self._registry)
        due = sorted({each.name for each in list(self._queries.values()) if self._is_due(each)})
        if due:
            try:
                with background.undisturbed:
                    _import_packages()
                self.learn(due)
            except ImportError as error:
                _log.warning("answers are not inferred: %s", error)
                return None
            except (AuguryError, OSError) as error:
                _log.warning("nothing was learned of %s: %s", ", ".join(due), error)
        return _LOOK

    def _is_due(self, query: Query) -> bool:
        if not (self._learns and _is_learned(query)):
            return False
        state = self._states.setdefault(query, _State())
        fresh = query.family.log.noted - state.noted
        return fresh >= LEAST and len(query.family.log) >= LEAST and monotonic() >= state.not_before

    def _learned(
        self,
        query: Query,
        histories: dict[_Since, _History],
        fits: Sequence[str] | None,
        anew: bool,
    ) -> Selection:
        """Learn one query, and give it what was selected unless all has changed meanwhile."""
        started = monotonic()
        before, since = query.model, _since(query)
        state = self._states.setdefault(query, _State())
        state.noted = query.family.log.noted
        history = histories.get(since)
        if history is None or query.draw is not None:  # whose sample is of its own
            history = histories[since] = _History.of(query, query.void_before())
        task = Task(query.name, query.target, query.tolerance, query.confidence, history.vocabulary)
        # A model of what is void now would bring that back.
        known = [
            each if each and each.since > query.void_before() else None
            for each in (before, query.counts)
        ]
        selection = self._selected(task, history, known[0], fits, anew)
        _log.info("%s", selection)
        counts = None
        if query.statement.groups and query.target.adds_up and query.target.measure != ROWS:
            task = replace(task, target=Target(COUNT, ROWS), tolerance=_PRESENCE)
            counts = self._selected(task, history, known[1], fits, anew).model
        if query.model is before and _since(query) == since:
            query.model, query.counts = selection.model, counts
            state.time = time()
            if _since(query) != since:  # in that very moment
                query.model = query.counts = None
        state.not_before = monotonic() + _REST * (monotonic() - started)
        return selection

    def _selected(
        self,
        task: Task,
        history: _History,
        model: Model | None,
        fits: Sequence[str] | None,
        anew: bool,
    ) -> Selection:
        if model is not None and not anew and (fits is None or model.fit in fits):
            selection = task.go_on(model, history.periods.whole)
            if selection is not None:
                return selection
        return task.select(history.periods, fits, self._give_up)

    def _follow(self, registry: Registry) -> None:
        """Give queries the models that another process has published."""
        try:
            version = registry.current()
            if version is None or version.number == self._seen:
                return
            self._seen = version.number  # one that cannot be read is told of once
            self._stored = load_models(version.path)
        except (AuguryError, OSError) as error:
            _log.warning("models of answers stay as they are: %s", error)
            return
        for query in list(self._queries.values()):
            self._give(query)

    def _give(self, query: Query) -> None:
        state = self._states.setdefault(query, _State())
        found = {each.counts: each.model for each in self._stored.models if each.fits(query)}
        model = found.get(False)
        if model is not None and model.time > state.time:
            query.model, query.counts = model, found.get(True)
            state.time = model.time

    def _give_up(self) -> None:
        if self._closed:
            raise Stopped


def _is_learned(query: Query) -> bool:
    return query.tolerance is not None or query.target.kind == LABEL


def _import_packages() -> None:
    """Import what fits models: it takes seconds, and must not be half-way at a fork."""
    import_module("crepes")
    for name in fit_names():
        try:
            import_module(load_fit(name).PACKAGE)
        except MissingExtraError:
            continue
