"""How SelfDB 0.0.2 uploads and downloads: its backend asks for a URL, its browser code uses it."""

from urllib.parse import urlsplit

import httpx

from tests.support.service import RunningService, bearer


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
