"""A policy with its parameters, as users write it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from augury.errors import ConfigurationError
from augury.policies.catalogue import describe, names

# Commas in brackets separate a policy's parameters.
_BETWEEN_POLICIES = re.compile(r",(?![^()]*\))")
_WRITTEN = re.compile(r"\s*(?P<name>[\w-]+)\s*(?:\((?P<parameters>[^()]*)\))?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Policy:
    """An eviction policy and the parameters that differ from its standard.

    Parameters
    ----------
    name
        One of `augury.policies.names()`.
    parameters
        By name; see `augury.policies.describe(name).parameters`.

    Raises
    ------
    ConfigurationError
        For an unknown name or parameter, or a value out of bounds.

    Examples
    --------
    >>> str(Policy("lru"))
    'lru'
    """

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        allowed = {p.name: p for p in describe(self.name).parameters}
        for name, value in self.parameters.items():
            if name not in allowed:
                known = ", ".join(allowed) or "none"
                raise ConfigurationError(
                    f"policy {self.name!r} has no parameter {name!r}; it has: {known}"
                )
            low, high = allowed[name].low, allowed[name].high
            if not low <= value <= high:
                raise ConfigurationError(
                    f"{name} of policy {self.name!r} must be from {low:g} to {high:g}, "
                    f"not {value:g}"
                )
        object.__setattr__(self, "parameters", dict(self.parameters))

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.parameters.items())))

    def __str__(self) -> str:
        if not self.parameters:
            return self.name
        return (
            f"{self.name}({', '.join(f'{k}={_shortest(v)}' for k, v in self.parameters.items())})"
        )


def _shortest(number: float) -> str:
    """Write a number as `parse` reads it again."""
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))


def check_seed(seed: object) -> None:
    """Raise a `ConfigurationError` unless a `seed` is one that policies can draw by."""
    if not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise ConfigurationError(f"seed must be an integer from 0 to 2**64 - 1, not {seed!r}")


def check_learns(policy: Policy) -> None:
    """Raise a `ConfigurationError` unless the policy has a use for a model."""
    if not describe(policy.name).learns:
        others = ", ".join(repr(name) for name in names() if describe(name).learns)
        raise ConfigurationError(
            f"policy {policy.name!r} has no use for a model; choose one that has: {others}"
        )


def parse(written: str | Policy) -> Policy:
    """Return the policy that a user has written: ``"lru"``, ``"s3fifo(small=0.2)"``.

    Raises
    ------
    ConfigurationError
        If it is not written that way, or as `Policy` does.
    """
    if isinstance(written, Policy):
        return written
    match = _WRITTEN.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise ConfigurationError(
            f"cannot read policy {written!r}; write a name, or name(parameter=value, ...)"
        )
    parameters: dict[str, float] = {}
    for item in filter(None, (part.strip() for part in (match["parameters"] or "").split(","))):
        name, equals, value = item.partition("=")
        if name.strip() in parameters:
            raise ConfigurationError(
                f"policy {written!r} has {name.strip()!r} twice; write it once"
            )
        try:
            if not equals:
                raise ValueError
            parameters[name.strip()] = float(value)
        except ValueError:
            raise ConfigurationError(
                f"cannot read {item!r} in policy {written!r}; write parameter=number"
            ) from None
    return Policy(match["name"], parameters)


def split(listed: str) -> list[str]:
    """Return the policies `listed` with commas between them; `parse` reads each.

    Examples
    --------
    >>> split("lru, lruk(k=3, ghost=0),")
    ['lru', 'lruk(k=3, ghost=0)', '']
    """
    return [written.strip() for written in _BETWEEN_POLICIES.split(listed)]
