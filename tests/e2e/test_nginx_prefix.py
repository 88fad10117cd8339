"""The service below a prefix that the proxy before nginx takes off: every reference that it gives still holds."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urljoin

import httpx
import pytest

from tests.support.nginx import OFFLOAD, NginxGateway, replaced
from tests.support.service import RunningService, bearer, free_port

PREFIX = "/prefix/v1"
KEYS = ["plain.txt", "a/b/c.txt", "ä b/%2F.txt"]


class PrefixingGateway(NginxGateway):
    """nginx, and before it a proxy that takes the prefix off."""

    def __init__(self, service: RunningService, directory: Path, front: int) -> None:
        super().__init__(service, directory)
        self.front = front

    def configuration(self) -> str:
        proxy = (
            f"server {{ listen 127.0.0.1:{self.front}; merge_slashes off; "
            f"location ~ ^{PREFIX}/ {{ rewrite ^ $request_uri; rewrite ^{PREFIX}(/.*) $1 break; return 400; "
            f"proxy_pass http://127.0.0.1:{self.port}$uri; proxy_set_header Host $http_host; }} }}\n"
            "    upstream decided"
        )
        return replaced(super().configuration(), {"upstream decided": proxy})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    directory, front = tmp_path_factory.mktemp("prefix"), free_port()
    url = f"http://127.0.0.1:{front}{PREFIX}"
    places = {"BASE_URL": url, "STORAGE_SERVICE_PUBLIC_URL": url}
    with (
        RunningService(directory / "store", **OFFLOAD, **places) as service,
        PrefixingGateway(service, directory / "nginx", front),
        httpx.Client(headers=bearer()) as asking,
    ):
        asking.base_url = httpx.URL(url)
        yield asking


def follow(client: httpx.Client, answer: httpx.Response, reference: str) -> httpx.Response:
    return client.get(urljoin(str(answer.url), reference)).raise_for_status()


def test_references_hold(client: httpx.Client) -> None:
    made = client.post("/buckets", json={"name": "below"}).raise_for_status()
    assert follow(client, made, made.headers["Location"]).json()["name"] == "below"
    for key in KEYS:
        put = client.put(f"/files/upload-direct/below/{quote(key)}", content=key.encode()).raise_for_status()
        assert follow(client, put, put.headers["Location"]).text == key
        form = client.post("/files/upload/below", files={"file": (key, b"form")}, data={"overwrite": "true"})
        assert follow(client, form, form.raise_for_status().headers["Location"]).text == "form"

    listed, page = [], client.get("/files/list/below", params={"limit": 1, "order": "key"}).raise_for_status()
    listed += page.json()
    while "next" in page.links:
        page = follow(client, page, page.links["next"]["url"])
        listed += page.json()
    assert [file["id"] for file in listed] == sorted(KEYS)


def test_pages_hold(client: httpx.Client) -> None:
    root = client.get("/").raise_for_status()
    links = root.json()["links"]
    for name in ("openapi", "health", "ready"):
        assert follow(client, root, links[name]).headers["Content-Type"] == "application/json"
    document = follow(client, root, links["openapi"])
    (server,) = document.json()["servers"]
    assert urljoin(str(document.url), server["url"]) == f"http://127.0.0.1:{document.url.port}{PREFIX}"
    page = client.get("/docs/").raise_for_status()
    assert f'"{PREFIX}/openapi.json"' in page.text
    assert follow(client, page, f"{PREFIX}/docs/swagger-ui.css").headers["Content-Type"].startswith("text/css")
    assert f"{PREFIX}/docs/swagger-ui.css" in page.text
