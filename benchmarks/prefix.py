"""Time to the first token of prompts that share 90% of their tokens, with and without a cache.

    python -m benchmarks.prefix [--rounds 15] [--json]

Models are made here, with random weights. Every round makes a new prompt whose first nine tenths
are in the cache and whose rest nobody has asked before, and times the bare model, `PrefixCache`
over memory and over the disk, and a copy of `past_key_values` that lies at hand (what the cache
would be if looking up were free), one after the other, in a changing order. Torch runs in one
thread, and times are of the CPU, from which other processes take nothing. Reported are medians in
milliseconds, medians of the ratios of a round, and the greatest difference of a logit where
nothing, the last token, the last seven and the last tenth are not in the cache.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import transformers

from augury import Cache
from augury.codecs import Serializer
from augury.inference import PrefixCache
from augury.tiers import Disk, Tiers

SHARED = 0.9
VOCABULARY = 4096


def models() -> dict[str, Any]:
    """Return two models of a few million parameters."""
    torch.manual_seed(0)
    rotary = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=2048,
    )
    absolute = transformers.GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=256,
        n_layer=6,
        n_head=8,
        n_positions=2048,
        bos_token_id=0,
        eos_token_id=0,
    )
    return {
        "Llama": transformers.LlamaForCausalLM(rotary).eval(),
        "GPT-2": transformers.GPT2LMHeadModel(absolute).eval(),
    }


@contextmanager
def caches(model: Any) -> Iterator[dict[str, PrefixCache]]:
    memory: Cache[bytes, bytes] = Cache(1 << 30, weigher=lambda _, block: len(block))
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(folder, "1GiB", serializer=Serializer(compress_above=None))
        with Tiers[bytes, bytes]([disk]) as tiers:
            yield {"memory": PrefixCache(model, memory), "disk": PrefixCache(model, tiers)}


def measure(model: Any, length: int, rounds: int) -> dict[str, Any]:
    """Return the medians of a model and a length of prompts."""
    shared = int(length * SHARED)
    first = torch.randint(0, VOCABULARY, (1, length))
    with caches(model) as made, torch.no_grad():
        for each in made.values():
            each.prefill(first, logits_to_keep=1)
        kept = model(input_ids=first, logits_to_keep=1).past_key_values
        kept.crop(shared - length)

        def reused(ids: Any) -> Any:
            return model(
                input_ids=ids[:, shared:], past_key_values=copy.deepcopy(kept), logits_to_keep=1
            )

        ways: dict[str, Callable[[Any], Any]] = {
            "bare": lambda ids: model(input_ids=ids, use_cache=True, logits_to_keep=1),
            "past at hand": reused,
            **{name: partial(each.prefill, logits_to_keep=1) for name, each in made.items()},
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        order = list(ways)
        for turn in range(rounds + 1):
            ids = torch.cat(
                [first[:, :shared], torch.randint(0, VOCABULARY, (1, length - shared))], 1
            )
            for name in order:
                started = time.process_time()
                ways[name](ids)
                took = time.process_time() - started
                if turn:  # the first round warms up
                    seconds[name].append(took)
            order.append(order.pop(0))
        difference = scale = 0.0
        for rest in (0, 1, 7, length - shared):
            ids = torch.cat([first[:, : length - rest], torch.randint(0, VOCABULARY, (1, rest))], 1)
            got = made["memory"].prefill(ids).logits
            expected = model(input_ids=ids).logits[:, -got.shape[1] :]
            difference = max(difference, float((got - expected).abs().max()))
            scale = max(scale, float(expected.abs().max()))
    return {
        "tokens": length,
        **{name: statistics.median(each) * 1e3 for name, each in seconds.items()},
        **{
            f"{name} times faster": statistics.median(
                bare / other for bare, other in zip(seconds["bare"], seconds[name], strict=True)
            )
            for name in ways
            if name != "bare"
        },
        "difference": difference,
        "largest logit": scale,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, model in models().items():
        parameters = sum(each.numel() for each in model.parameters())
        for length in (256, 512, 1024, 2048):
            row = {"model": name, "parameters": parameters, **measure(model, length, given.rounds)}
            rows.append(row)
            if not given.json:
                print({k: f"{v:.3g}" if isinstance(v, float) else v for k, v in row.items()})
    if given.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
