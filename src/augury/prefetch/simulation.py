"""What fetching ahead would be worth: replays a trace with the predictors of the live cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augury import _native
from augury.accesslog import InMemoryTrace, Spool, Trace
from augury.accesslog.spool import spooled
from augury.errors import ConfigurationError
from augury.models import Artefact
from augury.policies import Policy, describe, parse
from augury.prefetch.options import PrefetchOptions
from augury.prefetch.predictors import predictors
from augury.prefetch.report import PredictorReport, PrefetchReport
from augury.simulation import (
    Run,
    SimulationResult,
    capacity_of,
    replay,
    simulate_many,
)

if TYPE_CHECKING:
    from augury.accesslog.spool import SpooledChunk

_MOST_DELAY = 1 << 32
_DEEPEST = 4
_READING, _WITHOUT = 0.2, 0.2  # about the share of the time that these take


@dataclass(frozen=True, slots=True)
class PrefetchResult:
    """One policy at one size, with and without fetching ahead."""

    without: SimulationResult
    """The policy alone."""
    result: SimulationResult
    """With fetching ahead: `misses` are those of requests, so what the requests waited for."""
    report: PrefetchReport
    """What was fetched, and what came of it."""

    @property
    def saved(self) -> float:
        """The part of the misses that fetching ahead turned into hits; negative if it added some.

        0.0 if there was no miss to save.
        """
        misses = self.without.misses
        return (misses - self.result.misses) / misses if misses else 0.0

    @property
    def extra_load(self) -> float:
        """What the source answers more than without, as a part of that: misses and fetches."""
        before = self.without.misses
        return (self.result.misses + self.report.fetched - before) / before if before else 0.0

    def as_dict(self) -> dict[str, object]:
        """Return what `augury simulate --prefetch --json` prints."""
        return {
            **self.result.as_dict(),
            "misses_without": self.without.misses,
            "miss_ratio_without": self.without.miss_ratio,
            "saved": self.saved,
            "extra_load": self.extra_load,
            "prefetch": self.report.as_dict(),
        }


def simulate_prefetch(
    trace: Spool | Trace | InMemoryTrace | Iterable[int | str],
    policies: Sequence[str | Policy] = ("auto",),
    capacities: Sequence[str | float] = ("5%",),
    *,
    by_bytes: bool = False,
    warm: float = 0.0,
    seed: int = 1,
    model: Artefact | None = None,
    delay: int = 0,
    options: PrefetchOptions | None = None,
    jobs: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> list[PrefetchResult]:
    """Replay a trace through policies at sizes, with and without fetching ahead.

    The predictors learn while the trace is replayed, as in a live cache: each request is predicted
    from those before it. Integers are continued (17, 18, 19 ...) only where they mean something:
    see `augury.accesslog.Spool.numbered`.

    Parameters
    ----------
    trace, policies, capacities, by_bytes, warm, seed, model, jobs, progress
        As for `augury.simulate_many`; policies that know the future cannot be chosen.
    delay
        How many requests pass while a fetch is under way; what is asked for meanwhile is a miss. By
        default none; set it to requests a second times the latency of the source in seconds.
    options
        How to fetch ahead; by default as a live cache does.

    Returns
    -------
    list of PrefetchResult
        In the order of the policies, for each in the order of the capacities.

    Raises
    ------
    ConfigurationError
        If a parameter makes no sense.
    TraceError
        If the trace cannot be read.

    Examples
    --------
    >>> pages = ["/", "/cart", "/pay", "/news", "/sport", "/weather"] * 200
    >>> [found] = simulate_prefetch(pages, ["lru"], [4])
    >>> found.without.misses, found.result.misses < 300, found.report.precision > 0.9
    (1200, True, True)
    """
    if not isinstance(delay, int) or isinstance(delay, bool) or not 0 <= delay <= _MOST_DELAY:
        raise ConfigurationError(f"delay must be from 0 to 2**32 requests, not {delay!r}")
    chosen = [parse(policy) for policy in policies]
    for policy in chosen:
        if describe(policy.name).offline:
            raise ConfigurationError(
                f"policy {policy.name!r} knows the future: there is nothing to predict for it"
            )
    options = options or PrefetchOptions()
    tell = progress or (lambda _: None)
    with spooled(trace, lambda share: tell(share * _READING)) as spool:
        without = simulate_many(
            spool,
            chosen,
            capacities,
            by_bytes=by_bytes,
            warm=warm,
            seed=seed,
            model=model,
            jobs=jobs,
            progress=lambda share: tell(_READING + _WITHOUT * share),
        )
        entries = spool.footprint / max(spool.distinct, 1) if by_bytes else 1.0
        whole = spool.footprint if by_bytes else spool.distinct
        runs = [
            _Ahead(
                policy,
                capacity := capacity_of(size, whole, by_bytes=by_bytes),
                by_bytes,
                seed,
                model,
                options,
                options.keys_for(min(int(capacity / entries), spool.distinct)),
                delay,
            )
            for policy in chosen
            for size in capacities
        ]
        done = _READING + _WITHOUT
        replay(spool, runs, warm, jobs, lambda share: tell(done + (1 - done) * share))
    return [PrefetchResult(alone, *run.result()) for alone, run in zip(without, runs, strict=True)]


class _Ahead(Run[_native.PrefetchSimulation]):
    """One policy at one size, with prefetch."""

    def __init__(
        self,
        policy: Policy,
        capacity: int,
        by_bytes: bool,
        seed: int,
        model: Artefact | None,
        options: PrefetchOptions,
        keys: int,
        delay: int,
    ) -> None:
        simulation = _native.PrefetchSimulation(
            policy.name,
            capacity,
            weighed=by_bytes,
            seed=seed,
            parameters=dict(policy.parameters),
            model=model.native if model is not None and describe(policy.name).learns else None,
            keys=keys,
            predictors=options.mask,
            depth=min(1 + delay, _DEEPEST),
            most=options.most,
            share=options.share,
            precision=options.precision,
            delay=delay,
        )
        super().__init__(policy, capacity, simulation)

    def _feed(self, chunk: SpooledChunk, spool: Spool, part: slice) -> None:
        self._simulation.feed(
            chunk.ids[part],
            spool.hashes,
            chunk.sizes[part] if chunk.sizes is not None else None,
            spool.numbers,
            chunk.times[part] if chunk.times is not None else None,
            chunk.sessions[part] if chunk.sessions is not None else None,
            spool.numbered,
        )

    def result(self) -> tuple[SimulationResult, PrefetchReport]:
        counts = self._simulation.counts()
        report = PrefetchReport(
            requests=counts["requests"],
            misses=counts["misses"],
            fetched=counts["fetched"],
            used=counts["used"],
            unused=counts["unused"],
            late=counts["late"],
            fetched_bytes=counts["fetched_bytes"],
            waited=tuple(counts["waited"]),
            by_predictor=tuple(
                PredictorReport(predictor.name, fetched, used)
                for predictor, fetched, used in zip(
                    predictors(), counts["fetched_by"], counts["used_by"], strict=True
                )
            ),
        )
        result = SimulationResult(
            policy=str(self._policy),
            capacity=self._capacity,
            requests=counts["requests"],
            misses=counts["misses"],
            requested_bytes=counts["requested_bytes"],
            missed_bytes=counts["missed_bytes"],
            seconds=self._seconds,
        )
        return result, report
