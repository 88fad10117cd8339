"""`/docs` in a real browser: it needs nothing from elsewhere, takes a login, and works on the service."""

import json
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from tests.support.browser import Visitor, chromium, visit
from tests.support.service import ANON_KEY, RunningService, bearer, token

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[Visitor]:
    """One for all tests: the page's scripts are large, and it has them ready from the second time on."""
    with visit(browser) as visitor:
        yield visitor


@pytest.fixture
def docs(visitor: Visitor, service: RunningService) -> Iterator[Visitor]:
    """The page, once it shows the operations; whatever a test does there, nobody else is asked and nothing fails."""
    visitor.page.goto(f"{service.url}/docs")
    visitor.page.locator(".opblock").first.wait_for()
    yield visitor
    assert [url for url in visitor.requests if not url.startswith(f"{service.url}/")] == []
    assert visitor.errors == []


def authorize(page: Page, *, scheme: str, credential: str) -> None:
    page.locator(".auth-wrapper .authorize").click()
    form = page.locator(".modal-ux .auth-container", has_text=f"{scheme} (")
    form.locator("input").fill(credential)
    form.get_by_label("Apply credentials").click()
    expect(form.get_by_label("Remove authorization")).to_be_visible()
    form.get_by_role("button", name="Close").click()


def try_out(page: Page, operation: str) -> Locator:
    block = page.locator(f"#operations-{operation}")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    return block


def execute(block: Locator) -> str:
    """Press the button, and return the status that the page shows."""
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table tbody .response-col_status").inner_text().split()[0]


def test_page_shows_every_operation_in_its_group(docs: Visitor, service: RunningService) -> None:
    document = httpx.get(f"{service.url}/openapi.json").json()
    page = docs.page
    expect(page.locator(".info .title")).to_contain_text(document["info"]["title"])
    assert page.locator(".opblock-tag").evaluate_all("tags => tags.map(tag => tag.dataset.tag)") == [
        tag["name"] for tag in document["tags"]
    ]
    shown = [" ".join(text.split()[:2]) for text in page.locator(".opblock-summary").all_inner_texts()]
    described = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    # Long paths are shown with places where a line may end.
    assert {text.replace("\u200b", "") for text in shown} == {
        name for name in described if not name.startswith("PARAMETERS")
    }


def test_authorize_takes_a_token_and_try_it_out_creates_a_bucket(docs: Visitor, service: RunningService) -> None:
    authorize(docs.page, scheme="bearer", credential=token("docs-reader"))
    block = try_out(docs.page, "Buckets-createBucket")
    body = block.locator("textarea.body-param__text")
    body.fill(json.dumps(json.loads(body.input_value()) | {"name": "made-in-docs"}))

    assert execute(block) == "201"

    bucket = httpx.get(f"{service.url}/buckets/made-in-docs", headers=bearer("docs-reader")).json()
    assert bucket["owner_id"] == "docs-reader"
    # The example that the page fills in sets no limits that would be in the way.
    assert (bucket["is_public"], bucket["max_file_size"], bucket["quota"]) == (False, None, None)


def test_authorize_takes_the_anon_key(docs: Visitor) -> None:
    authorize(docs.page, scheme="apikey", credential=ANON_KEY)
    assert execute(try_out(docs.page, "Buckets-listBuckets")) == "200"


def test_try_it_out_uploads_a_form_and_a_raw_file(docs: Visitor, service: RunningService, bucket: str) -> None:
    authorize(docs.page, scheme="bearer", credential=token())
    file = FilePayload(name="dog.png", mimeType="image/png", buffer=PNG)

    form = try_out(docs.page, "Uploads-uploadForm")
    form.locator("[data-param-name=bucket_id] input").fill(bucket)
    form.locator("input[type=file]").set_input_files(file)
    form.locator("[data-property-name=metadata] textarea").fill('{"album": "dogs"}')
    assert execute(form) == "201"

    raw = try_out(docs.page, "Uploads-uploadFile")
    raw.locator("[data-param-name=bucket_id] input").fill(bucket)
    raw.locator("[data-param-name=file_id] input").fill("raw/dog.png")
    raw.locator("input[type=file]").set_input_files(file)
    assert execute(raw) == "201"

    files = httpx.get(f"{service.url}/files/list/{bucket}", headers=bearer()).json()
    assert [(f["id"], f["filename"], f["content_type"], f["size"], f["metadata"]) for f in files] == [
        ("2026/cat.jpg", "dog.png", "image/png", len(PNG), {"album": "dogs"}),
        ("raw/dog.png", "raw/dog.png", "image/png", len(PNG), {}),
    ]
