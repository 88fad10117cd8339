"""What nginx answers without asking: small public files, to whoever has no credential, as long as their owners say."""

import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.support.disk import small_disk
from tests.support.disruptions import wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import send
from tests.support.service import RunningService, bearer

FIRST, SECOND = b"the first bytes", b"the second bytes, which are more"
_names = count(1)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxGateway]:
    directory = tmp_path_factory.mktemp("cache")
    with RunningService(directory / "store", **OFFLOAD) as service, NginxGateway(service, directory / "nginx") as nginx:
        yield nginx


@pytest.fixture
def publish(gateway: NginxGateway) -> Callable[..., str]:
    """Make a bucket and a file in it, and return the file's path after the route."""

    def make(content: bytes = FIRST, *, cache_control: str | None = "max-age=3600", is_public: bool = True) -> str:
        bucket = f"bucket-{next(_names)}"
        settings = {"name": bucket, "is_public": is_public, "cache_control": cache_control}
        httpx.post(f"{gateway.url}/buckets", json=settings, headers=bearer()).raise_for_status()
        upload(gateway, f"{bucket}/a.txt", content)
        return f"{bucket}/a.txt"

    return make


def upload(gateway: NginxGateway, path: str, content: bytes) -> None:
    httpx.put(f"{gateway.url}/files/upload-direct/{path}", content=content, headers=bearer()).raise_for_status()


def get(gateway: NginxGateway, path: str, route: str = "storage", **headers: str) -> httpx.Response:
    return httpx.get(f"{gateway.url}/{route}/{path}", headers={n.replace("_", "-"): v for n, v in headers.items()})


def lasting(answer: httpx.Response) -> list[tuple[str, str]]:
    """The headers that every answer has alike."""
    return [(name, value) for name, value in answer.headers.multi_items() if name not in ("date", "x-request-id")]


@pytest.mark.parametrize("route", ["storage", "files/view", "files/download"])
@pytest.mark.parametrize("cache_control", ["max-age=3600", "public, max-age=0, s-maxage=60", "MAX-AGE=5, immutable"])
def test_owner_decides_that_it_is_kept(
    gateway: NginxGateway, publish: Callable[..., str], route: str, cache_control: str
) -> None:
    path = publish(cache_control=cache_control)
    first = get(gateway, path, route)
    upload(gateway, path, SECOND)
    second = get(gateway, path, route, X_Request_ID="mine")
    assert (first.content, second.content, second.status_code) == (FIRST, FIRST, 200)
    assert lasting(first) == lasting(second)
    assert second.headers["X-Request-ID"] == "mine"
    assert second.headers["Cache-Control"] == cache_control


@pytest.mark.parametrize(
    "cache_control",
    [None, "no-cache", "public", "max-age=0", "private, max-age=60", "no-store, max-age=60", "no-cache, max-age=60"],
)
def test_nothing_else_is_kept(gateway: NginxGateway, publish: Callable[..., str], cache_control: str | None) -> None:
    path = publish(cache_control=cache_control)
    assert get(gateway, path).content == FIRST
    upload(gateway, path, SECOND)
    assert get(gateway, path).content == SECOND


@pytest.mark.parametrize(("cache_control", "seconds"), [("max-age=5", "5"), ("max-age=3600", "60"), ("no-cache", None)])
def test_it_is_kept_for_a_minute_at_most(
    gateway: NginxGateway, publish: Callable[..., str], cache_control: str, seconds: str | None
) -> None:
    url = f"{gateway.service.url}/storage/{publish(cache_control=cache_control)}"
    told = httpx.get(url, headers={"X-Offload-Secret": OFFLOAD["OFFLOAD_SECRET"]})
    assert told.headers.get("X-Accel-Expires") == seconds
    assert "X-Accel-Expires" not in httpx.get(url).headers


def test_private_file_is_not_kept(gateway: NginxGateway, publish: Callable[..., str]) -> None:
    path = publish(is_public=False)
    assert get(gateway, path, **bearer()).content == FIRST
    assert get(gateway, path).status_code == 401


def test_large_file_is_not_kept(gateway: NginxGateway, publish: Callable[..., str]) -> None:
    path = publish(b"x" * (1024 * 1024 + 1))
    assert len(get(gateway, path).content) == 1024 * 1024 + 1
    upload(gateway, path, SECOND)
    assert get(gateway, path).content == SECOND


@pytest.mark.parametrize(
    ("headers", "status", "content"),
    [
        (bearer(), 200, SECOND),
        ({"Authorization": "Bearer wrong"}, 401, None),
        ({"apikey": "wrong"}, 401, None),
        ({"X_API_Key": "wrong"}, 401, None),
        ({"Range": "bytes=4-9"}, 206, SECOND[4:10]),
        ({"If_None_Match": '"other"'}, 200, SECOND),
        ({"If_Modified_Since": "Fri, 02 Jan 2026 03:04:04 GMT"}, 200, SECOND),
        ({"If_Unmodified_Since": "Fri, 02 Jan 2026 03:04:04 GMT"}, 412, None),
        ({"If_Match": '"other"'}, 412, None),
    ],
)
def test_who_asks_for_more_is_answered_by_the_service(
    gateway: NginxGateway, publish: Callable[..., str], headers: dict[str, str], status: int, content: bytes | None
) -> None:
    path = publish()
    get(gateway, path)
    upload(gateway, path, SECOND)
    answer = get(gateway, path, **headers)
    assert answer.status_code == status
    assert content is None or answer.content == content
    assert get(gateway, path).content == FIRST  # it is still there


