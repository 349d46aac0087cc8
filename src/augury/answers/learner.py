"""Learns from executed queries, in the background or at once, and gives queries their models."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from time import time

from augury.answers.answer import Tolerance
from augury.answers.fits import fit_names, load_fit
from augury.answers.query import Query
from augury.answers.selection import LEAST, Selection, select
from augury.answers.stored import StoredModels, load_models
from augury.answers.target import COUNT, LABEL, ROWS, Target
from augury.closing import Closing
from augury.errors import ArtefactError, AuguryError, MissingExtraError
from augury.learning.background import Stopped, background
from augury.models import Registry

_log = logging.getLogger("augury.answers")

_LOOK = 1.0  # seconds between two looks at how much has been executed
_GROWTH = 0.5  # of what was learned from, what has to come until it is learned anew


_PRESENCE = Tolerance(absolute=0.49, relative=0.49)
"""How well the rows of a group have to be known to say whether there are any."""


@dataclass(slots=True)
class _State:
    """What was learned of a query."""

    noted: int = 0
    """Executed queries of its family by then, ever."""
    trusted: bool = False
    """Whether a model was given; if there is none now, audits have switched it off."""
    time: float = 0.0
    """When that was decided, in seconds since 1970: no older model is taken from others."""


class Learner(Closing):
    """Gives queries models as soon as enough has been executed, and better ones later on.

    A query is learned first after 250 executed queries of its family, and again after half as many
    more as there were, but at least 250; at the latest after 250 if audits have switched its model
    off. This happens in the thread of `augury.learning.background`, one query after another, from
    copies: whoever asks waits for nothing but the interpreter. A model is replaced by one
    assignment.

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
        self, names: Sequence[str] | None = None, fits: Sequence[str] | None = None
    ) -> list[Selection]:
        """Learn now and here, whatever the schedule says.

        Parameters
        ----------
        names
            Of queries; by default all that have a tolerance.
        fits
            Names of kinds of models; by default all that are installed.
        """
        chosen = [
            each
            for each in list(self._queries.values())
            if (_is_learned(each) if names is None else each.name in names)
        ]
        with self._turn:
            selections = [self._learned(each, fits) for each in chosen]
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
        off = state.trusted and query.model is None
        wanted = LEAST if off else max(LEAST, int(_GROWTH * state.noted))
        return fresh >= wanted and len(query.family.log) >= LEAST

    def _learned(self, query: Query, fits: Sequence[str] | None) -> Selection:
        """Learn one query, and give it what was selected unless all has changed meanwhile."""
        family, before, key = query.family, query.model, query.key(())
        state = self._states.setdefault(query, _State())
        state.noted = family.log.noted
        sample = None if query.draw is None else query.draw(query)
        examples = replace(family.examples(), sample=sample)
        vocabulary = family.vocabulary.copy()  # which may know more categories by now, but no fewer
        sized = replace(examples, sizes=tuple(len(values) for values in vocabulary.values))
        selected = partial(
            select,
            query.name,
            sized,
            vocabulary=vocabulary,
            confidence=query.confidence,
            fits=fits,
            between=self._give_up,
        )
        selection = selected(query.target, tolerance=query.tolerance, before=before)
        _log.info("%s", selection)
        groups = query.statement.groups and query.target.adds_up
        counts = None
        if groups and query.target.measure != ROWS:
            counts = selected(Target(COUNT, ROWS), tolerance=_PRESENCE, before=query.counts).model
        if query.model is before and query.key(()) == key:
            query.model, query.counts = selection.model, counts
            state.trusted = selection.model is not None
            state.time = time()
        return selection

    def _follow(self, registry: Registry) -> None:
        """Give queries the models that another process has published."""
        try:
            version = registry.current()
            if version is None or version.number == self._seen:
                return
            self._seen = version.number  # one that cannot be read is told of once
            self._stored = load_models(version.path)
        except (ArtefactError, OSError) as error:
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
            state.trusted, state.time = True, model.time

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
