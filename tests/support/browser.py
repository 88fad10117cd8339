"""Debian's Chromium, driven by Playwright: no request leaves this machine, and every one is written down."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PROGRAM = "chromium"
ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# The browser's own pages, such as its viewer of PDF.
OWN_SCHEMES = ("chrome:", "chrome-extension:", "data:", "blob:")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; skips the test where it is not installed."""
    program = shutil.which(PROGRAM)
    if program is None:
        pytest.skip(f"this needs Debian's package {PROGRAM}: apt-get install {PROGRAM}")
    # Chromium's sandbox refuses to run as root.
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        # Playwright's own `--headless` is an older browser, without the viewer of PDF.
        browser = playwright.chromium.launch(
            executable_path=program, args=arguments, ignore_default_args=["--headless", "--hide-scrollbars"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A page, with what it asked for, saved and complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.downloads: list[str] = []
        # Not intercepted: that would keep the viewer of PDF from its file.
        page.on("request", lambda request: self._asked(request.url))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("download", lambda download: self.downloads.append(download.suggested_filename))

    def _asked(self, url: str) -> None:
        if not url.startswith(OWN_SCHEMES):
            self.requests.append(url)


@contextmanager
def visit(browser: Browser) -> Iterator[Visitor]:
    """Open an empty page, with nothing from others in its cache and storage."""
    context = browser.new_context()
    context.set_default_timeout(15_000)
    try:
        yield Visitor(context.new_page())
    finally:
        context.close()
