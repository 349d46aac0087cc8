"""Anomalies in a stream of prices: what the market does repeats itself, if rows say it well.

python examples/market_monitoring.py

Prices are made up, always the same: quiet, but for eight bursts. A small network learns to
reconstruct windows of a quiet day; where it fails, something unusual goes on. A window of prices
comes again only if the price is back where it was. The same window as moves from one price to the
next, in ticks, comes again soon: what is cached are states of the market, whatever its price.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor

from augury import Cache
from augury.inference import CachedModel

TICK, WIDTH, STEPS, BURST = 0.05, 8, 20_000, 12
random = np.random.default_rng(0)


def quiet(steps: int) -> NDArray[np.int64]:
    """Return moves in ticks; the price mostly stays, or goes back whence it came."""
    moves = random.choice([-1, 0, 1], steps, p=[0.1, 0.8, 0.1])
    moves[1:] -= moves[:-1] * (random.random(steps - 1) < 0.5)
    return moves


def main() -> None:
    past = sliding_window_view(quiet(STEPS), WIDTH).astype(np.float32)
    network = MLPRegressor(hidden_layer_sizes=(16, 4, 16), max_iter=50, tol=0.002, random_state=0)
    network.fit(past, past)
    limit = 2 * np.abs(network.predict(past) - past).max()

    moves = quiet(STEPS)
    bursts = np.sort(random.choice(STEPS // 100, 8, replace=False)) * 100
    for start in bursts:
        moves[start : start + BURST] += random.integers(-6, 7, BURST)
    prices = 100 + TICK * moves.cumsum()
    distinct = len(np.unique(sliding_window_view(prices, WIDTH), axis=0))
    print(f"{distinct:,} different windows of prices")

    cached = CachedModel(network, Cache(STEPS), bypass=False)
    windows = sliding_window_view(moves, WIDTH).astype(np.float32)
    close, alarms = True, []
    for start in range(0, len(windows), 64):  # as they come in
        batch = windows[start : start + 64]
        made = cached(batch)
        close &= np.allclose(made, network.predict(batch), rtol=0, atol=1e-4)
        alarms += (np.abs(made - batch).max(axis=1) > limit).tolist()
    print(f"{cached.stats.rows:,} windows of moves asked for, {cached.stats.computed:,} computed,")
    print(f"  hit ratio {cached.stats.hit_ratio:.3f}, as without a cache: {close}")

    raised = np.flatnonzero(alarms)
    of_burst = (raised[:, None] > bursts - WIDTH) & (raised[:, None] < bursts + BURST)
    found, wrong = of_burst.any(axis=0).sum(), (~of_burst.any(axis=1)).sum()
    print(f"{found} of {len(bursts)} bursts found, {wrong} false alarms")


if __name__ == "__main__":
    main()
