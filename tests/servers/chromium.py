"""Debian's Chromium, driven by Playwright, and what no page of ours may do in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, sync_playwright

EXECUTABLE = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(EXECUTABLE is None, reason="there is no chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser."""
    # Its sandbox takes user namespaces, or a user other than root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, url: str, *, down: bool = False, **options: Any) -> Iterator[Page]:
    """Open a page that asks nobody but its own origin, and complains of nothing.

    Parameters
    ----------
    browser
        In which.
    url
        Of the page; its origin is all that may be asked.
    down
        Whether requests may fail, as the service is stopped or refuses meanwhile.
    options
        Of the context: size, theme and the like.
    """
    origin = "/".join(url.split("/")[:3]) + "/"
    strangers: list[str] = []
    complaints: list[str] = []

    def pass_own(route: Route) -> None:
        if route.request.url.startswith(origin):
            route.continue_()
        else:
            strangers.append(route.request.url)
            route.abort()

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not (
            down and message.text.startswith("Failed to load resource")
        ):
            complaints.append(message.text)

    context = browser.new_context(**options)
    try:
        context.route("**/*", pass_own)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        yield page
        assert strangers == []
        assert complaints == []
    finally:
        context.close()
