"""Prompts that begin alike: outputs as without the cache, and the model run on the rest only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from augury import Cache
from augury.errors import ConfigurationError, InputError
from augury.inference import PrefixCache
from augury.tiers import Disk, Memory, Tiers

torch: Any = pytest.importorskip("torch")
transformers: Any = pytest.importorskip("transformers")

PAD = 96
EXACT = 1e-5  # of logits around 1: sums in another order


def llama(seed: int = 0, **given: Any) -> Any:
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        pad_token_id=PAD,
        **given,
    )
    return transformers.LlamaForCausalLM(config).eval()


def gpt2() -> Any:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=97,
        n_embd=32,
        n_layer=2,
        n_head=4,
        n_positions=128,
        bos_token_id=0,
        eos_token_id=PAD,
        pad_token_id=PAD,
    )
    return transformers.GPT2LMHeadModel(config).eval()


MODELS = {"rotary": llama, "absolute": gpt2}


def blocks(capacity: int = 1 << 24) -> Cache[bytes, bytes]:
    return Cache(capacity, weigher=lambda key, block: len(block))


def prompt(length: int, seed: int = 1) -> Any:
    return torch.randint(0, PAD, (1, length), generator=torch.Generator().manual_seed(seed))


def bare(model: Any, ids: Any, mask: Any = None) -> Any:
    options = {}
    if mask is not None:
        options = {"attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    with torch.no_grad():
        return model(input_ids=ids, **options)


def ran(model: Any) -> list[int]:
    """Return a list that will tell of each run how many columns it was of."""
    columns: list[int] = []
    model.get_input_embeddings().register_forward_hook(
        lambda module, given, output: columns.append(given[0].shape[-1])
    )
    return columns


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
class TestOnePrompt:
    def test_a_second_prompt_skips_what_both_begin_with(self, make: Any) -> None:
        model = make()
        columns = ran(model)
        prefix = PrefixCache(model, blocks())
        first, rest = prompt(70), prompt(10, seed=2)
        prefix.prefill(first)
        second = torch.cat([first[:, :50], rest], dim=1)
        output = prefix.prefill(second)
        assert columns == [70, 60 - 48]
        assert (prefix.stats.tokens, prefix.stats.reused) == (130, 48)
        expected = bare(model, second)
        torch.testing.assert_close(output.logits, expected.logits[:, 48:], atol=EXACT, rtol=0)
        assert output.past_key_values.get_seq_length() == 60
        for mine, its in zip(
            output.past_key_values.layers, expected.past_key_values.layers, strict=True
        ):
            torch.testing.assert_close(mine.keys, its.keys, atol=EXACT, rtol=0)
            torch.testing.assert_close(mine.values, its.values, atol=EXACT, rtol=0)

    def test_the_first_run_is_the_bare_one(self, make: Any) -> None:
        model = make()
        output = PrefixCache(model, blocks()).prefill(prompt(40))
        assert torch.equal(output.logits, bare(model, prompt(40)).logits)

    @pytest.mark.parametrize("length", [1, 15, 16, 17, 32, 33, 128])
    def test_the_last_token_is_always_run(self, make: Any, length: int) -> None:
        model = make()
        prefix = PrefixCache(model, blocks())
        prefix.prefill(prompt(length))
        output = prefix.prefill(prompt(length))
        expected = bare(model, prompt(length)).logits[:, -1]
        torch.testing.assert_close(output.logits[:, -1], expected, atol=EXACT, rtol=0)
        assert prefix.stats.reused == min(length // 16 * 16, length - 1)
        assert prefix.stats.stored == length // 16

    def test_it_generates_what_the_model_does_and_keeps_that(self, make: Any) -> None:
        model = make()
        prefix = PrefixCache(model, blocks())
        expected = model.generate(
            prompt(40), attention_mask=torch.ones(1, 40), max_new_tokens=30, do_sample=False
        )
        for _ in range(2):
            got = prefix.generate(prompt(40), max_new_tokens=30, do_sample=False)
            assert torch.equal(got, expected)
        # What was generated last has not been run.
        assert prefix.lookup(expected).get_seq_length() == 69 // 16 * 16

    def test_the_models_own_generate_takes_what_is_looked_up(self, make: Any) -> None:
        model = make()
        prefix = PrefixCache(model, blocks())
        prefix.prefill(prompt(60))
        past = prefix.lookup(prompt(60))
        assert past.get_seq_length() == 48
        options = {"attention_mask": torch.ones(1, 60), "max_new_tokens": 12, "do_sample": False}
        got = model.generate(prompt(60), past_key_values=past, **options)
        assert torch.equal(got, model.generate(prompt(60), **options))
        before = prefix.stats.stored
        prefix.store(got, past)
        assert prefix.stats.stored == before + 1
        prefix.store(got, past)
        assert prefix.stats.stored == before + 1

    @pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
    def test_other_dtypes(self, make: Any, dtype: str) -> None:
        model = make().to(getattr(torch, dtype))
        prefix = PrefixCache(model, blocks())
        expected = prefix.prefill(prompt(50)).logits[:, -1]
        got = prefix.prefill(prompt(50)).logits[:, -1]
        assert prefix.stats.reused == 48
        tolerance = {"float64": 1e-12}.get(dtype, 1e-2)
        torch.testing.assert_close(got, expected, atol=tolerance, rtol=0)

    def test_nothing_of_other_weights_is_used(self, make: Any) -> None:
        model = make()
        prefix = PrefixCache(model, blocks())
        prefix.prefill(prompt(50))
        with torch.no_grad():
            model.get_input_embeddings().weight.mul_(1.5)
        output = prefix.prefill(prompt(50))
        assert prefix.stats.reused == 0
        assert torch.equal(output.logits, bare(model, prompt(50)).logits)

    @pytest.mark.parametrize("fused", [True, False])
    def test_nothing_of_before_a_step_of_training_is_used(self, make: Any, fused: bool) -> None:
        model = make()
        prefix = PrefixCache(model, blocks())
        prefix.prefill(prompt(50))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=fused)
        model(prompt(50)).logits.square().mean().backward()
        optimizer.step()
        output = prefix.prefill(prompt(50))
        assert prefix.stats.reused == 0
        assert torch.equal(output.logits, bare(model, prompt(50)).logits)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
class TestManyPrompts:
    def test_prompts_padded_on_the_left(self, make: Any) -> None:
        model = make()
        prefix = PrefixCache(model, blocks())
        ids, mask = torch.full((3, 70), PAD), torch.zeros(3, 70, dtype=torch.long)
        for row, length in enumerate([70, 60, 41]):
            ids[row, -length:] = prompt(length, seed=row)
            mask[row, -length:] = 1
        for row in range(3):  # in the cache without padding
            prefix.prefill(ids[row : row + 1, mask[row].bool()])
        output = prefix.prefill(ids, mask)
        assert output.logits.shape[1] == 70 - 58  # the second one has 10 of padding, and 48 cached
        expected = bare(model, ids, mask).logits[:, 58:]
        there = mask[:, 58:].bool()
        torch.testing.assert_close(output.logits[there], expected[there], atol=EXACT, rtol=0)

    def test_a_prompt_of_which_nothing_is_there_stops_all(self, make: Any) -> None:
        model = make()
        prefix = PrefixCache(model, blocks())
        prefix.prefill(prompt(40))
        both = torch.cat([prompt(40), prompt(40, seed=5)])
        output = prefix.prefill(both)
        assert output.logits.shape[1] == 40
        assert prefix.prefill(both).logits.shape[1] == 8
        assert prefix.stats.stored == 4

    def test_it_generates_what_the_model_does(self, make: Any) -> None:
        model = make()
        prefix = PrefixCache(model, blocks())
        ids, mask = torch.full((2, 50), PAD), torch.ones(2, 50, dtype=torch.long)
        ids[0], ids[1, 7:] = prompt(50), prompt(43)
        mask[1, :7] = 0
        options = {"max_new_tokens": 20, "do_sample": False}
        expected = model.generate(ids, attention_mask=mask, **options)
        for _ in range(2):
            assert torch.equal(prefix.generate(ids, mask, **options), expected)
        assert prefix.stats.reused


class TestWhereBlocksLie:
    def test_tiers_are_shared_by_processes(self, tmp_path: Path) -> None:
        with Tiers[bytes, bytes]([Memory(100), Disk(tmp_path / "blocks")], ttl=60) as tiers:
            PrefixCache(llama(), tiers).prefill(prompt(70))
        with Tiers[bytes, bytes]([Disk(tmp_path / "blocks")]) as tiers:
            prefix = PrefixCache(llama(), tiers)
            output = prefix.prefill(prompt(70))
        assert prefix.stats.reused == 64
        expected = bare(llama(), prompt(70)).logits[:, 64:]
        torch.testing.assert_close(output.logits, expected, atol=EXACT, rtol=0)

    def test_another_process_finds_them(self) -> None:
        script = (
            "from tests.unit.test_inference_prefix import *\n"
            "print(PrefixCache(llama(), blocks())._space().hex())"
        )
        root = Path(__file__).parents[2]
        found = {
            subprocess.run(
                [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
            ).stdout
            for _ in range(2)
        }
        assert found == {PrefixCache(llama(), blocks())._space().hex() + "\n"}

    def test_the_end_of_a_prompt_is_evicted_before_its_beginning(self) -> None:
        cache = blocks()
        prefix = PrefixCache(llama(), cache)
        prefix.prefill(prompt(16))
        (block,) = cache.values()
        small = PrefixCache(llama(), Cache(5, policy="lru"))
        small.prefill(prompt(112))
        small.prefill(prompt(112))
        assert small.stats.reused == 5 * 16
        assert len(block) >= 2 * 2 * 2 * 16 * 8 * 4  # keys and values, layers, heads, tokens

    def test_damaged_blocks_are_computed_anew(self) -> None:
        cache: Cache[bytes, Any] = Cache(100)
        model = llama()
        prefix = PrefixCache(model, cache)
        prefix.prefill(prompt(70))
        keys = list(cache)
        for key, damaged in zip(keys, (b"", cache[keys[0]][:-1], 7, b"\xff" * 80), strict=True):
            whole = cache[key]
            cache[key] = damaged
            output = prefix.prefill(prompt(70))
            expected = bare(model, prompt(70)).logits[:, -1]
            torch.testing.assert_close(output.logits[:, -1], expected, atol=EXACT, rtol=0)
            assert len(cache[key]) == len(whole)

    def test_blocks_of_different_salts_sizes_and_models_are_kept_apart(self) -> None:
        cache = blocks()
        for made in (
            PrefixCache(llama(), cache),
            PrefixCache(llama(), cache, salt="tenant"),
            PrefixCache(llama(), cache, block=8),
            PrefixCache(llama(seed=1), cache),
            PrefixCache(llama().double(), cache),
            PrefixCache(gpt2(), cache),
        ):
            made.prefill(prompt(40))
            assert made.stats.reused == 0
            made.prefill(prompt(40))
            assert made.stats.reused

    def test_time_to_live(self) -> None:
        now = [0.0]
        prefix = PrefixCache(llama(), Cache(100, clock=lambda: now[0]), ttl=10)
        prefix.prefill(prompt(40))
        now[0] = 11.0
        prefix.prefill(prompt(40))
        assert prefix.stats.reused == 0


def refusing(given: Any, error: type[Exception], text: str, mask: Any = None) -> None:
    prefix = PrefixCache(llama(), blocks())
    for call in (prefix.prefill, prefix.generate, prefix.lookup):
        with pytest.raises(error, match=text):
            call(given, mask)


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "text"),
        [
            ([[1, 2]], "must be a tensor, not list"),
            (torch.ones(1, 3), "int64 or torch.int32, not torch.float32"),
            (torch.ones(3, dtype=torch.long), r"not of shape \(3,\)"),
            (torch.ones(1, 0, dtype=torch.long), r"not of shape \(1, 0\)"),
            (torch.tensor([[1, 97]]), "token 97 is none of the model's, 0 to 96"),
            (torch.tensor([[1, -1]]), "token -1 is none"),
            (torch.ones(1, 129, dtype=torch.long), "129 tokens is too long: the model has 128"),
        ],
    )
    def test_what_are_no_tokens(self, given: Any, text: str) -> None:
        refusing(given, InputError, text)

    @pytest.mark.parametrize(
        ("mask", "text"),
        [
            (torch.ones(1, 2), r"of shape \(1, 3\)"),
            ([[1, 1, 1]], r"must be a tensor of shape \(1, 3\)"),
            (torch.tensor([[1, 1, 0]]), "pad prompts on the left"),
            (torch.tensor([[0, 0, 0]]), "pad prompts on the left"),
            (torch.tensor([[1, 0, 1]]), "pad prompts on the left"),
            (torch.tensor([[0, 1, 2]]), "0 for padding and 1 for tokens"),
        ],
    )
    def test_what_is_no_mask(self, mask: Any, text: str) -> None:
        refusing(torch.tensor([[1, 2, 3]]), InputError, text, mask)

    def test_training_mode(self) -> None:
        model = llama().train()
        prefix = PrefixCache(model, blocks())
        with pytest.raises(ConfigurationError, match=r"training mode.*call eval\(\)"):
            prefix.prefill(prompt(20))
        model.eval()
        prefix.prefill(prompt(20))

    def test_models_that_remember_something_else(self) -> None:
        tiny = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2}
        window = transformers.MistralConfig(
            **tiny, intermediate_size=64, num_attention_heads=4, sliding_window=8
        )
        with pytest.raises(ConfigurationError, match="DynamicSlidingWindowLayer, for sliding"):
            PrefixCache(transformers.MistralForCausalLM(window), blocks())
        rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
        with pytest.raises(ConfigurationError, match="depend on the length"):
            PrefixCache(llama(rope_parameters=rope), blocks())
        both = transformers.T5Config(vocab_size=97, d_model=32, num_layers=1, d_ff=32)
        with pytest.raises(ConfigurationError, match="attends to an encoder"):
            PrefixCache(transformers.T5ForConditionalGeneration(both), blocks())
        with pytest.raises(ConfigurationError, match="attend to those behind them"):
            PrefixCache(llama(is_causal=False), blocks())
        seeing_all = llama()
        seeing_all.model.layers[1].self_attn.is_causal = False
        with pytest.raises(ConfigurationError, match="attend to those behind them"):
            PrefixCache(seeing_all, blocks())
        for other in (torch.nn.Linear(2, 2), llama().model, None):
            with pytest.raises(ConfigurationError, match="must be a causal language model"):
                PrefixCache(other, blocks())

    def test_options_that_bear_on_what_is_kept(self) -> None:
        prefix = PrefixCache(gpt2(), blocks())
        with pytest.raises(ConfigurationError, match="does not take token_type_ids"):
            prefix.prefill(prompt(20), token_type_ids=prompt(20))
        for option in ("token_type_ids", "past_key_values", "position_ids", "use_cache"):
            with pytest.raises(ConfigurationError, match=f"does not take {option}"):
                prefix.generate(prompt(20), **{option: None})
        for option, value in (
            ("assistant_model", gpt2()),
            ("prompt_lookup_num_tokens", 3),
            ("cache_implementation", "static"),
        ):
            with pytest.raises(ConfigurationError, match=f"does not take {option}"):
                prefix.generate(prompt(20), **{option: value})
        for config in (
            transformers.GenerationConfig(use_cache=False),
            transformers.GenerationConfig(prompt_lookup_num_tokens=3),
        ):
            with pytest.raises(ConfigurationError, match="generate with cached prefixes"):
                prefix.generate(prompt(20), generation_config=config)
        with pytest.raises(ConfigurationError, match="num_beams must be 1"):
            prefix.generate(prompt(20), num_beams=2)
        config = transformers.GenerationConfig(num_return_sequences=2, do_sample=True)
        with pytest.raises(ConfigurationError, match="num_return_sequences must be 1"):
            prefix.generate(prompt(20), generation_config=config)

    def test_keys_and_values_of_something_else(self) -> None:
        model = llama()
        prefix = PrefixCache(model, blocks())
        past = bare(model, prompt(20)).past_key_values
        with pytest.raises(InputError, match="of 20 columns, input_ids of 10; pass all tokens"):
            prefix.store(prompt(10), past)
        for wrong in (None, transformers.DynamicCache()):
            with pytest.raises(ConfigurationError, match="did not return keys and values"):
                prefix.store(prompt(20), wrong)

    def test_parameters(self) -> None:
        with pytest.raises(ConfigurationError, match="block must be an integer"):
            PrefixCache(llama(), blocks(), block=0)
        with pytest.raises(ConfigurationError, match="must be a Cache or Tiers, not dict"):
            PrefixCache(llama(), {})  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="salt must be a str"):
            PrefixCache(llama(), blocks(), salt=b"")  # type: ignore[arg-type]

    def test_an_error_of_the_model_stores_nothing(self) -> None:
        cache = blocks()
        model = llama()
        prefix = PrefixCache(model, cache)
        handle = model.lm_head.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prefix.prefill(prompt(40))
        handle.remove()
        assert len(cache) == 0
        prefix.prefill(prompt(40))
        assert prefix.stats.reused == 0
