"""What the native catalogue says about its policies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from augury import _native
from augury.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that may be set; allowed from `low` to `high`, both included."""

    name: str
    """As in ``lruk(k=3)``."""
    standard: float
    """The default."""
    low: float
    high: float
    meaning: str
    """What it does."""


@dataclass(frozen=True, slots=True)
class Description:
    """What there is to know about a policy."""

    name: str
    """As in ``policy=``."""
    title: str
    """For people."""
    paper: str
    """Where it comes from."""
    offline: bool
    """It needs to know the future, so it serves simulations only."""
    adaptive: bool
    """It has no fixed rule: shadow caches or a model decide."""
    learns: bool
    """It has a use for a model."""
    parameters: tuple[Parameter, ...]
    """What may be set."""


@cache
def _catalogue() -> dict[str, Description]:
    return {
        name: Description(
            name, title, paper, offline, adaptive, learns, tuple(Parameter(*p) for p in parameters)
        )
        for name, title, paper, offline, adaptive, learns, parameters in (
            _native.describe_policies()
        )
    }


def names(*, offline: bool = True, adaptive: bool = True) -> list[str]:
    """Return the names of all policies, in the catalogue's order.

    Parameters
    ----------
    offline
        Whether to include those that serve simulations only.
    adaptive
        Whether to include those without a fixed rule: shadow caches or a model decide in them.

    Examples
    --------
    >>> set(names()) - set(names(offline=False))
    {'belady'}
    >>> sorted(set(names()) - set(names(adaptive=False)))
    ['auto', 'learned']
    """
    return [
        d.name
        for d in _catalogue().values()
        if (offline or not d.offline) and (adaptive or not d.adaptive)
    ]


def describe(name: str) -> Description:
    """Return the description of a policy.

    Raises
    ------
    ConfigurationError
        If there is no policy of that name.
    """
    try:
        return _catalogue()[name]
    except KeyError:
        raise ConfigurationError(
            f"unknown policy {name!r}; there are: {', '.join(names())}"
        ) from None
