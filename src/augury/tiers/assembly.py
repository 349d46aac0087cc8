"""Checks what a `Tiers` is made of, and puts its parts together."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from augury.breaker import Breaker
from augury.errors import ConfigurationError
from augury.events import Fault
from augury.loading import Ttl, check_ttl, seconds
from augury.parameters import check_function, check_integer
from augury.sources import Source, as_source
from augury.tiers.consistency import Consistency
from augury.tiers.contract import Tier, Tracking
from augury.tiers.demotion import Demotion
from augury.tiers.flights import Board
from augury.tiers.generations import Generations
from augury.tiers.levels import Faults, Level, name_apart
from augury.tiers.lifetimes import Lifetimes
from augury.tiers.memory import Memory
from augury.tiers.near import Near
from augury.tiers.operations import Operations
from augury.tiers.placement import Placement, SeenBefore
from augury.tiers.wiring import Wiring

E = TypeVar("E", bound=enum.StrEnum)

_FOREVER = float("inf")
# Seconds after which a dropped tag is asked for again, where nobody tells of it.
_TAG_LASTS = 1.0
# A tier that has failed so often in a row is left alone for so many seconds.
_FAILURES, _REST = 2, 1.0


class WriteMode(enum.StrEnum):
    """When a write is done."""

    THROUGH = "through"
    BEHIND = "behind"


class Outage(enum.StrEnum):
    """What becomes of a write that the last tier does not take."""

    DROP = "drop"
    QUEUE = "queue"


def assemble(
    tiers: Sequence[Tier],
    source: Source[Any, Any] | Callable[[Any], Any] | None,
    *,
    lifetimes: Lifetimes,
    near_ttl: float | timedelta | None,
    consistency: str,
    eagerness: float,
    tags: Callable[[Any], Iterable[str]] | None,
    namespace: str,
    write: str,
    outage: str,
    queue: int,
    lease: float | timedelta,
    placement: Placement | None,
    on_fault: Callable[[Fault], object] | None,
) -> Operations:
    """Return what does the work of `augury.Tiers`, whose parameters these are.

    Raises
    ------
    ConfigurationError
        If they make no sense together.
    """
    mode = _choice(Consistency, "consistency", consistency)
    _check(namespace, eagerness, queue, tags=tags, on_fault=on_fault)
    check_ttl("near_ttl", near_ttl)
    check_ttl("lease", lease)
    if lease is None or seconds(lease) == _FOREVER:
        raise ConfigurationError("lease must be a number of seconds: a load may hang")
    if placement is not None:
        check_function("placement.goes_down", getattr(placement, "goes_down", None))
    memory, below = _split(tiers)
    _check_copies(mode, memory, below, near_ttl, lifetimes.ttl)
    name_apart(tiers)
    faults = Faults(on_fault)
    levels = [Level(tier, Breaker(failures=_FAILURES, rest=_REST), faults) for tier in below]
    middles, authority = levels[:-1], levels[-1] if levels else None
    demotion = Demotion(middles[0], placement or SeenBefore(), faults) if middles else None
    tracking = _track(mode, memory, below)
    board = Board()
    limit = seconds(near_ttl) if near_ttl is not None and mode is Consistency.TTL else _FOREVER
    near = None
    if memory is not None:
        near = Near(
            memory,
            board,
            longest=limit,
            eagerness=0.0 if source is None else eagerness,
            named=tracking is not None,
            key=lambda key: (namespace, key),
            demotion=demotion,
        )
    lasts = min(limit, _TAG_LASTS) if mode is Consistency.TTL else 0.0
    if tracking is not None:
        lasts = _FOREVER
    wiring = Wiring(
        namespace=namespace,
        consistency=mode,
        near=near,
        board=board,
        middles=middles,
        authority=authority,
        tracking=tracking,
        generations=Generations(namespace, authority, lasts, named=tracking is not None),
        lifetimes=lifetimes,
        demotion=demotion,
        faults=faults,
        near_ttl=limit,
        lease_seconds=seconds(lease),
    )
    return Operations(
        tuple(tiers),
        wiring,
        None if source is None else as_source(source),
        tags,
        behind=_choice(WriteMode, "write", write) is WriteMode.BEHIND,
        queues=_choice(Outage, "outage", outage) is Outage.QUEUE,
        queue=queue,
    )


def _choice(kind: type[E], name: str, given: str) -> E:
    try:
        return kind(given)
    except ValueError:
        raise ConfigurationError(
            f"{name} must be one of {', '.join(kind)}, not {given!r}"
        ) from None


def _check(
    namespace: object, eagerness: float, queue: object, **functions: Callable[..., Any] | None
) -> None:
    if not isinstance(namespace, str):
        raise ConfigurationError(f"namespace must be a str, not {namespace!r}")
    if not isinstance(eagerness, int | float) or not 0 <= eagerness < _FOREVER:
        raise ConfigurationError(f"eagerness must be 0 or more, not {eagerness!r}")
    check_integer("queue", queue)
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise ConfigurationError(f"{name} must be callable or None, not {function!r}")


def _split(tiers: Sequence[Tier]) -> tuple[Memory | None, list[Tier]]:
    """Return the memory, if there is one, and the tiers below it."""
    if isinstance(tiers, Tier) or not isinstance(tiers, Sequence):
        raise ConfigurationError(f"tiers must be a list of tiers, not {tiers!r}")
    for tier in tiers:
        if not isinstance(tier, Tier):
            raise ConfigurationError(
                f"{tier!r} is no tier; write augury.tiers.Memory(...) for a cache in memory"
            )
    if not tiers:
        raise ConfigurationError("give at least one tier, such as Memory(10_000)")
    if len(set(map(id, tiers))) < len(tiers):
        raise ConfigurationError("a tier is there twice")
    first = tiers[0]
    memory = first if isinstance(first, Memory) and not first.shared else None
    below = list(tiers if memory is None else tiers[1:])
    if any(isinstance(tier, Memory) and not tier.shared for tier in below):
        raise ConfigurationError("a Memory can only be the first tier: nothing is nearer")
    return memory, below


def _check_copies(
    mode: Consistency,
    memory: Memory | None,
    below: list[Tier],
    near_ttl: object,
    ttl: Ttl | Callable[[Any], Ttl],
) -> None:
    copies = len(below) > 1 or (memory is not None and bool(below))
    if copies and mode is Consistency.TTL and near_ttl is None and ttl is None:
        raise ConfigurationError(
            "without ttl and near_ttl copies would be served for ever, whatever others write: "
            "give one of them, or consistency='tracked' or 'validated'"
        )


def _track(mode: Consistency, memory: Memory | None, below: list[Tier]) -> Tracking | None:
    if mode is not Consistency.TRACKED or memory is None or not below:
        return None
    tracking = below[-1].track()
    if tracking is None:
        raise ConfigurationError(
            f"tier {below[-1].name!r} cannot tell of writes, which consistency='tracked' needs: "
            "use 'validated' or 'ttl', or Redis as the last tier"
        )
    return tracking
