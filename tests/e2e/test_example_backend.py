"""The example backend in a real browser: a file is uploaded, reported by webhook and by event, and downloaded."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.browser import chromium, visit
from tests.support.checkout import ROOT
from tests.support.disruptions import wait_until
from tests.support.environment import clean_environment
from tests.support.service import RunningService, free_port

SERVICE_KEY = "a-service-key-for-tests-of-32-bytes-or-more"
WEBHOOK_SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[str]:
    """The address of the backend, beside a service that reports to it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    webhooks = {"WEBHOOK_URL": f"{url}/webhook", "WEBHOOK_SECRET": WEBHOOK_SECRET}
    with RunningService(tmp_path / "store", SERVICE_KEY=SERVICE_KEY, **webhooks) as service:
        environment = {
            "STORAGE_URL": service.url,
            "SERVICE_KEY": SERVICE_KEY,
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
            "SESSION_KEY": "a-session-key",
            "DATABASE": str(tmp_path / "backend.sqlite3"),
        }
        command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "8", "app:app"]
        with subprocess.Popen(
            command, cwd=ROOT / "examples" / "backend", env=clean_environment(environment), stderr=subprocess.DEVNULL
        ) as process:
            try:
                wait_until(lambda: answers(url))
                yield url
            finally:
                process.terminate()


def test_file_makes_the_whole_round(backend: str, tmp_path: Path) -> None:
    file = tmp_path / "katze ü.bin"
    file.write_bytes(bytes(range(256)) * 1000)
    with chromium() as browser, visit(browser) as visitor:
        page = visitor.page
        page.goto(backend)
        page.get_by_label("Name").fill("ann")
        page.get_by_role("button").click()
        page.get_by_label("File").set_input_files(file)
        link = page.get_by_role("link", name="(256000 bytes)")
        link.wait_for()  # for the event
        with page.expect_download() as downloading:
            link.click()
        assert downloading.value.suggested_filename == file.name
        assert Path(downloading.value.path()).read_bytes() == file.read_bytes()
        assert visitor.errors == []
        upload = str(link.get_attribute("href"))
    # Another user gets nothing, and neither does a stranger who says that a file has come.
    with httpx.Client(base_url=backend) as other:
        other.post("/login", data={"user": "bob"})
        assert other.get(upload).status_code == 404
        assert other.post("/webhook", json={"type": "file.created"}).status_code == 401
