"""Real clients upload files of difficult names as forms: curl, Chromium, and libraries of Python."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import requests

from tests.support.browser import Visitor, chromium, visit
from tests.support.service import RunningService, bearer

NAMES = (r"back\slash.txt", "end\\", 'q"uote.txt', "50% off; a=b.txt", "Größe 灯泡.txt", r"C:\dir\file.txt")
# Sends each name of an array as a form with the fields that Uppy adds; returns the keys that the files got.
UPLOAD = """async ([url, authorization, names]) => {
    const keys = [];
    for (const name of names) {
        const form = new FormData();
        form.append("relativePath", "null");
        form.append("file", new File(["abc"], name));
        const answer = await fetch(url, {method: "POST", body: form, headers: {authorization}});
        keys.push((await answer.json()).id);
    }
    return keys;
}"""

Upload = Callable[[str, list[str], Path], list[str]]


@pytest.fixture
def url(service: RunningService, bucket: str) -> str:
    return f"{service.url}/files/upload/{bucket}"


def with_curl(url: str, names: list[str], directory: Path, *options: str) -> list[str]:
    login = f"Authorization: {bearer()['Authorization']}"
    path = directory / "upload"
    path.write_bytes(b"abc")
    keys = []
    for name in names:
        # Within curl's own quotes, a backslash escapes.
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        done = subprocess.run(
            ["curl", "-sS", *options, "-F", f'file=@{path};filename="{escaped}"', "-F", "_csrf=x", "-H", login, url],
            capture_output=True,
            check=True,
        )
        keys.append(json.loads(done.stdout)["id"])
    return keys


def with_old_curl(url: str, names: list[str], directory: Path) -> list[str]:
    """Escape as curl did before 7.81."""
    return with_curl(url, names, directory, "--form-escape")


def with_httpx(url: str, names: list[str], directory: Path) -> list[str]:
    return [httpx.post(url, files={"file": (name, b"abc")}, headers=bearer()).json()["id"] for name in names]


def with_requests(url: str, names: list[str], directory: Path) -> list[str]:
    with requests.Session() as session:
        answers = [session.post(url, files={"file": (name, b"abc")}, headers=bearer()) for name in names]
        return [answer.json()["id"] for answer in answers]


@pytest.mark.parametrize("upload", [with_curl, with_old_curl, with_httpx, with_requests])
def test_file_gets_the_name_that_the_client_has_for_it(url: str, tmp_path: Path, upload: Upload) -> None:
    assert upload(url, list(NAMES), tmp_path) == list(NAMES)


@pytest.fixture(scope="module")
def visitor() -> Iterator[Visitor]:
    with chromium() as browser, visit(browser) as visitor:
        yield visitor


def test_file_gets_the_name_that_the_browser_has_for_it(service: RunningService, url: str, visitor: Visitor) -> None:
    visitor.page.goto(f"{service.url}/health")
    assert visitor.page.evaluate(UPLOAD, [url, bearer()["Authorization"], NAMES]) == list(NAMES)
