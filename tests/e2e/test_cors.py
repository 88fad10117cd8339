"""Browsers on other origins: what they may ask, and what they may see of the answer."""

import httpx
import pytest

from tests.support.service import RunningService, bearer

ORIGIN = "https://app.example.com"
OTHER = "https://elsewhere.example"

EXPOSED = {
    "Location", "ETag", "Link", "Content-Range", "Accept-Ranges", "Content-Disposition", "Repr-Digest", "X-Request-ID",
    "X-Total-Count", "Retry-After", "Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Expires",
    "Upload-Concat", "Upload-Metadata", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size",
    "Tus-Checksum-Algorithm",
}  # fmt: skip

ROUTES = [
    ("POST", "/buckets"),
    ("DELETE", "/buckets/photos"),
    ("POST", "/files/upload/photos"),
    ("PUT", "/files/upload-direct/photos/a/b.txt"),
    ("PUT", "/files/signed/token/photos/a.txt"),
    ("GET", "/files/download/photos/a.txt"),
    ("GET", "/storage/photos/a.txt"),
    ("PUT", "/files/metadata/photos/a.txt"),
    ("PATCH", "/files/metadata/photos/a.txt"),
    ("PATCH", "/buckets/photos"),
    ("GET", "/openapi.json"),
]


def preflight(url: str, *, origin: str, method: str) -> httpx.Response:
    """Ask as a browser does before it sends a request with a login: without one."""
    return httpx.options(
        url,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,if-match,range,x-request-id",
        },
    )


def listed(response: httpx.Response, name: str) -> set[str]:
    return {value.strip() for value in response.headers.get(name, "").split(",") if value.strip()}


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory):
    """A service for the pages of one origin."""
    path = tmp_path_factory.mktemp("cors") / "store"
    with RunningService(path, CORS_ORIGINS=f"{ORIGIN}, http://localhost:3000") as running:
        yield running


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_preflight_needs_no_credential(service: RunningService, method: str, path: str) -> None:
    response = preflight(service.url + path, origin=ORIGIN, method=method)
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert method in listed(response, "Access-Control-Allow-Methods")
    assert listed(response, "Access-Control-Allow-Headers") == {
        "authorization", "content-type", "if-match", "range", "x-request-id",
    }  # fmt: skip
    assert int(response.headers["Access-Control-Max-Age"]) > 0


def answers(service: RunningService, bucket: str) -> list[httpx.Response]:
    """Return answers of every kind to a page at `ORIGIN`."""
    with httpx.Client(base_url=service.url, headers={"Origin": ORIGIN}) as page:
        login = bearer()
        created = page.put(f"/files/upload-direct/{bucket}/a.txt", content=b"abc", headers=login)
        download = f"/files/download/{bucket}/a.txt"
        found = [
            created,
            page.get(download, headers=login),
            page.head(download, headers=login),
            page.get(download, headers={**login, "Range": "bytes=0-0"}),
            page.get(download, headers={**login, "If-None-Match": created.headers["ETag"]}),
            page.get(download, headers={**login, "Range": "bytes=9-"}),
            page.get(download, headers={**login, "If-Match": '"x"'}),
            page.get(download),
            page.get(download, headers={"Authorization": "Bearer wrong"}),
            page.get(f"/files/download/{bucket}/missing", headers=login),
            page.post("/buckets", json={"name": bucket}, headers=login),
            page.post("/buckets", json={"name": "x"}, headers=login),
            page.patch("/buckets", headers=login),
            page.get("/nothing"),
            page.put(f"/files/signed/token/{bucket}/a.txt", content=b"abc"),
            page.get("/health"),
        ]
    assert [response.status_code for response in found] == [
        201, 200, 200, 206, 304, 416, 412, 401, 401, 404, 409, 422, 405, 404, 403, 200,
    ]  # fmt: skip
    return found


def test_every_answer_can_be_read_by_any_page(service: RunningService, bucket: str) -> None:
    for response in answers(service, bucket):
        assert response.headers.get_list("Access-Control-Allow-Origin") == ["*"]
        assert listed(response, "Access-Control-Expose-Headers") == EXPOSED
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_listed_origin_can_read_every_answer(listing: RunningService) -> None:
    httpx.post(f"{listing.url}/buckets", json={"name": "cors"}, headers=bearer()).raise_for_status()
    for response in answers(listing, "cors"):
        assert response.headers.get_list("Access-Control-Allow-Origin") == [ORIGIN]
        assert listed(response, "Access-Control-Expose-Headers") == EXPOSED
        assert "Access-Control-Allow-Credentials" not in response.headers
        # A cache must not give one origin's answer to another (the Fetch standard, "CORS protocol and HTTP caches").
        assert "Origin" in listed(response, "Vary")


@pytest.mark.parametrize("origin", [OTHER, "https://app.example.com.evil.example", "http://app.example.com", "null"])
def test_other_origin_is_told_nothing(listing: RunningService, origin: str) -> None:
    for method, path in ROUTES:
        response = preflight(listing.url + path, origin=origin, method=method)
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "Access-Control-Allow-Credentials" not in response.headers
    response = httpx.get(f"{listing.url}/health", headers={"Origin": origin})
    assert (response.status_code, "Access-Control-Allow-Origin" in response.headers) == (200, False)


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
def test_each_listed_origin_passes(listing: RunningService, origin: str) -> None:
    response = preflight(f"{listing.url}/buckets", origin=origin, method="POST")
    assert response.headers["Access-Control-Allow-Origin"] == origin