def test_head_is_answered_by_the_service(gateway: NginxGateway, publish: Callable[..., str]) -> None:
    path = publish()
    get(gateway, path)
    upload(gateway, path, SECOND)
    assert httpx.head(f"{gateway.url}/storage/{path}").headers["Content-Length"] == str(len(SECOND))


def signed(gateway: NginxGateway, path: str, expires_in: int = 3600) -> str:
    bucket, key = path.split("/")
    asked = {"bucket_id": bucket, "file_id": key, "expires_in": expires_in}
    made = httpx.post(f"{gateway.url}/files/initiate-download", json=asked, headers=bearer()).json()
    return gateway.url + httpx.URL(made["download_url"]).path


def max_age(answer: httpx.Response) -> int:
    return int(answer.headers["Cache-Control"].split("max-age=")[1].split(",")[0])


@pytest.mark.parametrize("is_public", [True, False])
def test_signed_url_of_a_file_with_a_max_age_is_kept(
    gateway: NginxGateway, publish: Callable[..., str], is_public: bool
) -> None:
    path = publish(is_public=is_public)
    first, other = signed(gateway, path), signed(gateway, path, expires_in=1800)
    kept = httpx.get(first)
    upload(gateway, path, SECOND)
    again = httpx.get(first)
    assert (again.content, lasting(again)) == (FIRST, lasting(kept))
    assert max_age(again) <= 3600 - 60  # or a browser that gets it in a minute would keep it past the end of the link
    assert httpx.get(other).content == SECOND  # an entry of its own
    assert get(gateway, path).status_code == (200 if is_public else 401)


def test_signed_url_is_not_kept_past_its_end(gateway: NginxGateway, publish: Callable[..., str]) -> None:
    url = signed(gateway, publish(), expires_in=3)
    answer = httpx.get(url)
    assert answer.status_code == 200
    assert max_age(answer) <= 2
    wait_until(lambda: httpx.get(url).status_code == 403)


@pytest.mark.parametrize("cache_control", [None, "no-cache", "private, max-age=60"])
def test_signed_url_of_another_file_is_not_kept(
    gateway: NginxGateway, publish: Callable[..., str], cache_control: str | None
) -> None:
    path = publish(cache_control=cache_control)
    url = signed(gateway, path)
    assert httpx.get(url).content == FIRST
    upload(gateway, path, SECOND)
    assert httpx.get(url).content == SECOND


def test_refusal_is_not_kept(gateway: NginxGateway, publish: Callable[..., str]) -> None:
    path = publish()
    assert get(gateway, f"{path}.missing").status_code == 404
    upload(gateway, f"{path}.missing", FIRST)
    assert get(gateway, f"{path}.missing").content == FIRST


def kept(gateway: NginxGateway) -> int:
    """Count the entries of the cache."""
    return sum(path.is_file() for path in (Path(gateway.directory) / "nginx-cache").rglob("*"))


def test_what_nginx_kept_lies_in_its_own_folder(gateway: NginxGateway, publish: Callable[..., str]) -> None:
    before = kept(gateway)
    get(gateway, publish())
    assert kept(gateway) == before + 1


SPELLINGS = ["{b}/%61.txt", "{b}//a.txt", "/{b}/a.txt", "./{b}/a.txt", "x/../{b}/a.txt", "{b}/./a.txt", "{b}/a.txt/.."]


def test_file_is_kept_once_whatever_a_client_invents(gateway: NginxGateway, publish: Callable[..., str]) -> None:
    path = publish()
    before = kept(gateway)
    for number in range(20):
        answer = get(gateway, f"{path}?query={number}", Origin=f"https://{number}.example", Accept=f"x/{number}")
        assert (answer.content, answer.headers["Access-Control-Allow-Origin"]) == (FIRST, "*")
    for spelling in SPELLINGS:
        send(gateway, f"GET /storage/{spelling.format(b=path.partition('/')[0])}")
    assert kept(gateway) == before + 1


def test_answer_for_one_origin_of_a_list_is_not_kept(tmp_path: Path) -> None:
    app, other = "https://app.example", "https://other.example"
    with (
        RunningService(tmp_path / "store", **OFFLOAD, CORS_ORIGINS=f"{app},https://second.example") as service,
        NginxGateway(service, tmp_path / "nginx") as gateway,
    ):
        settings = {"name": "listed", "is_public": True, "cache_control": "max-age=60"}
        httpx.post(f"{service.url}/buckets", json=settings, headers=bearer()).raise_for_status()
        upload(gateway, "listed/a.txt", FIRST)
        for origin in (None, app, other, None, app):
            headers = {} if origin is None else {"Origin": origin}
            through = get(gateway, "listed/a.txt", **headers)
            straight = httpx.get(f"{service.url}/storage/listed/a.txt", headers=headers)
            name = "Access-Control-Allow-Origin"
            assert (through.content, through.headers.get(name)) == (FIRST, straight.headers.get(name))
        assert kept(gateway) == 1


@pytest.mark.ci
def test_cache_leaves_space_on_its_disk(tmp_path: Path) -> None:
    """nginx looks every ten seconds."""
    with (
        small_disk(tmp_path / "disk", size="72m") as disk,
        RunningService(tmp_path / "store", **OFFLOAD) as service,
        NginxGateway(service, disk.path / "nginx") as gateway,
    ):
        settings = {"name": "kept", "is_public": True, "cache_control": "max-age=60"}
        httpx.post(f"{service.url}/buckets", json=settings, headers=bearer()).raise_for_status()
        for number in range(12):
            upload(gateway, f"kept/{number}", bytes(2**20))
            assert len(get(gateway, f"kept/{number}").content) == 2**20
        wait_until(lambda: shutil.disk_usage(disk.path).free > 64 * 2**20)
        assert kept(gateway) > 0
