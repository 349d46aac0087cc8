"""Makes what a configuration describes: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from augury.accesslog import Recorder
from augury.advice import Advisor
from augury.answers import Answers, Parameter, Tolerance
from augury.cache import Cache
from augury.closing import Closing
from augury.config.quantities import capacity_is_bytes
from augury.config.sections.advisors import AdvisorSection
from augury.config.sections.answers import AnswersSection, ParameterSection, ToleranceSection
from augury.config.sections.caches import CacheSection, TiersSection
from augury.config.sections.tiers import DiskTier, MemoryTier, RedisTier, TierSection
from augury.config.settings import Settings
from augury.config.weighing import value_bytes
from augury.errors import AuguryError, SettingsError
from augury.models import Registry
from augury.observe import Observer
from augury.simulation import capacity_of
from augury.tiers import Disk, Memcached, Memory, Redis, Tier, Tiers

_PARAMETERS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (str, int, float, bool, date, datetime)
}


@dataclass(slots=True)
class Built(Closing):
    """What a configuration describes, running.

    `close` writes what waits and ends everything, the last made first.
    """

    settings: Settings
    """What it was made from."""
    caches: dict[str, Cache[Any, Any] | Tiers[Any, Any]] = field(default_factory=dict)
    """By name, in the order of the configuration."""
    answers: dict[str, Answers] = field(default_factory=dict)
    """By name."""
    advisors: dict[str, Advisor] = field(default_factory=dict)
    """By name."""
    registry: Registry | None = None
    """The models, if a folder of them is configured."""
    observer: Observer = field(default_factory=Observer)
    """Observes all of it."""
    _open: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        """Write what waits, and end everything. A second call does nothing."""
        self._open.close()


def build(settings: Settings) -> Built:
    """Make what a configuration describes; nothing is left over if that fails.

    Servers and databases that do not answer are no mistake: caches do without them meanwhile.

    Parameters
    ----------
    settings
        From `load_settings`.

    Returns
    -------
    Built
        To be closed by the caller.

    Raises
    ------
    SettingsError
        If something cannot be made; the text names all that cannot, by its key.

    Examples
    --------
    >>> from augury.config.sections.caches import CacheSection
    >>> with build(Settings(caches={"users": CacheSection(capacity=100)})) as built:
    ...     built.caches["users"]["ada"] = b"1815"
    ...     built.caches["users"]["ada"]
    b'1815'
    """
    mistakes: list[str] = []
    with ExitStack() as unfinished:
        built = Built(settings)
        unfinished.callback(built.close)
        built._open.callback(built.observer.close)
        recorder = None
        with _told("registry", mistakes):
            built.registry = None if settings.registry is None else Registry(settings.registry)
        with _told("training.folder", mistakes):
            recorder = _recorder(settings)
            if recorder is not None:
                built._open.callback(recorder.close)
        for name, section in settings.caches.items():
            with _told(f"caches.{name}", mistakes):
                built.caches[name] = cache = _cache(name, section, built, recorder)
                built._open.callback(_close, cache)
                built.observer.add(name, cache)
        for name, answers in settings.answers.items():
            key = f"answers.{name}"
            with _told(key, mistakes):
                made = Answers(
                    answers.database.get_secret_value(),
                    None if answers.cache is None else built.caches.get(answers.cache),
                    audits=answers.audits,
                    learns=answers.learns,
                )
                built._open.callback(made.close)
                built.answers[name] = made
                _register(made, key, answers, mistakes)
                if answers.listen:
                    made.listen()
                built.observer.add(name, made)
        for name, advised in settings.advisors.items():
            with _told(f"advisors.{name}", mistakes):
                built.advisors[name] = advisor = _advisor(advised)
                built._open.callback(advisor.close)
                built.observer.add(name, advisor)
        if mistakes:
            raise SettingsError(mistakes)
        unfinished.pop_all()
    return built


@contextmanager
def _told(key: str, mistakes: list[str]) -> Iterator[None]:
    try:
        yield
    except AuguryError as error:
        mistakes.append(f"{key}: {error}")
    except OSError as error:
        mistakes.append(f"{key}: {error.filename or 'the system'}: {error.strerror}")


def _recorder(settings: Settings) -> Recorder | None:
    training = settings.training
    records = any(isinstance(it, CacheSection) and it.record for it in settings.caches.values())
    if training.folder is None or not records:
        return None
    return Recorder(training.folder, sample=training.sample, keep=training.keep)


def _cache(
    name: str, section: CacheSection | TiersSection, built: Built, recorder: Recorder | None
) -> Cache[Any, Any] | Tiers[Any, Any]:
    if isinstance(section, TiersSection):
        with ExitStack() as unfinished:
            tiers = []
            for each in section.tiers:
                tiers.append(_tier(each))
                unfinished.callback(tiers[-1].close)
            made: Tiers[Any, Any] = Tiers(
                tiers,
                ttl=section.ttl,
                near_ttl=section.near_ttl,
                consistency=section.consistency,
                stale=section.stale or 0.0,
                namespace=name if section.namespace is None else section.namespace,
                write=section.write,
                outage=section.outage,
                queue=section.queue,
                lease=section.lease,
            )
            unfinished.pop_all()
        return made
    return Cache(
        policy=section.policy,
        ttl=section.ttl,
        model=built.registry if section.registry else section.model,
        learn=section.learn,
        record=recorder.named(name) if recorder is not None and section.record else None,
        **_capacity(section.capacity),
    )


def _advisor(section: AdvisorSection) -> Advisor:
    written = section.capacity
    by_bytes = isinstance(written, str) and capacity_is_bytes(written)
    return Advisor(
        capacity_of(written, 0, by_bytes=by_bytes),
        policy=section.policy,
        by_bytes=by_bytes,
        keys=section.keys,
        learn=section.learn,
    )


def _close(cache: Cache[Any, Any] | Tiers[Any, Any]) -> None:
    if isinstance(cache, Tiers):
        cache.close()
    elif cache.learner is not None:
        cache.learner.close()


def _tier(section: TierSection) -> Tier:
    if isinstance(section, MemoryTier):
        return Memory(policy=section.policy, **_capacity(section.capacity))
    if isinstance(section, DiskTier):
        return Disk(section.folder, section.capacity, timeout=section.timeout)
    if isinstance(section, RedisTier):
        return Redis(
            section.url.get_secret_value(),
            namespace=section.namespace,
            timeout=section.timeout,
            heartbeat=section.heartbeat,
        )
    return Memcached(
        section.servers,
        namespace=section.namespace,
        timeout=section.timeout,
        item_size=section.item_size,
    )


def _capacity(written: int | str) -> dict[str, Any]:
    by_bytes = isinstance(written, str) and capacity_is_bytes(written)
    capacity = capacity_of(written, 0, by_bytes=by_bytes)
    return {"capacity": capacity, "weigher": value_bytes if by_bytes else None}


def _register(answers: Answers, key: str, section: AnswersSection, mistakes: list[str]) -> None:
    for name, query in section.queries.items():
        with _told(f"{key}.queries.{name}", mistakes):
            answers.register(
                name,
                query.sql,
                {name: _parameter(given) for name, given in query.parameters.items()},
                tolerance=_tolerance(query.tolerance),
                confidence=query.confidence,
                labels=query.labels,
                sample=query.sample,
            )


def _parameter(section: ParameterSection) -> Parameter:
    return Parameter(
        _PARAMETERS[section.kind],
        several=section.several,
        values=section.values,
        least=section.least,
        most=section.most,
    )


def _tolerance(section: ToleranceSection | None) -> Tolerance | None:
    return None if section is None else Tolerance(section.absolute, section.relative)
