"""The dashboard and the service that it asks: under load, behind tokens, gone and back."""

from __future__ import annotations

import hashlib
import random
import re
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, expect

from augury.observe import Snapshot
from tests.servers.chromium import chromium, needs_chromium, opened
from tests.servers.service import Served, serving

pytestmark = needs_chromium
FILES = Path(__file__).parents[2] / "src" / "augury" / "service" / "dashboard"
TOKEN = "correct horse battery staple"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


CONFIGURATION = "[caches.pages]\ncapacity = 200\n\n[caches.users]\n"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, CONFIGURATION) as served:
        yield served


def snapshot(service: Served) -> Snapshot:
    with urllib.request.urlopen(f"{service.url}/v1/snapshot") as answer:
        return msgspec.json.decode(answer.read(), type=Snapshot)


class Load:
    """Reads a cache over HTTP, and stores what is not there, until it is left."""

    def __init__(self, service: Served) -> None:
        self._url = f"{service.url}/v1/caches/pages/entries/"
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        choose = random.Random(1)
        while not self._ends.is_set():
            url = f"{self._url}page%3A{int(1_000 * choose.random() ** 3)}"
            try:
                urllib.request.urlopen(url).close()
            except urllib.error.HTTPError as missing:
                missing.close()
                request = urllib.request.Request(
                    url, b"<p>", {"Content-Type": "text/html"}, method="PUT"
                )
                urllib.request.urlopen(request).close()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()


def test_a_cache_under_load_is_shown_live(browser: Browser, service: Served) -> None:
    with opened(browser, f"{service.url}/") as page:  # leads to the dashboard
        expect(page.get_by_role("status")).to_have_text("Live")
        assert page.url == f"{service.url}/dashboard/"
        hits = page.get_by_text(re.compile(r"^[\d,]+ hits, [\d,]+ misses$"))
        before = hits.text_content()
        with Load(service):
            chart = page.get_by_role("slider", name="Hit ratio over time")
            expect(chart).to_have_attribute("aria-valuetext", re.compile(r"This cache [\d.]+%"))
            expect(hits).not_to_have_text(str(before))
            moving = hits.text_content()
            expect(hits).not_to_have_text(str(moving))
        (pages, users) = snapshot(service).caches
        expect(hits).to_have_text(f"{pages.hits:,} hits, {pages.misses:,} misses")
        expect(page.get_by_text(f"{pages.weight:,} of {pages.capacity:,}")).to_be_visible()
        expect(page.get_by_text(f"{pages.evictions:,}", exact=True)).to_be_visible()
        page.get_by_label("Key", exact=True).fill("page:0")
        page.keyboard.press("Enter")
        expect(page.get_by_text("in the cache", exact=True)).to_be_visible()
        page.get_by_label("Shown cache").select_option("users")
        expect(page.get_by_text(f"0 of {users.capacity:,}")).to_be_visible()
        expect(chart).to_be_visible()
        page.get_by_role("button", name="Pause").click()
        with page.expect_response("**/v1/snapshot?cache=pages") as asked:
            page.get_by_label("Shown cache").select_option("pages")  # goes on with another history
        told = msgspec.json.decode(asked.value.body(), type=Snapshot)
        assert [len(cache.history) > 0 for cache in told.caches] == [True, False]
        expect(page.get_by_role("status")).to_have_text("Live")
        expect(chart).to_have_attribute("aria-valuetext", re.compile(r"This cache"))


def test_a_service_that_is_gone_is_missed_and_found_again(
    browser: Browser, service: Served, tmp_path: Path
) -> None:
    with opened(browser, f"{service.url}/dashboard/", down=True) as page:
        expect(page.get_by_role("status")).to_have_text("Live")
        service.signal(signal.SIGKILL)
        expect(page.get_by_role("status")).to_have_text("No answer")
        expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
        expect(page.get_by_role("heading", name="Hit ratio")).to_be_visible()
        with serving(tmp_path, CONFIGURATION, "--port", str(service.port)):
            expect(page.get_by_role("status")).to_have_text("Live", timeout=60_000)
            expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_hidden()


@pytest.mark.slow
def test_a_service_that_hangs_is_missed(browser: Browser, service: Served) -> None:
    with opened(browser, f"{service.url}/dashboard/", down=True) as page:
        expect(page.get_by_role("status")).to_have_text("Live")
        service.signal(signal.SIGSTOP)
        expect(page.get_by_role("status")).to_have_text("No answer", timeout=60_000)
        service.signal(signal.SIGCONT)
        expect(page.get_by_role("status")).to_have_text("Live", timeout=60_000)


def test_a_token_opens_it_and_stays_in_the_tab(browser: Browser, tmp_path: Path) -> None:
    lines = ["[caches.pages]"]
    for name, scopes in {"reader": '["read"]', "writer": '["write"]'}.items():
        digest = hashlib.sha256(f"{TOKEN} {name}".encode()).hexdigest()
        lines += [f"[service.tokens.{name}]", f'sha256 = "{digest}"', f"scopes = {scopes}"]
    with (
        serving(tmp_path, "\n".join(lines)) as service,
        opened(browser, f"{service.url}/dashboard/", down=True) as page,
    ):
        field = page.get_by_label("Token")
        for token, refusal in [
            ("wrong", "The service does not know this token."),
            (f"{TOKEN} writer", "This token may not read"),
        ]:
            field.fill(token)
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert").filter(has_text=refusal)).to_be_visible()
        expect(page.get_by_role("heading", name="Hit ratio")).to_be_hidden()
        field.fill(f"{TOKEN} reader")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_have_text("Live")
        expect(field).to_be_hidden()
        page.reload()
        expect(page.get_by_role("status")).to_have_text("Live")
        assert page.evaluate("localStorage.length") == 0
        page.get_by_role("button", name="Sign out").click()
        expect(field).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


def test_files_are_all_its_own(service: Served) -> None:
    for path in FILES.rglob("*.*"):
        url = f"{service.url}/dashboard/{path.relative_to(FILES)}"
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == path.read_bytes()
            policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|innerHTML|outerHTML|insertAdjacent|style=|eval\(", text), (
            path
        )
    for wrong in ("nothing.js", "../routes/health.py", "..%2Froutes%2Fhealth.py", "panels/"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{service.url}/dashboard/{wrong}")
