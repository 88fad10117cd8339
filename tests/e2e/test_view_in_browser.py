"""Files in a real browser: pictures, films and PDF are shown, and no file runs a script."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.support.browser import Visitor, chromium, visit
from tests.support.service import RunningService, bearer

DATA = Path(__file__).parent / "data"

# What it would leave behind if it ran: another title, and a request that the service sees.
SCRIPT = "document.title = 'ran'; fetch('/marker');"
HTML = f'<!doctype html><title>page</title><script>{SCRIPT}</script><img src=/marker onerror="{SCRIPT}"><p>text</p>'
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9" onload="{SCRIPT}"><script>{SCRIPT}</script></svg>'
XHTML = f'<html xmlns="http://www.w3.org/1999/xhtml"><body><script>{SCRIPT}</script></body></html>'
XML = f'<?xml version="1.0"?><x><script xmlns="http://www.w3.org/1999/xhtml">{SCRIPT}</script></x>'
XSLT = '<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="/marker"?><x/>'

PDF_OBJECTS = (
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
    "<</Length 34>>stream\nBT /F 24 Tf 20 40 Td (Hello) Tj ET\nendstream",
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
)


def pdf() -> bytes:
    """Make a PDF of one page (ISO 32000-1 section 7.5)."""
    document, places = "%PDF-1.4\n", []
    for number, content in enumerate(PDF_OBJECTS, start=1):
        places.append(f"{len(document):010} 00000 n \n")
        document += f"{number} 0 obj{content} endobj\n"
    table = f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{''.join(places)}"
    trailer = f"trailer<</Size {len(places) + 1}/Root 1 0 R>>startxref\n{len(document)}\n%%EOF"
    return f"{document}{table}{trailer}".encode()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    with visit(browser) as visitor:
        yield visitor


class Links(NamedTuple):
    """The ways to look at one file without a login."""

    view: str
    permanent: str
    signed: str


@pytest.fixture
def upload(service: RunningService, bucket: str):
    """Upload a file to a public bucket, and to a private one for which a link is signed."""

    def put(name: str, content: bytes, content_type: str) -> Links:
        with httpx.Client(base_url=service.url, headers=bearer()) as client:
            client.put(f"/files/upload-direct/{bucket}/{name}", content=content, headers={"Content-Type": content_type})
            signed = client.post(
                "/files/initiate-download", json={"bucket_id": bucket, "file_id": name, "disposition": "inline"}
            ).json()["download_url"]
            public = f"{bucket}-public"
            client.post("/buckets", json={"name": public, "is_public": True})
            file = client.put(
                f"/files/upload-direct/{public}/{name}", content=content, headers={"Content-Type": content_type}
            ).json()
        return Links(file["view_url"], file["url"], signed)

    return put


@pytest.mark.parametrize(
    ("name", "content_type"), [("pixel.png", "image/png"), ("pixel.jpg", "image/jpeg"), ("pixel.webp", "image/webp")]
)
def test_picture_is_shown(upload, visitor: Visitor, name: str, content_type: str) -> None:
    for url in upload(name, (DATA / name).read_bytes(), content_type):
        visitor.page.goto(url)
        assert visitor.page.evaluate("[document.contentType, document.images[0].naturalWidth]") == [content_type, 8]
    assert (visitor.errors, visitor.downloads) == ([], [])


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/octet-stream", "application/x-www-form-urlencoded"]
)
def test_text_is_shown_as_what_it_is(upload, visitor: Visitor, content_type: str) -> None:
    text = "你好, naïve café"
    for url in upload("a.txt", text.encode(), content_type):
        visitor.page.goto(url)
        expect(visitor.page.locator("body")).to_have_text(text)


@pytest.mark.parametrize(("name", "content_type"), [("moving.webm", "video/webm"), ("moving.mp4", "video/mp4")])
def test_film_plays(upload, visitor: Visitor, name: str, content_type: str) -> None:
    for url in upload(name, (DATA / name).read_bytes(), content_type):
        visitor.page.goto(url)
        visitor.page.wait_for_function("document.querySelector('video').currentTime > 0")
        shown = visitor.page.evaluate("[document.contentType, document.querySelector('video').videoWidth]")
        assert shown == [content_type, 64]
    assert (visitor.errors, visitor.downloads) == ([], [])


def test_pdf_is_shown_by_the_viewer(upload, visitor: Visitor) -> None:
    for url in upload("hello.pdf", pdf(), "application/pdf"):
        visitor.page.goto(url)
        wait_until(visitor, lambda: pages_in_viewer(visitor.page) == 1)
    assert visitor.downloads == []  # and no word of errors: the browser complains that there is no /favicon.ico


def pages_in_viewer(page: Page) -> int | None:
    """Return of how many pages the browser's viewer speaks: none before it has read the file."""
    for frame in page.frames:
        if frame.url.startswith("chrome-extension:"):
            pages: int | None = frame.evaluate(
                "document.querySelector('pdf-viewer')?.shadowRoot?.querySelector('viewer-toolbar')?.docLength"
            )
            return pages
    return None


