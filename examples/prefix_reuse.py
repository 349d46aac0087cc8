"""A chat whose every turn begins with all turns before it, and with the same instructions.

The model is made here, with random weights, so it needs no download; it says nothing of sense, but
computes as a real one does.

    pip install 'augury[transformers]'
    python examples/prefix_reuse.py
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from augury import Cache
from augury.inference import PrefixCache

VOCABULARY = 1024


def main() -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=1024,
            eos_token_id=None,
            pad_token_id=0,
        )
    ).eval()
    # 256 MiB: blocks are weighed by their bytes.
    cache: Cache[bytes, bytes] = Cache(256 << 20, weigher=lambda _, block: len(block))
    prefix = PrefixCache(model, cache)

    instructions = torch.randint(VOCABULARY, (1, 300))
    for user in ("Ada", "Alan"):
        chat = instructions
        for turn in (1, 2, 3):
            question = torch.randint(VOCABULARY, (1, 20))
            chat = torch.cat([chat, question], dim=1)
            reused = prefix.stats.reused
            answer = prefix.generate(chat, max_new_tokens=30, do_sample=False)
            reused = prefix.stats.reused - reused
            print(f"{user}, turn {turn}: {chat.shape[1]} tokens, {reused} of them reused")
            chat = answer

    same = model.generate(chat, max_new_tokens=30, do_sample=False)
    again = prefix.generate(chat, max_new_tokens=30, do_sample=False)
    print(f"the same as without the cache: {torch.equal(same, again)}")
    print(f"not computed: {prefix.stats.hit_ratio:.0%} of all tokens")


if __name__ == "__main__":
    main()
