"""What the native catalogue says about its predictors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from augury import _native
from augury.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Predictor:
    """What there is to know about a predictor of the next keys."""

    name: str
    """As in `PrefetchOptions`."""
    title: str
    """For people."""
    paper: str
    """Where it comes from."""


@cache
def predictors() -> tuple[Predictor, ...]:
    """Return all predictors, in the catalogue's order.

    Examples
    --------
    >>> [predictor.name for predictor in predictors()]
    ['markov', 'context', 'runs', 'association', 'periodic']
    """
    return tuple(Predictor(*each) for each in _native.predictors())


def mask_of(names: Iterable[str] | None) -> int:
    """Return predictors as bits, the first of the catalogue the lowest; None: all.

    Raises
    ------
    ConfigurationError
        If a name is none of a predictor, or there is none.

    Examples
    --------
    >>> mask_of(["markov", "runs"])
    5
    """
    known = [predictor.name for predictor in predictors()]
    if names is None:
        return (1 << len(known)) - 1
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ConfigurationError(f"predictors are several names, such as ['markov'], not {names!r}")
    mask = 0
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"there is no predictor {name!r}; there are {', '.join(known)}"
            )
        mask |= 1 << known.index(name)
    if mask == 0:
        raise ConfigurationError(f"predictors names none; there are {', '.join(known)}")
    return mask
