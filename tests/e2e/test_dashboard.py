"""What the dashboard shows, in a real browser: the figures of a snapshot that the service tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from augury.config import Settings, build
from augury.observe import Snapshot
from augury.service import Service
from augury.service.stores import CacheStore
from tests.servers.chromium import chromium, needs_chromium, opened
from tests.servers.dashboard import serving
from tests.servers.teller import HOSTILE, NOW, Teller, told, users

pytestmark = needs_chromium
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Service, str]]:
    settings = Settings.model_validate({"caches": {"users": {"policy": "lru"}}})
    with build(settings) as built:
        service = Service(built)
        with serving(service) as url:
            yield service, f"{url}/dashboard/"


@pytest.fixture
def observer(service: tuple[Service, str]) -> Teller:
    service[0].observer = observer = Teller()
    return observer


@pytest.fixture
def url(service: tuple[Service, str], observer: Teller) -> str:
    return service[1]


def panel(page: Page, title: str) -> Any:
    return page.get_by_role("region", name=title, exact=True)


def terms(page: Page, title: str) -> dict[str, str]:
    """Each term of a panel, and what the page says it is; of several the first."""
    pairs: list[tuple[str, str]] = panel(page, title).evaluate(
        "of => [...of.querySelectorAll('dt')].map(dt => "
        "[dt.textContent, dt.nextElementSibling.textContent])"
    )
    return dict(reversed(pairs))


def bars(page: Page, title: str) -> dict[str, tuple[str, Any]]:
    """Each bar of a panel: its figure, and the share of the whole that is filled."""
    found: list[tuple[str, str, float]] = panel(page, title).evaluate(
        "of => [...of.querySelectorAll('.bars li')].map(li => [li.children[0].textContent, "
        "li.children[2].textContent, parseFloat(li.querySelector('.fill').style.inlineSize)])"
    )
    return {name: (text, share) for name, text, share in found}


def table(page: Page, title: str) -> list[list[str]]:
    """The rows of the table behind a chart."""
    panel(page, title).get_by_text("Numbers").click()
    rows = panel(page, title).locator("tbody tr")
    expect(rows.first).to_be_visible()
    found: list[list[str]] = rows.evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found


def ready(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_text("Live")


def test_panels_of_a_cache_show_the_figures_of_the_snapshot(browser: Browser, url: str) -> None:
    cache = users()
    with opened(browser, url) as page:
        ready(page)
        expect(page.get_by_text("web-3:41267 · up 90.0 s")).to_be_visible()
        glance = terms(page, "At a glance")
        assert glance["Hit ratio"] == f"{cache.hit_ratio:.1%}"
        assert glance["Against LRU"] == "+8.0 pts"
        assert glance["Reads"] == "2K/s"
        assert glance["Time saved"] == "12.5 h"
        assert glance["Filled"] == "97.4%"
        assert glance["Evictions"] == f"{cache.evictions:,}"
        text = panel(page, "At a glance").text_content()
        for said in (
            "now 90.0%",
            "7.0 pts below the optimum",
            "11,234,567 hits, 2,100,345 misses",
        ):
            assert said in text

        assert bars(page, "Policy") == {
            f"{name}": (f"{ratio:.1%}", pytest.approx(100 * ratio))
            for name, ratio in cache.policy.candidates.items()
        }
        assert list(bars(page, "Policy")) == ["s3fifo", "lru", "lfu"]
        expect(panel(page, "Policy").get_by_text(cache.policy.reason)).to_be_visible()

        history = table(page, "Hit ratio")
        assert [row[1:] for row in history[:3]] == [
            ["2,000", "90.0%", "82.0%", "97.0%"],
            ["1,000", "\N{EN DASH}", "\N{EN DASH}", "\N{EN DASH}"],
            ["1,000", "80.0%", "72.0%", "87.0%"],
        ]
        assert len(history) == len(cache.history)

        assert cache.curve is not None
        curve = table(page, "Miss-ratio curve")
        assert curve == [
            [f"{size:,}", f"{ratio:.1%}"]
            for size, ratio in zip(cache.curve.capacities, cache.curve.miss_ratios, strict=True)
        ]
        expect(panel(page, "Miss-ratio curve").get_by_text("now 100,000")).to_be_visible()

        assert cache.model is not None
        assert bars(page, "What the model learned") == {
            "gap_1": ("50.0%", 100.0),
            "age": ("30.0%", pytest.approx(60.0)),
            "count": ("20.0%", pytest.approx(40.0)),
        }
        predictions = panel(page, "Predictions and outcomes")
        assert table(page, "Predictions and outcomes") == [
            [f"{predicted:.1%}", f"{came:.1%}", f"{keys:,}"]
            for predicted, came, keys in cache.model.calibration
        ]
        assert predictions.locator("circle").count() == 3
        for said in ("drifted", "error 1.32 times that in training", cache.model.events[0][1]):
            expect(predictions).to_contain_text(said)


def test_panels_of_the_service_show_the_figures_of_the_snapshot(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        ready(page)
        tiers = panel(page, "Tiers").text_content()
        for said in (
            "memory",
            "healthy",
            "884,120",
            "2.1 ms",
            "10,000",
            "5.1 MiB",
            "redis",
            "down",
        ):
            assert said in tiers
        assert "Faults: unavailable 4" in tiers
        assert terms(page, "Tiers")["Loads"] == "4,210"

        shown = terms(page, "Prefetching")
        assert (shown["Precision"], shown["Recall"]) == ("79.5%", "31.0%")
        assert (shown["Fetched"], shown["Late"]) == ("12,400", "120")
        assert bars(page, "Prefetching") == {
            "markov": ("81.3% of 8,000", pytest.approx(81.25)),
            "stride": ("80.0% of 3,000", pytest.approx(80.0)),
        }

        shown = terms(page, "Answers")
        assert (shown["Coverage"], shown["Median error"]) == ("96.2%", "1.3%")
        assert (shown["Audited"], shown["Examples"]) == ("455", "1,500")
        parts = panel(page, "Answers").locator(".stack .part")
        assert parts.evaluate_all("all => all.map(one => one.style.inlineSize)") == [
            "40%",
            "10%",
            "40%",
            "10%",
        ]
        assert "inferred400 (40.0%)" in panel(page, "Answers").text_content()

        assert "370,400 ms" in panel(page, "Inference").text_content()
        assert terms(page, "Inference")["A computed row"] == "4.12 ms"


def test_what_is_unknown_says_what_to_do(browser: Browser, url: str, observer: Teller) -> None:
    observer.told = Snapshot(at=NOW, process="web-3:1", uptime=1.0)
    with opened(browser, url) as page:
        ready(page)
        expect(page.get_by_text("No cache is observed yet.")).to_be_visible()
        for title, advice in {
            "Tiers": "[[caches.users.tiers]]",
            "Prefetching": "augury.Prefetcher(cache, source)",
            "Answers": "[answers.sales]",
            "Inference": "augury.CachedModel(model, cache)",
        }.items():
            expect(panel(page, title).locator(".missing code")).to_contain_text(advice)
        page.screenshot(path=SCREENSHOTS / "empty.png", full_page=True)


def test_hostile_names_stay_text(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        ready(page)
        page.get_by_label("Shown cache").select_option(HOSTILE)
        expect(panel(page, "Policy").get_by_text(HOSTILE)).to_be_visible()
        expect(panel(page, "Tiers").get_by_text(HOSTILE)).to_be_visible()
        expect(panel(page, "Hit ratio").get_by_text("No interval has passed yet")).to_be_visible()
        expect(panel(page, "What the model learned").get_by_text("No model")).to_be_visible()
        page.reload()  # the address remembers which one was looked at
        ready(page)
        expect(page.get_by_label("Shown cache")).to_have_value(HOSTILE)
        page.get_by_label("Shown cache").select_option("users")
        page.get_by_label("Key", exact=True).fill(HOSTILE)
        page.get_by_role("button", name="Explain").click()
        expect(panel(page, "Look up a key").locator(".key-name")).to_have_text(HOSTILE)
        assert page.locator("main img, main script").count() == 0


def test_a_key_is_explained(browser: Browser, url: str, service: tuple[Service, str]) -> None:
    store = service[0].stores["users"]
    assert isinstance(store, CacheStore)
    with opened(browser, f"{url}#cache=users&key=user%3A42") as page:
        looking = panel(page, "Look up a key")
        expect(looking.get_by_text("not in the cache", exact=True)).to_be_visible()
        expect(looking.get_by_text("policy lru decides")).to_be_visible()
        store.cache["user:43"] = b"here"
        page.get_by_label("Key", exact=True).fill("user:43")
        page.keyboard.press("Enter")
        expect(looking.get_by_text("in the cache", exact=True)).to_be_visible()
        assert re.search(r"key=user%3A43$", page.url)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 360])
def test_every_size_and_theme_is_readable(
    browser: Browser, url: str, scheme: str, width: int
) -> None:
    size: Any = {"width": width, "height": 900}
    where = f"{url}#cache=users&key=user%3A42"
    with opened(
        browser, where, viewport=size, color_scheme=scheme, reduced_motion="reduce"
    ) as page:
        ready(page)
        expect(panel(page, "Look up a key").locator(".key-name")).to_be_visible()
        page.screenshot(path=SCREENSHOTS / f"{scheme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        too_wide = page.evaluate(
            "[...document.querySelectorAll('main *')].filter(one => one.checkVisibility() && "
            "one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML)"
        )
        assert too_wide == []
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
        assert found.violations_count == 0, found.generate_report()
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        lightness = sum(map(int, re.findall(r"\d+", background)))
        assert (lightness > 380) == (scheme == "light")


def test_the_theme_is_switched_and_kept(browser: Browser, url: str) -> None:
    with opened(browser, url, color_scheme="light") as page:
        background = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(background)
        switch = page.get_by_role("button", name="Dark")
        switch.click()
        expect(switch).to_have_attribute("aria-pressed", "true")
        dark = page.evaluate(background)
        assert dark != light
        page.reload()
        assert page.evaluate(background) == dark


def test_the_keyboard_is_enough(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        ready(page)
        walked = []
        for _ in range(16):
            page.keyboard.press("Tab")
            walked.append(
                page.evaluate(
                    "(() => { const on = document.activeElement; return on.ariaLabel"
                    " ?? on.labels?.[0]?.textContent.trim() ?? on.textContent })()"
                )
            )
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            if walked[-1] == "Explain":
                break
        assert [name.split("\n")[0][:12] for name in walked] == [
            "Skip to the ",
            "Pause",
            "Dark",
            "Shown cache",
            "Hit ratio ov",
            "Numbers",
            "Miss ratio b",
            "Numbers",
            "Numbers",
            "Key",
            "Explain",
        ]
        chart = page.get_by_role("slider", name="Hit ratio over time")
        chart.focus()
        page.keyboard.press("Home")
        expect(chart).to_have_attribute("aria-valuetext", re.compile("This cache 80.0%, LRU 72.0%"))
        page.keyboard.press("End")
        page.keyboard.press("ArrowLeft")
        expect(chart).to_have_attribute("aria-valuetext", re.compile("This cache \N{EN DASH}"))
        page.keyboard.press("Escape")
        expect(chart).to_have_attribute("aria-valuetext", re.compile("This cache 90.0%"))


def test_what_changes_is_shown_and_what_is_paused_stays(
    browser: Browser, url: str, observer: Teller
) -> None:
    def evict(evictions: int) -> None:
        cache = msgspec.structs.replace(users(), evictions=evictions)
        observer.told = msgspec.structs.replace(told(), caches=[cache])

    with opened(browser, url) as page:
        ready(page)
        evict(1_234)
        expect(page.get_by_text("1,234", exact=True)).to_be_visible()
        with page.expect_response("**/v1/snapshot?cache=*"):
            pass
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("status")).to_have_text("Paused")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        evict(5_678)
        page.wait_for_timeout(2_500)
        assert asked == []
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("5,678", exact=True)).to_be_visible()


def test_refreshing_leaves_nothing_behind(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}#key=user%3A42") as page:
        ready(page)
        devtools = page.context.new_cdp_session(page)

        def refresh(times: int) -> tuple[int, int]:
            for _ in range(times):
                with page.expect_response("**/v1/snapshot?cache=*"):
                    page.evaluate("dispatchEvent(new Event('online'))")  # asks at once
            devtools.send("HeapProfiler.collectGarbage")
            counted = devtools.send("Memory.getDOMCounters")
            return counted["nodes"], counted["jsEventListeners"]

        nodes, listeners = refresh(10)
        after = refresh(100)
        assert after[0] <= nodes + 100  # one a refresh would be as many
        assert after[1] <= listeners
