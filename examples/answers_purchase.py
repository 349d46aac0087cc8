"""Who will buy? A scoring service answers slowly; what it would say is learned, and inferred.

python examples/answers_purchase.py

Sessions in a shop are made up, always the same. The service says of each whether it "looks", is
"undecided" or "buys"; Augury keeps what it said, learns from it, and answers itself where it is
sure enough. Every inferred answer is compared with the service's: at a confidence of 95% no more
than 5% of them may differ.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from augury.answers import Answers

TYPES = {"pages": int, "minutes": float, "basket": int, "source": str}


def sessions(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield sessions: pages seen, minutes, items in the basket, and where they come from."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield {
            "pages": int(random.geometric(0.2)),
            "minutes": round(float(random.exponential(3.0)), 1),
            "basket": int(random.poisson(0.7)),
            "source": str(random.choice(["search", "mail", "advert"])),
        }


def intent(*, pages: int, minutes: float, basket: int, source: str) -> str:
    """Return what a slow model says of one session."""
    time.sleep(0.001)
    interest = 0.1 * pages + 0.2 * min(minutes, 10) + 1.2 * basket + 0.4 * (source == "mail")
    return "looks" if interest < 1.2 else "undecided" if interest < 2.2 else "buys"


def main(learned: int = 3_000, asked: int = 2_000) -> None:
    with Answers(audits=0.02, learns=False) as answers:
        answers.register("intent", intent, TYPES, labels=True, confidence=0.95)
        for session in sessions(learned, seed=1):
            answers.ask("intent", **session)
        for selection in answers.learn():
            print(selection)
        origins: Counter[str] = Counter()
        right = 0
        for session in sessions(asked, seed=2):
            answer = answers.ask("intent", **session)
            origins[answer.origin] += 1
            if answer.origin == "inferred":
                right += answer.value == intent(**session)
    accuracy = right / max(1, origins["inferred"])
    for origin, count in origins.most_common():
        print(f"{origin:9} {count / asked:6.1%} of {asked:,} answers")
    print(f"of those inferred, {accuracy:.1%} are what the service says")


if __name__ == "__main__":
    main()
