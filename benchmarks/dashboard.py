"""Measure how soon the dashboard is painted, and what refreshing it costs the browser.

    python -m benchmarks.dashboard [--rounds 20] [--refreshes 600] [--json]

A service with three caches and ten minutes of history each listens on the loopback interface.
Each round opens the page in a context of its own, so that nothing is cached: *first paint* is the
Performance API's first-contentful-paint, *figures* the moment when the first snapshot is drawn,
both from the beginning of the navigation. Then one page is refreshed many times, and the size of
its heap is compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
from typing import Any

import msgspec
from playwright.sync_api import Browser, Page

from augury.config import Settings, build
from augury.observe import Snapshot
from augury.observe.views import Point
from augury.service import Service
from tests.servers.chromium import chromium, opened
from tests.servers.dashboard import serving
from tests.servers.teller import NOW, Teller, told, users

HISTORY = 600
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
DRAWN = """new Promise((found) => {
  const figures = document.getElementById("figures");
  const look = () => figures.hidden ? requestAnimationFrame(look) : found(performance.now());
  look();
})"""


def crowded() -> Snapshot:
    """Return a snapshot of three caches with a full history."""
    history = [
        Point(at=NOW - HISTORY + i, requests=1_000, hit_ratio=0.8, lru=0.72, optimum=0.87)
        for i in range(HISTORY)
    ]
    caches = [
        msgspec.structs.replace(users(), name=name, history=history)
        for name in ("users", "pages", "sessions")
    ]
    return msgspec.structs.replace(told(), caches=caches)


def paints(browser: Browser, url: str, rounds: int) -> list[tuple[float, float]]:
    """Return first paint and figures of each round, in milliseconds."""
    found = []
    for _ in range(rounds):
        with opened(browser, url) as page:
            drawn = page.evaluate(DRAWN)
            page.wait_for_function(PAINTED)
            found.append((page.evaluate(PAINTED), drawn))
    return found


def heap(page: Page) -> float:
    """Return the MiB of JavaScript's objects that are in use."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    used: float = devtools.send("Runtime.getHeapUsage")["usedSize"] / 2**20
    devtools.detach()
    return used


def refreshed(browser: Browser, url: str, refreshes: int) -> tuple[float, float]:
    """Return the heap after the first refreshes, and after all."""
    with opened(browser, url) as page:
        page.evaluate(DRAWN)
        after = []
        for times in (20, refreshes):
            for _ in range(times):
                with page.expect_response("**/v1/snapshot"):
                    page.evaluate("dispatchEvent(new Event('online'))")  # asks at once
            after.append(heap(page))
    return after[0], after[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--refreshes", type=int, default=600)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with build(Settings()) as built, chromium() as browser:
        service = Service(built)
        service.observer = teller = Teller()
        teller.told = crowded()
        with serving(service) as origin:
            url = f"{origin}/dashboard/"
            paints(browser, url, 1)  # the first context starts processes of the browser
            measured = paints(browser, url, asked.rounds)
            before, after = refreshed(browser, url, asked.refreshes)
    result: dict[str, Any] = {"snapshot_bytes": len(msgspec.json.encode(crowded()))}
    for name, times in zip(("first paint", "figures"), zip(*measured, strict=True), strict=True):
        result[name] = {"median": statistics.median(times), "worst": max(times)}
    result["heap"] = {"before": before, "after": after, "refreshes": asked.refreshes}
    if asked.json:
        print(json.dumps(result))
        return
    for name in ("first paint", "figures"):
        print(f"{name}: {result[name]['median']:.0f} ms, at worst {result[name]['worst']:.0f} ms")
    print(f"heap: {before:.1f} MiB, after {asked.refreshes} refreshes {after:.1f} MiB")


if __name__ == "__main__":
    main()
