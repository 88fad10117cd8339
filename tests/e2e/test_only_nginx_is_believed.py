"""What a client writes into the headers that nginx and the service talk by is believed neither by one nor the other."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.nginx import LEAST_SPOOLED, OFFLOAD, NginxGateway
from tests.support.raw_http import Answer, send
from tests.support.recording_service import Asked, RecordingService, Reply
from tests.support.service import RunningService, bearer, token

SECRET = OFFLOAD["OFFLOAD_SECRET"]
BLOB = f"/_blobs/photos/7e/{'7e' * 16}-{'0' * 20}-a.txt"
AUTHORIZATION = ("Authorization", bearer()["Authorization"])
STOLEN = "/etc/passwd"
LARGE = b"x" * LEAST_SPOOLED

# In every spelling that a server might take for the same.
FORGED = [
    (spelled, value)
    for name, value in {
        "X-Spool-File": STOLEN,
        "X-Upload-Length": "11",
        "X-Upload-Check": "verdict",
        "X-Upload-Seconds": "86400",
        "X-Accel-Redirect": "/_blobs/.system/index.sqlite3",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "elsewhere.example",
    }.items()
    for spelled in (name, name.lower(), name.replace("-", "_"))
]
WRONG_SECRET = [(name, "not-the-secret-at-all") for name in ("X-Offload-Secret", "X_Offload_Secret")]
OURS = {
    "x-spool-file", "x-upload-length", "x-upload-check", "x-upload-seconds", "x-offload-secret",
    "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
}  # fmt: skip


def told(asked: Asked) -> dict[str, str]:
    """Return what only nginx may say, in whatever spelling; each at most once."""
    found = {name.lower().replace("_", "-") for name, _ in asked.headers} & OURS
    return {name: asked.header(name) or "" for name in found}


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[RecordingService]:
    with RecordingService(tmp_path / "recording") as service:
        yield service


@pytest.mark.parametrize("body", [b"abc", LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("GET /files/download/photos/a.txt", 204),
        ("GET /buckets", 204),
        ("POST /files/upload/photos", 204),
        ("PUT /files/upload-direct/photos/a.txt", 204),
        ("PUT /files/upload-direct/photos/a.txt", 403),
    ],
)
def test_nginx_says_everything_itself(
    recording: RecordingService, tmp_path: Path, line: str, verdict: int, body: bytes
) -> None:
    recording.verdict = verdict
    offloaded = Reply(200, {"X-Accel-Redirect": BLOB})
    recording.reply = lambda asked: (
        offloaded if "download" in asked.path and asked.header("X-Offload-Secret") else Reply(200)
    )
    with NginxGateway(recording, tmp_path / "nginx") as gateway:
        for headers in ([], [*FORGED, *WRONG_SECRET]):
            send(gateway, line, [("Content-Length", str(len(body))), *headers], body)

    asked = [told(each) for each in recording.asked]
    honest, forged = asked[: len(asked) // 2], asked[len(asked) // 2 :]
    for each in forged:
        assert each["x-forwarded-for"] == "127.0.0.1"
        assert (each["x-forwarded-proto"], each["x-forwarded-host"]) == ("http", "localhost")
        assert each.get("x-spool-file", "") != STOLEN
        assert float(each.get("x-upload-seconds", "0")) < 60
    assert without_what_varies(forged) == without_what_varies(honest)
    # Asked once more for a file that nginx cannot open, the service must not name it again.
    secrets = [SECRET, None] if "download" in line else [SECRET] * len(forged)
    assert [each.get("x-offload-secret") for each in forged] == secrets


def without_what_varies(asked: list[dict[str, str]]) -> list[dict[str, str]]:
    varies = {"x-upload-seconds": ""}
    return [{**each, **varies, "x-spool-file": str(Path(each.get("x-spool-file", "")).parent)} for each in asked]


@pytest.mark.parametrize(
    "path",
    [
        "/_blobs/.system/index.sqlite3",
        "/_blobs/photos/.bucket.json",
        f"/_blobs/photos/7e/{'7e' * 16}.json",
        f"/_blobs/photos/../.system/7e/{'7e' * 16}-{'0' * 20}-",
        f"/_blobs/.system/7e/{'7e' * 16}-{'0' * 20}-",
        f"/_blobs/photos/7e/x/{'7e' * 16}-{'0' * 20}-",
        "/_blobs/",
        "/etc/passwd",
    ],
)
@pytest.mark.parametrize("location", ["/_blobs/", "/_decided/"])
def test_nginx_sends_nothing_but_blobs(recording: RecordingService, tmp_path: Path, path: str, location: str) -> None:
    file = recording.storage_path / path.removeprefix("/_blobs/").lstrip("/")
    if not path.endswith("/"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("not for clients")
    named = path.replace("/_blobs/", location)
    recording.reply = lambda asked: Reply(200, {"X-Accel-Redirect": named})
    with NginxGateway(recording, tmp_path / "nginx") as gateway:
        answer = send(gateway, "GET /files/download/photos/a.txt")
    assert (answer.status, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(("secret", "status"), [(None, 404), ("", 404), ("wrong", 404), (SECRET, 200)])
def test_server_for_decided_files_knows_its_one_client(
    recording: RecordingService, tmp_path: Path, secret: str | None, status: int
) -> None:
    """It is on loopback, where others of this machine may ask it."""
    path = BLOB.removeprefix("/_blobs/")
    (recording.storage_path / path).parent.mkdir(parents=True)
    (recording.storage_path / path).write_text("bytes")
    headers = {} if secret is None else {"X-Offload-Secret": secret}
    with NginxGateway(recording, tmp_path / "nginx") as gateway:
        server = f"http://127.0.0.1:{gateway.own_port}"
        asked = httpx.get(f"{server}/typed/{path}", headers=headers)
        assert (asked.status_code, asked.text == "bytes") == (status, status == 200)
        assert httpx.get(f"{server}/blobs/{path}", headers=headers).status_code == 404
        assert httpx.get(f"{server}/named/{path}", headers=headers).text == ""


@dataclass(frozen=True)
class Real:
    service: RunningService
    gateway: NginxGateway

    def ask(self, way: str, line: str, headers: list[tuple[str, str]], body: bytes = b"") -> Answer:
        listener = self.gateway if way == "nginx" else self.service
        return send(listener, line, [AUTHORIZATION, ("Content-Length", str(len(body))), *headers], body)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    directory = tmp_path_factory.mktemp("believed")
    settings = {**OFFLOAD, "TRUSTED_PROXIES": "1", "LOG_FORMAT": "json"}
    with (
        RunningService(directory / "store", **settings) as service,
        NginxGateway(service, directory / "nginx") as nginx,
    ):
        httpx.post(f"{service.url}/buckets", json={"name": "photos"}, headers=bearer()).raise_for_status()
        httpx.put(
            f"{service.url}/files/upload-direct/photos/a.txt", content=b"abc", headers=bearer()
        ).raise_for_status()
        yield Real(service, nginx)


@pytest.mark.parametrize("way", ["nginx", "straight"])
@pytest.mark.parametrize("headers", [FORGED, WRONG_SECRET, FORGED + WRONG_SECRET, [("X-Offload-Secret", "")]])
def test_download_with_forged_headers_is_the_bytes(real: Real, way: str, headers: list[tuple[str, str]]) -> None:
    answer = real.ask(way, "GET /files/download/photos/a.txt", headers)
    assert (answer.status, answer.body) == (200, b"abc")
    assert not [name for name in answer.headers if name.lower().startswith(("x-accel", "x-carried"))]


@pytest.mark.parametrize("way", ["nginx", "straight"])
@pytest.mark.parametrize("headers", [FORGED, WRONG_SECRET, FORGED + WRONG_SECRET])
@pytest.mark.parametrize("body", [b"the body", LARGE], ids=["small", "large"])
def test_upload_with_forged_headers_is_its_body(
    real: Real, way: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    spooled = real.service.storage_path / ".system" / "spool" / "somebody-elses"
    spooled.write_bytes(b"not for you")
    named = [(name, str(spooled) if value == STOLEN else value) for name, value in headers]

    answer = real.ask(way, "PUT /files/upload-direct/photos/forged.txt", named, body)

    assert answer.status in (200, 201)
    assert real.ask("straight", "GET /files/download/photos/forged.txt", []).body == body
    assert spooled.read_bytes() == b"not for you"


@pytest.mark.parametrize("body", [b"abc", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("way", ["nginx", "straight"])
def test_verdict_is_not_given_to_a_client(real: Real, way: str, body: bytes) -> None:
    for check in ("verdict", "answer"):
        answer = real.ask(way, "PUT /files/upload-direct/photos/none/", [("X-Upload-Check", check)], body)
        assert (answer.status, answer.json["code"]) == (400, "invalid_name")


@pytest.mark.parametrize("way", ["nginx", "straight"])
@pytest.mark.parametrize("body", [b"abc", LARGE], ids=["small", "large"])
def test_client_does_not_say_how_long_it_took(real: Real, way: str, body: bytes) -> None:
    expired = [("Authorization", f"Bearer {token(expires_in=-3600)}"), *FORGED, *WRONG_SECRET]
    line, length = "PUT /files/upload-direct/photos/late.txt", ("Content-Length", str(len(body)))
    answer = send(real.gateway if way == "nginx" else real.service, line, [length, *expired], body)
    assert (answer.status, answer.json["code"]) == (401, "invalid_credential")


def test_client_is_who_nginx_says(real: Real) -> None:
    forged = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2, 192.0.2.3"), ("X-Request-ID", "who")]
    real.ask("nginx", "GET /buckets", forged)
    lines = [json.loads(line) for line in real.service.log().splitlines() if line.startswith("{")]
    assert [line["client"] for line in lines if line["request_id"] == "who" and "client" in line] == ["127.0.0.1"]
