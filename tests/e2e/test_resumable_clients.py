"""Clients of tus that others made, whose connections are cut and whose server is killed: what arrives is what was sent.

tuspy, tus-js-client in Node, and Uppy in Chromium on a page of another origin. `--long` sends 200 MiB.
"""

import functools
import hashlib
import http.server
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from tests.support.browser import chromium
from tests.support.cutting import CuttingProxy
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.npm import CLIENTS, TOOLS, installed, run
from tests.support.service import RunningService, bearer, token

MIB = 1024 * 1024
CUTS, KILLS = 10, (3, 7)
FILE = {"bucket_id": "photos", "file_id": "film.bin"}

pytestmark = pytest.mark.slow


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with RunningService(tmp_path / "store", **OFFLOAD, DURABILITY="fsync") as running:
        httpx.post(f"{running.url}/buckets", json={"name": "photos"}, headers=bearer())
        yield running


@pytest.fixture
def film(tmp_path: Path, long: bool) -> Path:
    path = tmp_path / "film.bin"
    path.write_bytes(os.urandom((200 if long else 11) * MIB))
    return path


def first(way: str, other: str, *, fixture: str = "line") -> pytest.MarkDecorator:
    """Go both ways, `other` in CI only."""
    return pytest.mark.parametrize(fixture, [way, pytest.param(other, marks=pytest.mark.ci)], indirect=True)


@pytest.fixture
def front(request: pytest.FixtureRequest, service: RunningService, tmp_path: Path) -> Iterator[str]:
    """Return the URL of the service, or of nginx in front of it."""
    if request.param == "straight":
        yield service.url
        return
    with NginxGateway(service, tmp_path / "nginx") as gateway:
        yield gateway.url


@pytest.fixture
def line(request: pytest.FixtureRequest, service: RunningService, film: Path, tmp_path: Path) -> Iterator[CuttingProxy]:
    """A line to the service that is cut ten times, and at whose end the service is killed and started again twice."""
    with ExitStack() as stack:
        target: Any = service
        if request.param == "nginx":
            target = stack.enter_context(NginxGateway(service, tmp_path / "nginx"))
        proxy = stack.enter_context(cut_and_killed(service, target, film.stat().st_size))
        yield proxy
        assert proxy.cut == CUTS


@contextmanager
def cut_and_killed(service: RunningService, target: Any, size: int) -> Iterator[CuttingProxy]:
    def kill(number: int) -> None:
        if number in KILLS:
            service.kill()
            service.start()

    with CuttingProxy(target, every=size // (CUTS + 1), cuts=CUTS, on_cut=kill) as proxy:
        yield proxy


def assert_arrived(service: RunningService, film: Path, key: str = "film.bin") -> None:
    record = httpx.get(f"{service.url}/files/info/photos/{key}", headers=bearer()).json()
    assert record["sha256"] == hashlib.sha256(film.read_bytes()).hexdigest()


@first("straight", "nginx")
def test_tuspy_uploads_over_a_bad_line(service: RunningService, line: CuttingProxy, film: Path) -> None:
    chunk = str(film.stat().st_size // 2)
    script = CLIENTS / "tus" / "upload.py"
    run([sys.executable, script, f"{line.url}/files/resumable", film, token(), chunk], film.parent)
    assert_arrived(service, film)


def upload_by_node(endpoint: str, film: Path, tmp_path: Path, **options: Any) -> None:
    installed()
    script = tmp_path / "upload.mjs"
    script.write_text((CLIENTS / "tus" / "upload.mjs").read_text())
    if not (tmp_path / "node_modules").exists():
        (tmp_path / "node_modules").symlink_to(TOOLS / "node_modules")
    run(["node", script, endpoint, film, json.dumps(options)], tmp_path)


@first("nginx", "straight")
def test_tus_js_client_uploads_over_a_bad_line(
    service: RunningService, line: CuttingProxy, film: Path, tmp_path: Path
) -> None:
    upload_by_node(f"{line.url}/files/resumable", film, tmp_path, headers=bearer(), metadata=FILE)
    assert_arrived(service, film)


@first("nginx", "straight", fixture="front")
def test_tus_js_client_uploads_in_parts(service: RunningService, front: str, film: Path, tmp_path: Path) -> None:
    upload_by_node(
        f"{front}/files/resumable",
        film,
        tmp_path,
        headers=bearer(),
        metadata=FILE,
        metadataForPartialUploads={"bucket_id": "photos"},
        parallelUploads=3,
    )
    assert_arrived(service, film)


@first("straight", "nginx", fixture="front")
def test_tus_js_client_uploads_by_a_signed_url(service: RunningService, front: str, film: Path, tmp_path: Path) -> None:
    signed = {"bucket_id": "photos", "filename": "film.bin", "size": film.stat().st_size}
    link = httpx.post(f"{service.url}/files/initiate-upload", json=signed, headers=bearer()).json()
    url = front + service.path_of(link["resumable_url"])
    upload_by_node(url, film, tmp_path, metadata={"filetype": "video/mp4"}, chunkSize=MIB)
    assert_arrived(service, film)


@contextmanager
def page_of_another_origin(folder: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page of another origin than the service's, with Uppy, in Chromium."""
    folder = tmp_path_factory.mktemp("uppy")
    esbuild = installed() / "esbuild"
    (folder / "node_modules").symlink_to(TOOLS / "node_modules")
    (folder / "uppy.js").write_text((CLIENTS / "tus" / "uppy.js").read_text())
    run([esbuild, "uppy.js", "--bundle", "--outfile=bundle.js"], folder)
    (folder / "index.html").write_text("<!doctype html><title>Upload</title><script src=bundle.js></script>")
    with page_of_another_origin(folder) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        yield page


def upload_in_page(page: Page, service: RunningService, endpoint: str, headers: dict[str, str], size: int) -> None:
    uploaded = "async ([endpoint, headers, size]) => await window.uploaded(endpoint, headers, size)"
    assert page.evaluate(uploaded, [endpoint, headers, size]) == []
    record = httpx.get(f"{service.url}/files/info/photos/of-uppy.bin", headers=bearer()).json()
    whole, rest = divmod(size, 251)
    assert record["sha256"] == hashlib.sha256(bytes(range(251)) * whole + bytes(range(rest))).hexdigest()


def test_uppy_uploads_from_another_origin(service: RunningService, page: Page, long: bool) -> None:
    size = (200 if long else 11) * MIB
    with cut_and_killed(service, service, size) as line:
        upload_in_page(page, service, f"{line.url}/files/resumable", bearer(), size)


def test_uppy_uploads_by_a_signed_url(service: RunningService, page: Page) -> None:
    signed = {"bucket_id": "photos", "filename": "of-uppy.bin", "size": 3 * MIB}
    link = httpx.post(f"{service.url}/files/initiate-upload", json=signed, headers=bearer()).json()
    upload_in_page(page, service, link["resumable_url"], {}, 3 * MIB)
