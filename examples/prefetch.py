"""Fetches pages ahead for users who walk through a shop: prints what that saves.

    python examples/prefetch.py

The database is a function that takes 1 ms for each question, however many pages it is asked for.
"""

import random
import time
from collections.abc import Sequence

import augury

WAYS = random.Random(0)
ROUTES = [[f"/{WAYS.randrange(900)}/{step}" for step in range(8)] for _ in range(100)]


def load_pages(pages: Sequence[str]) -> dict[str, str]:
    """Return the text of pages."""
    time.sleep(0.001)
    return {page: f"text of {page}" for page in pages}


def visit(cache: augury.Cache[str, str], visits: int) -> float:
    """Let users walk; return the share of pages that they waited for."""
    chance = random.Random(1)
    cache.reset_stats()
    for visitor in range(visits):
        with augury.session(visitor):
            for page in chance.choice(ROUTES):
                cache.get_or_load(page, lambda page: load_pages([page])[page])
                time.sleep(0.001)  # the user reads
    return cache.stats().miss_ratio


def main() -> None:
    """Walk without and with fetching ahead."""
    print(f"without: {visit(augury.Cache(150, policy='lru'), 200):.0%} of the pages had to wait")
    cache: augury.Cache[str, str] = augury.Cache(150, policy="lru")
    with augury.Prefetcher(cache, load_pages, requests_per_second=2_000) as prefetcher:
        visit(cache, 500)
        print(f"with:    {visit(cache, 200):.0%}, once it has learned")
        report = prefetcher.report()
        lead = report.waited_at(0.5) or 0.0
        print(f"{report.fetched} pages fetched ahead, {report.precision:.0%} of them used,")
        print(f"half of these within {lead * 1e3:.1f} ms of their arrival; {report.late} too late")


if __name__ == "__main__":
    main()