def wait_until(visitor: Visitor, condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        visitor.page.wait_for_timeout(20)  # handles the browser's events meanwhile
    raise AssertionError("it did not come true in time")


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        pytest.param("a.html", HTML, "text/html", id="html"),
        pytest.param("a.html", HTML, "Text/HTML; charset=utf-8", id="html in capitals"),
        pytest.param("a.htm", HTML, "application/octet-stream", id="html by its name"),
        pytest.param("a.svg", SVG, "image/svg+xml", id="svg"),
        pytest.param("a.xhtml", XHTML, "application/xhtml+xml", id="xhtml"),
        pytest.param("a.xml", XML, "text/xml", id="xml with a script"),
        pytest.param("b.xml", XSLT, "application/xml", id="xml with a style sheet"),
        pytest.param("a.atom", XML, "application/atom+xml", id="feed"),
        pytest.param("a.js", SCRIPT, "text/javascript", id="script"),
        pytest.param("a.mhtml", HTML, "multipart/related", id="archive of a page"),
        pytest.param("a.bin", HTML, "unknown/unknown", id="type that browsers sniff"),
    ],
)
def test_what_could_run_is_saved_and_not_shown(
    upload, visitor: Visitor, name: str, content: str, content_type: str
) -> None:
    links = upload(name, content.encode(), content_type)
    for url in links:
        visitor.downloads.clear()
        with pytest.raises(Error, match="Download is starting"):
            visitor.page.goto(url)
        wait_until(visitor, lambda: visitor.downloads == [name])
    assert_nothing_ran(visitor, links)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.txt", "text/plain"), ("a.png", "image/png"), ("a.mp4", "video/mp4"), ("a.pdf", "application/pdf")],
)
def test_page_that_passes_for_something_else_is_shown_as_text(
    upload, visitor: Visitor, name: str, content_type: str
) -> None:
    links = upload(name, HTML.encode(), content_type)
    for url in links:
        visitor.page.goto(url)
        assert visitor.page.evaluate("document.contentType") == "text/plain"
        expect(visitor.page.locator("body")).to_have_text(HTML)
    assert_nothing_ran(visitor, links)


@pytest.mark.parametrize(
    ("element", "name", "content", "content_type"),
    [
        ("iframe", "a.html", HTML, "text/html"),
        ("iframe", "a.txt", HTML, "text/plain"),
        ("iframe", "a.svg", SVG, "image/svg+xml"),
        ("object", "a.svg", SVG, "image/svg+xml"),
        ("img", "a.svg", SVG, "image/svg+xml"),
        ("script", "a.txt", SCRIPT, "text/plain"),
    ],
)
def test_nothing_runs_inside_another_page(
    upload, visitor: Visitor, service: RunningService, element: str, name: str, content: str, content_type: str
) -> None:
    url = upload(name, content.encode(), content_type).view
    visitor.page.goto(f"{service.url}/health")
    visitor.page.evaluate(
        "([element, url]) => new Promise(done => { const made = document.createElement(element);"
        " made.onload = made.onerror = done; made[element == 'object' ? 'data' : 'src'] = url;"
        " document.body.append(made); setTimeout(done, 500); })",
        [element, url],
    )
    assert url in visitor.requests
    assert_nothing_ran(visitor, {f"{service.url}/health", url})


def assert_nothing_ran(visitor: Visitor, asked: Iterable[str]) -> None:
    """Assert that no script has changed the page, and that nothing else was asked for."""
    assert visitor.page.title() != "ran"
    assert set(visitor.requests) - set(asked) == set()
