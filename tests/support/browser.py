"""Debian's Chromium, driven by Playwright: no request leaves this machine, and every one is written down."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

PROGRAM = "chromium"
ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; skips the test where it is not installed."""
    program = shutil.which(PROGRAM)
    if program is None:
        pytest.skip(f"this needs Debian's package {PROGRAM}: apt-get install {PROGRAM}")
    # Chromium's sandbox refuses to run as root.
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        # `--headless` is ours: Playwright's own is another browser, without the viewer of PDF.
        browser = playwright.chromium.launch(
            executable_path=program, args=arguments, ignore_default_args=["--headless", "--hide-scrollbars"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A page of its own, with what it asked for, downloaded and complained about."""

    def __init__(self, page: Page, host: str) -> None:
        self.page = page
        self.requests: list[str] = []
        self.strangers: list[str] = []
        self.errors: list[str] = []
        self.downloads: list[str] = []
        self._host = host
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("download", lambda download: self.downloads.append(download.suggested_filename))
        page.context.route("**/*", self._only_to_host)

    def _only_to_host(self, route: Route) -> None:
        parts = urlsplit(route.request.url)
        if parts.netloc == self._host or parts.scheme in ("data", "blob", "chrome-extension"):
            route.continue_()
        else:
            self.strangers.append(route.request.url)
            route.abort()


@contextmanager
def visit(browser: Browser, url: str) -> Iterator[Visitor]:
    """Open an empty page that may ask only the host of `url`."""
    context = browser.new_context(accept_downloads=True)
    try:
        yield Visitor(context.new_page(), urlsplit(url).netloc)
    finally:
        context.close()
