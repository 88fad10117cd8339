"""What SelfDB sends. In 0.0.2 the backend asks for a URL, which its browser code uses; 0.05 holds an API key."""

from collections.abc import Callable, Iterator
from typing import cast
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.nginx import LEAST_SPOOLED, OFFLOAD, NginxGateway
from tests.support.raw_http import Listener, send
from tests.support.service import ANON_KEY, RunningService, bearer


def presign(service: RunningService, bucket: str, key: str) -> str:
    response = httpx.post(
        f"{service.url}/files/presigned-url/upload/{bucket}/{key}",
        json={"expires_in_seconds": 600},
        headers=bearer("backend", service=True),
    )
    assert response.status_code == 200
    assert response.json()["method"] == "PUT"
    url: str = response.json()["upload_url"]
    return url


def test_form_goes_to_the_path_of_the_url_with_an_unrelated_login(service: RunningService, bucket: str) -> None:
    path = urlsplit(presign(service, bucket, "avatars/1.png")).path

    response = httpx.put(
        service.url + path,
        files={"file": ("me.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "image/png")},
        headers={"Authorization": "Bearer a-token-of-the-frontend", "apikey": "wrong"},
    )

    assert response.status_code == 201
    file = response.json()
    assert (file["id"], file["filename"], file["owner_id"]) == ("avatars/1.png", "me.png", "backend")
    assert httpx.get(file["download_url"], headers=bearer()).content.startswith(b"\x89PNG")


def test_raw_file_goes_to_the_whole_url(service: RunningService, bucket: str) -> None:
    url = presign(service, bucket, "notes.txt")

    first = httpx.put(url, content=b"first", headers={"Content-Type": "text/plain"})
    second = httpx.put(url, content=b"second", headers={"Content-Type": "text/plain"})

    assert (first.status_code, second.status_code) == (201, 200)
    assert httpx.get(f"{service.url}/files/download/{bucket}/notes.txt", headers=bearer()).content == b"second"


def test_browser_whose_login_names_an_address_downloads_by_a_link(service: RunningService, bucket: str) -> None:
    path, browser = f"/files/download/{bucket}/a.txt", bearer("alice@example.com")
    backend = httpx.Client(base_url=service.url, headers=bearer("alice"))
    backend.put(f"/files/upload-direct/{bucket}/a.txt", content=b"private").raise_for_status()
    assert httpx.get(service.url + path, headers=browser).status_code == 403

    link = backend.post("/files/initiate-download", json={"bucket_id": bucket, "file_id": "a.txt"}).json()
    assert httpx.get(link["download_url"], headers=browser).content == b"private"

    backend.put(f"/buckets/{bucket}", json={"grants": {"@authenticated": "read"}}).raise_for_status()
    assert httpx.get(service.url + path, headers=browser).content == b"private"
    backend.close()


def test_every_login_reads_private_files_if_the_operator_says_so(start_service: Callable[..., RunningService]) -> None:
    service = start_service(AUTHENTICATED_READ="true")
    owner, browser = bearer("42"), bearer("alice@example.com")
    httpx.post(f"{service.url}/buckets", json={"name": "private"}, headers=owner).raise_for_status()
    path = f"{service.url}/files/upload-direct/private/a.txt"
    httpx.put(path, content=b"private", headers=owner).raise_for_status()
    assert httpx.get(f"{service.url}/files/download/private/a.txt", headers=browser).content == b"private"
    assert [bucket["name"] for bucket in httpx.get(f"{service.url}/buckets", headers=browser).json()] == ["private"]
    assert len(httpx.get(f"{service.url}/files/list/private", headers=browser).json()) == 1
    assert httpx.put(path, content=b"mine", headers=browser).status_code == 403
    assert httpx.get(f"{service.url}/files/download/private/a.txt").status_code == 401
    anonymous = httpx.get(f"{service.url}/files/download/private/a.txt", headers={"apikey": ANON_KEY})
    assert anonymous.status_code == 403


API_KEY = "an-api-key-as-the-env-file-of-selfdb-has-it"


@pytest.fixture(scope="module", params=["straight", "nginx"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The backend of SelfDB 0.05, beside the service or behind nginx."""
    directory = tmp_path_factory.mktemp("selfdb")
    with (
        RunningService(directory / "store", **OFFLOAD, API_KEY=API_KEY) as service,
        NginxGateway(service, directory / "nginx") as gateway,
        httpx.Client(
            base_url=service.url if request.param == "straight" else gateway.url,
            headers={"X-API-Key": API_KEY, "Accept": "application/json"},
        ) as client,
    ):
        yield client


def in_chunks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 50_000):
        yield data[start : start + 50_000]


@pytest.mark.parametrize("size", [10, LEAST_SPOOLED * 3])
@pytest.mark.parametrize("chunked", [False, True])
def test_backend_of_005_stores_and_reads_a_file(backend: httpx.Client, size: int, *, chunked: bool) -> None:
    created = backend.post("/api/v1/buckets", json={"name": "Users-Files", "owner_id": "42", "public": False})
    assert (created.status_code, created.json()["bucket"]["internal_bucket_name"]) == (200, "users-files")
    data = b"0123456789" * (size // 10)
    path = f"/api/v1/files/users-files/folder/{size}-{chunked}.bin"

    stored = backend.post(
        path,
        content=in_chunks(data) if chunked else data,
        headers={"Content-Type": "application/octet-stream", "X-Filename": "report.bin"},
    )
    assert (stored.status_code, stored.json()["status"], stored.json()["size"]) == (200, "success", len(data))

    got = backend.get(path)
    assert (got.status_code, got.content, got.headers["X-File-Name"]) == (200, data, "report.bin")
    assert backend.get(path, headers={"Range": "bytes=2-5"}).content == b"2345"
    several = backend.get(path, headers={"Range": "bytes=0-0,2-2"})
    assert (several.status_code, several.headers["X-File-Name"]) == (206, "report.bin")
    assert backend.get(path, headers={"If-None-Match": got.headers["ETag"]}).status_code == 304
    listed = backend.get("/api/v1/buckets/users-files/files").json()
    assert (path.removeprefix("/api/v1/files/users-files/"), "report.bin", len(data)) in [
        (file["id"], file["filename"], file["size"]) for file in listed["files"]
    ]
    assert backend.delete(path).json()["status"] == "success"
    assert backend.get(path).status_code == 404


def test_backend_of_005_deletes_below_the_root_and_by_bucket(backend: httpx.Client) -> None:
    backend.post("/api/v1/buckets", json={"name": "short-lived"}).raise_for_status()
    backend.post("/api/v1/files/short-lived/a/b.txt", content=b"abc").raise_for_status()
    assert backend.delete("/short-lived/a/b.txt").json()["status"] == "success"
    backend.post("/api/v1/files/short-lived/a/b.txt", content=b"abc").raise_for_status()
    assert backend.put("/api/v1/buckets/short-lived", json={"public": True}).json()["bucket"]["public"] is True
    assert backend.delete("/api/v1/buckets/short-lived").json()["success"] is True
    missing = backend.get("/api/v1/buckets/short-lived")
    assert (missing.status_code, missing.headers["Content-Type"]) == (404, "application/json")
    assert missing.json() == {"detail": "Bucket not found"}
    assert backend.get("/api/v1/storage/status").json() == {"status": "healthy"}


def test_refusal_before_the_route_is_known_is_as_the_document_says(backend: httpx.Client) -> None:
    refused = send(cast(Listener, backend.base_url), "GET /api/v1/buckets", [("Host", "another")])
    operation = backend.get("/openapi.json").json()["paths"]["/api/v1/buckets"]["get"]
    assert refused.status == 400
    assert refused.headers.get_content_type() in operation["responses"]["400"]["content"]


def test_refusal_of_a_large_upload_reaches_the_backend_as_json(backend: httpx.Client) -> None:
    refused = backend.post("/api/v1/files/nothing/a.bin", content=b"x" * (LEAST_SPOOLED * 3))
    assert (refused.status_code, refused.json()) == (404, {"detail": "Bucket not found"})
