"""Miss-ratio curves of a trace, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from augury.accesslog import InMemoryTrace, Trace, requests_of
from augury.errors import ConfigurationError
from augury.models import Artefact
from augury.policies import Policy, check_seed, describe, parse
from augury.sizing.curve import Curve
from augury.sizing.miniature import rate_for, simulated
from augury.sizing.stack import from_depths, from_times

METHODS = ("exact", "shards", "aet", "simulation")
"""How `curve` may measure; what each does, it says."""

_MOST_KEYS = 16_384


def curve(
    trace: Trace | InMemoryTrace | Iterable[int | str],
    policy: str | Policy = "lru",
    *,
    method: str | None = None,
    sample: float | None = None,
    most_keys: int | None = None,
    by_bytes: bool = False,
    capacities: Sequence[str | float] | None = None,
    seed: int = 1,
    model: Artefact | None = None,
    progress: Callable[[float], object] | None = None,
) -> Curve:
    """Measure the miss ratio by capacity, in one pass over a trace.

    Parameters
    ----------
    trace
        From `augury.read_trace`, or the keys of the requests in order.
    policy
        As for `augury.simulate`.
    method
        How it is measured:

        - ``"exact"``: stack distances of LRU (R. L. Mattson et al., 1970). O(log keys) a request,
          about 75 bytes a key.
        - ``"shards"``: those of a sample of the keys (C. Waldspurger et al., FAST 2015), corrected
          by how many requests and keys there are. The default for LRU.
        - ``"aet"``: from the times until keys in a sample are asked for again (X. Hu et al.,
          "Kinetic modeling of data eviction in cache", ATC 2016). For LRU; a model, which may be
          off by more than `errors` says.
        - ``"simulation"``: small caches with a sample of the keys (C. Waldspurger et al.,
          "Cache modeling and optimization using miniature simulations", ATC 2017). The default for
          all other policies.
    sample
        Share of the keys to look at, above 0.0 and up to 1.0. By default as many as `most_keys`
        allows.
    most_keys
        SHARDS and AET look at no more keys than this, whatever the trace: memory is bounded.
        16,384 by default if `sample` is not given, otherwise there is no limit. For
        ``"simulation"`` with no `sample`, that many keys are looked at about, and the trace is read
        once more beforehand to find the rate.
    by_bytes
        Whether an entry takes as much room as its size; otherwise each takes 1.
    capacities
        At which points, as for `augury.simulate`; percentages are of the distinct keys or bytes.
        By default they are spaced geometrically. A stack method measures as many points as 16 for
        each doubling of the capacity anyway, and has between these what `Curve.at` has.
    seed
        Of the sample, and of policies that choose at random.
    model
        For policy ``"learned"``.
    progress
        Called with the share done, from 0.0 to 1.0.

    Returns
    -------
    Curve
        Miss ratios by capacity, with their errors.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense, or the sample has no key.
    TraceError
        If the trace cannot be read.

    Examples
    --------
    >>> requests = [number * number % 1009 for number in range(5_000)]
    >>> exact = curve(requests, method="exact")
    >>> exact.at(505), exact.at(100) > 0.5
    (0.101, True)
    """
    chosen = parse(policy)
    used = method or ("shards" if chosen.name == "lru" else "simulation")
    _check(used, chosen, sample, most_keys, seed, model)
    tell = progress or (lambda _: None)
    if not isinstance(trace, Trace | InMemoryTrace):
        trace = requests_of(trace)
    if most_keys is None and sample is None:
        most_keys = _MOST_KEYS
    if used == "exact":
        return from_depths(trace, "exact", 1.0, 0, seed, by_bytes, capacities, tell)
    if used == "simulation":
        if most_keys is not None:
            # Unlike a stack, a cache cannot do without keys that it has been asked for.
            sample = rate_for(trace, most_keys, seed, lambda share: tell(share / 3))
        return simulated(
            trace,
            chosen,
            sample or 1.0,
            seed,
            by_bytes,
            capacities,
            model,
            tell if most_keys is None else lambda share: tell((1 + 2 * share) / 3),
        )
    make = from_times if used == "aet" else from_depths
    return make(trace, used, sample or 1.0, most_keys or 0, seed, by_bytes, capacities, tell)


def _check(
    method: str,
    policy: Policy,
    sample: float | None,
    most_keys: int | None,
    seed: int,
    model: Artefact | None,
) -> None:
    if method not in METHODS:
        raise ConfigurationError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if method != "simulation" and policy.name != "lru":
        raise ConfigurationError(
            f"method {method!r} measures LRU; for policy {policy.name!r} it is 'simulation'"
        )
    if sample is not None and not 0.0 < sample <= 1.0:
        raise ConfigurationError(f"sample must be above 0 and up to 1, not {sample!r}")
    if most_keys is not None and not 1 <= most_keys < 2**30:
        raise ConfigurationError(f"most_keys must be from 1 to 2**30, not {most_keys!r}")
    if method == "exact" and (sample is not None or most_keys is not None):
        raise ConfigurationError("method 'exact' looks at all keys; leave the sample out")
    if method == "simulation" and sample is not None and most_keys is not None:
        raise ConfigurationError("method 'simulation' takes either sample or most_keys")
    if model is not None and not describe(policy.name).learns:
        raise ConfigurationError("a model is for policy 'learned'; name it")
    check_seed(seed)
