"""The pages of docs/clients.md in a real browser, on an origin that is not the service's."""

import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.support.browser import Visitor, chromium, visit
from tests.support.checkout import ROOT
from tests.support.service import RunningService, bearer, token

FILM = (Path(__file__).parent / "data" / "moving.mp4").read_bytes()
EXAMPLE = "http://localhost:8001"
# The variables that an example takes from the page around it.
AROUND = "const token = {token!r}; const bar = document.querySelector('progress');"


def example(mark: str, service: RunningService, bucket: str) -> str:
    """Return the only block of the page with `mark`, for `service` and `bucket`."""
    text = (ROOT / "docs" / "clients.md").read_text()
    blocks: list[str] = re.findall(r"^```(?:js|html)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (block,) = [each for each in blocks if mark in each]
    for name in ("photos", "films"):
        block = block.replace(f"/{name}", f"/{bucket}")
    assert EXAMPLE in block
    return block.replace(EXAMPLE, service.url)


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[str]:
    """A server of empty pages, which is another origin."""
    (tmp_path / "page.html").write_text("<!doctype html><link rel=icon href=data:,><progress></progress>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=tmp_path)  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/page.html"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visitor(browser: Browser, origin: str) -> Iterator[Visitor]:
    with visit(browser) as visitor:
        visitor.page.goto(origin)
        yield visitor


def test_xhr_uploads_and_tells_its_progress(service: RunningService, bucket: str, visitor: Visitor) -> None:
    code = example("XMLHttpRequest", service, bucket)
    answer = visitor.page.evaluate(
        f"() => {{ {AROUND.format(token=token())} const file = new File(['x'.repeat(2000000)], 'b ü.txt');"
        f"{code}; return new Promise(done => request.onloadend = () =>"
        " done([request.status, JSON.parse(request.responseText).id, bar.value])); }"
    )
    assert answer == [201, "b ü.txt", 1]
    assert visitor.errors == []


def test_video_of_a_public_bucket_and_of_a_signed_link_can_be_sought(
    service: RunningService, bucket: str, visitor: Visitor
) -> None:
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        client.put(f"/files/upload-direct/{bucket}/cat.mp4", content=FILM, headers={"Content-Type": "video/mp4"})
        link = {"bucket_id": bucket, "file_id": "cat.mp4", "disposition": "inline"}
        signed = client.post("/files/initiate-download", json=link).json()["download_url"]
        client.put(f"/buckets/{bucket}", json={"is_public": True})
    public = example("<video", service, bucket)
    for element in (public, re.sub(r'src="[^"]*"', f'src="{signed}"', public)):
        visitor.page.set_content(element)
        visitor.page.wait_for_function("document.querySelector('video').readyState >= 2")
        sought = visitor.page.evaluate(
            "() => { const video = document.querySelector('video'); video.currentTime = video.duration / 2;"
            " return new Promise(done => video.onseeked = () => done(video.currentTime > 0)); }"
        )
        assert sought
    assert visitor.errors == []
