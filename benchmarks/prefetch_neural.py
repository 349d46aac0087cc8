"""A neural network beside Augury's predictors: what each says comes next.

    python -m benchmarks.prefetch_neural TRACES [--names kosarak,apache_combined]

The network (`augury.prefetch.neural`) is trained on the first half of a trace, and stays as it is.
The others learn as they go, as in a live cache. All are judged by the second half:

hit@k    of the requests, the part after which one of the first k keys that it named was asked for
         within the next 8 requests of the session, or of the trace
saved    demand misses less than LRU's alone at 5%, when every key named with a probability of at
         least 0.5 goes straight into this cache, in percent; and the precision of that. The network
         says how probable a key is to be the very next one, the others how probable within 64
         requests, so it is shown at 0.2, too
shipped  the same in Augury's own probation, at its own threshold
cost     ns a request: of the predictors, learning included; of the network, predicting in batches,
         and in brackets from the last 32 requests of one session, as a live cache would have to

Needs PyTorch. Sessions are those of the trace, else all of it is one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import augury
from augury import _native
from augury.accesslog import Spool
from augury.prefetch import PrefetchOptions, simulate_prefetch
from augury.prefetch.neural import NOTHING, Proposals, fit_neural
from augury.simulation import capacity_of
from benchmarks.prefetch_baselines import replay

AHEAD = 8  # requests
MOST = 4  # keys named
THRESHOLD = 0.5
LOWER = 0.2
SIZE = "5%"
PREDICTORS: dict[str, list[str] | None] = {
    "markov": ["markov"],
    "context": ["context"],
    "association": ["association"],
    "mixture": None,
}


@dataclass
class Requests:
    spool: Spool
    ids: NDArray[np.uint32]
    times: NDArray[np.uint32] | None
    sessions: NDArray[np.uint32] | None

    @property
    def half(self) -> int:
        return len(self.ids) // 2


def read(spool: Spool) -> Requests:
    chunks = list(spool.chunks())
    times = [chunk.times for chunk in chunks if chunk.times is not None]
    sessions = [chunk.sessions for chunk in chunks if chunk.sessions is not None]
    return Requests(
        spool,
        np.concatenate([chunk.ids for chunk in chunks]),
        np.concatenate(times) if times else None,
        np.concatenate(sessions) if sessions else None,
    )


def forecast(requests: Requests, names: list[str] | None) -> tuple[Proposals, float]:
    spool = requests.spool
    options = PrefetchOptions(predictors=names)
    forecast = _native.Forecast(
        keys=options.keys_for(capacity_of(SIZE, spool.distinct, by_bytes=False)),
        predictors=options.mask,
        most=MOST,
        horizon=64,
    )
    began = time.thread_time()
    ids, probabilities = forecast.feed(
        requests.ids,
        spool.hashes,
        spool.numbers,
        requests.times,
        requests.sessions,
        spool.numbered,
    )
    seconds = time.thread_time() - began
    shape = (len(requests.ids), MOST)
    return Proposals(ids.reshape(shape), probabilities.reshape(shape)), seconds


def hits(proposals: Proposals, requests: Requests, most: int, *, by_session: bool) -> float:
    ids, sessions = requests.ids, requests.sessions
    order = np.arange(len(ids))
    if by_session and sessions is not None:
        order = np.argsort(sessions, kind="stable")
    who = sessions[order] if by_session and sessions is not None else np.zeros(len(ids))
    named = proposals.ids[order, :most]
    found = np.zeros(len(ids), bool)
    for ahead in range(1, AHEAD + 1):
        same = who[ahead:] == who[:-ahead]
        right = (named[:-ahead] == ids[order[ahead:], None]).any(axis=1)
        found[:-ahead] |= same & right
    return float(found[order >= requests.half].mean())


class Followed:
    """Fetches what was proposed after each request."""

    def __init__(self, proposals: Proposals, start: int, threshold: float) -> None:
        likely = (proposals.probabilities >= threshold) & (proposals.ids != NOTHING)
        likely[:start] = False
        self._keys: list[Sequence[int]] = [()] * len(likely)
        for at in np.flatnonzero(likely.any(axis=1)).tolist():
            self._keys[at] = proposals.ids[at][likely[at]].tolist()
        self._at = 0

    def after(self, key: int, session: int, hit: bool) -> Sequence[int]:  # noqa: ARG002
        self._at += 1
        return self._keys[self._at - 1]


def followed(proposals: Proposals, requests: Requests, threshold: float) -> tuple[float, float]:
    """Return the misses saved in percent, and the precision."""
    keys = requests.ids.tolist()
    capacity = capacity_of(SIZE, requests.spool.distinct, by_bytes=False)
    none = Followed(proposals, len(keys), threshold)
    without = replay(keys, keys, capacity, none).misses
    warm = replay(
        keys[: requests.half],
        keys[: requests.half],
        capacity,
        Followed(proposals, len(keys), threshold),
    ).misses
    counts = replay(keys, keys, capacity, Followed(proposals, requests.half, threshold))
    return (
        100 * (without - counts.misses) / (without - warm),
        counts.used / counts.fetched if counts.fetched else float("nan"),
    )


def shipped(requests: Requests, names: list[str] | None) -> float:
    [found] = simulate_prefetch(
        requests.spool, ["lru"], [SIZE], warm=0.5, options=PrefetchOptions(predictors=names)
    )
    return 100 * found.saved


def compare(name: str, requests: Requests) -> None:
    def show(
        which: str, proposals: Proposals, cost: str, own: str, threshold: float = THRESHOLD
    ) -> None:
        rates = " | ".join(
            f"{hits(proposals, requests, most, by_session=by_session):.3f}"
            for by_session in (True, False)
            for most in (1, MOST)
        )
        saved, precision = followed(proposals, requests, threshold)
        print(
            f"| {name} | {which} | {rates} | {saved:.1f} | {precision:.2f} | {own} | {cost} |",
            flush=True,
        )

    for which, names in PREDICTORS.items():
        proposals, seconds = forecast(requests, names)
        cost = f"{seconds / len(requests.ids) * 1e9:.0f}"
        show(which, proposals, cost, f"{shipped(requests, names):.1f}")
    half = requests.half
    sessions = requests.sessions
    began = time.thread_time()
    network = fit_neural(requests.ids[:half], None if sessions is None else sessions[:half])
    training = time.thread_time() - began
    began = time.thread_time()
    proposals = network.predict(requests.ids, sessions, most=MOST)
    batched = (time.thread_time() - began) / len(requests.ids)
    began = time.thread_time()
    for start in range(0, 3200, 32):
        network.predict(requests.ids[start : start + 32], most=MOST)
    single = (time.thread_time() - began) / 100
    cost = f"{batched * 1e9:.0f} ({single * 1e9:.0f})"
    show("GRU", proposals, cost, "")
    show(f"GRU, {LOWER:g}", proposals, cost, "", LOWER)
    print(f"{name}: {training:.0f} s of training on {half} requests")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("traces", type=Path, help="folder of traces")
    parser.add_argument("--names", default="kosarak,apache_combined,mooncake_syn,w92")
    options = parser.parse_args()
    print(
        "| trace | predictor | session, hit@1 | @4 | trace, hit@1 | @4 | saved, % | precision ",
        end="",
    )
    print("| shipped | cost |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name in options.names.split(","):
        [path] = options.traces.glob(f"{name}.*")
        with Spool(augury.read_trace(path)) as spool:
            compare(name, read(spool))


if __name__ == "__main__":
    main()
