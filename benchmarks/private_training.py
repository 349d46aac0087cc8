"""What hit ratio is lost by learning from noisy counters, by epsilon: a figure, and a plot.

    python benchmarks/private_training.py [--users 20000] [--requests 400000] [--png FILE] [--json]

Generated requests: popular keys by a Zipf law, half of which change hourly, each user's own keys,
and scans. Models are learned from the first half, as it was and as `private_trace` made it up, and
the second half is simulated, with the guard that a cache has and without. The noise has no seed, so
each epsilon is measured as often as `--rounds` says, and the median is told.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import augury
from augury.accesslog import InMemoryTrace
from augury.errors import LearningError
from augury.learning import private_trace
from augury.policies import Policy

HOURS = 24
EPSILONS = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Found:
    learned_from: str
    epsilon: float | None
    hit_ratio: float
    unguarded: float
    shown: float
    """Share of the requests whose keys show."""


def generated(users: int, requests: int, seed: int = 1) -> InMemoryTrace:
    random = np.random.default_rng(seed)
    who = random.integers(0, users, requests)
    when = np.sort(random.random(requests)) * HOURS * 3600.0
    hour = (when // 3600).astype(np.int64)
    popular = random.zipf(1.2, requests) % 20_000
    moved = (popular % 2) * hour * 20_000  # half of the keys change each hour
    own = (1 << 32) + who * 8 + random.integers(0, 8, requests)
    scan = (1 << 40) + np.arange(requests)
    kind = random.random(requests)
    keys = np.where(kind < 0.6, popular + moved, np.where(kind < 0.8, own, scan))
    return InMemoryTrace(keys.astype(np.uint64), times=1.7e9 + when, sessions=who.astype(np.uint64))


def part(trace: InMemoryTrace, start: int, stop: int) -> InMemoryTrace:
    columns = [(chunk.keys, chunk.times, chunk.sessions) for chunk in trace.chunks()]
    keys, times, sessions = (
        np.concatenate([np.asarray(each) for each in column])[start:stop]
        for column in zip(*columns, strict=True)
    )
    return InMemoryTrace(keys, times=times, sessions=sessions)


def hit_ratio(trace: InMemoryTrace, policy: str | Policy, model: augury.Artefact | None) -> float:
    found = augury.simulate(trace, policy=policy, capacity=2_000, model=model, warm=0.5)
    return 1 - found.miss_ratio


def measure(trace: InMemoryTrace, rounds: int) -> list[Found]:
    past = part(trace, 0, len(trace) // 2)
    bare = Policy("learned", {"guard": 0.0})

    def of(name: str, epsilon: float | None, learned: InMemoryTrace, shown: float) -> Found:
        model = augury.learn(learned, "gbm", until=1.0)
        return Found(
            name, epsilon, hit_ratio(trace, "learned", model), hit_ratio(trace, bare, model), shown
        )

    found = [
        Found(name, None, hit_ratio(trace, name, None), hit_ratio(trace, name, None), 1.0)
        for name in ("lru", "auto")
    ]
    found.append(of("keys", None, past, 1.0))
    for epsilon in EPSILONS:
        tries = []
        for _ in range(rounds):
            try:
                made = private_trace(past, epsilon=epsilon, contribution=20, period=6 * 3600.0)
            except LearningError:  # no key shows: the cache has no model
                continue
            known = {key for chunk in past.chunks() for key in chunk.keys.tolist()}
            kept = sum(key in known for chunk in made.chunks() for key in chunk.keys.tolist())
            tries.append(of("noisy counters", epsilon, made, kept / len(past)))
        if not tries:
            auto = found[1].hit_ratio
            found.append(Found("nothing shows", epsilon, auto, auto, 0.0))
            continue
        found.append(
            Found(
                "noisy counters",
                epsilon,
                *(
                    statistics.median(getattr(each, name) for each in tries)
                    for name in ("hit_ratio", "unguarded", "shown")
                ),
            )
        )
    return found


def draw(found: list[Found], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure((6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    noisy = [each for each in found if each.epsilon is not None]
    for name, label in (("hit_ratio", "with the guard"), ("unguarded", "without it")):
        points = [(each.epsilon or 0.0, getattr(each, name)) for each in noisy]
        axes.plot(*zip(*points, strict=True), marker="o", label=f"noisy counters, {label}")
    for each, style in zip(found[:3], (":", "--", "-."), strict=True):
        label = "learned from the log" if each.learned_from == "keys" else each.learned_from
        axes.axhline(each.hit_ratio, linestyle=style, color="grey", label=label)
    axes.set(xscale="log", xlabel="epsilon, a session", ylabel="hit ratio")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--requests", type=int, default=400_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--png", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(generated(options.users, options.requests), options.rounds)
    if options.png:
        draw(found, options.png)
    if options.json:
        print(json.dumps([asdict(each) for each in found], indent=1))
        return
    print(f"{'learned from':16} {'epsilon':>8} {'hit ratio':>10} {'unguarded':>10} {'shown':>7}")
    for each in found:
        epsilon = "" if each.epsilon is None else f"{each.epsilon:g}"
        print(
            f"{each.learned_from:16} {epsilon:>8} {each.hit_ratio:10.3f} {each.unguarded:10.3f} "
            f"{each.shown:7.1%}"
        )


if __name__ == "__main__":
    main()
