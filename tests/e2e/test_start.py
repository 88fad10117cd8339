"""A start that cannot work ends with one sentence that says what to do; a full disk is one refused upload."""

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import disk
from tests.support.environment import clean_environment
from tests.support.raw_http import assert_nothing_left, bucket_on_disk
from tests.support.service import ROOT, SECRET_KEY, RunningService, bearer, free_port

MIB = 1024 * 1024
GUNICORN = (sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app")
SERVE = (sys.executable, "-m", "storage_app", "serve")
FLASK = (sys.executable, "-m", "flask", "--app", "wsgi", "storage", "recover")


def start(*command: str, **environment: str) -> tuple[int, list[str]]:
    """Run a start that is going to fail; return its exit code and the lines that are no news of a start."""
    defaults = {"SECRET_KEY": SECRET_KEY, "PORT": str(free_port()), "LOG_LEVEL": "WARNING"}
    ended = subprocess.run(
        command or GUNICORN,
        cwd=ROOT,
        env=clean_environment(defaults | environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    # flask's commands say "Error: " before the sentence.
    return ended.returncode, [line.removeprefix("Error: ") for line in ended.stdout.decode().splitlines()]


def assert_one_sentence(ended: tuple[int, list[str]], *parts: str) -> None:
    code, lines = ended
    assert code != 0
    assert len(lines) == 1, lines
    assert all(part in lines[0] for part in parts), lines
    assert lines[0].endswith("."), lines


# Of each kind one, and what could show a secret: tests/test_settings.py has every setting.
WRONG_SETTINGS = [
    ({"SECRET_KEY": "short"}, "SECRET_KEY must be at least 32 bytes"),
    ({"ALGORITHM": "none"}, "ALGORITHM must be one of HS256, HS384, HS512", "'none'"),
    ({"ANON_KEY": "two words"}, "ANON_KEY"),
    ({"ANON_KEY": SECRET_KEY}, "ANON_KEY must differ from SECRET_KEY"),
    ({"SERVICE_KEY": "x" * 31}, "SERVICE_KEY must be 32 to 1024"),
    ({"API_KEY": "x" * 31}, "API_KEY must be 32 to 1024"),
    ({"SERVICE_KEY": SECRET_KEY}, "SERVICE_KEY must differ from SECRET_KEY"),
    ({"SECRET_KEY": "changeme_super_secret_jwt_key_32_bytes_long"}, "SECRET_KEY is a sample", "TRIAL=true"),
    ({"DOWNLOAD_OFFLOAD": "nginx"}, "OFFLOAD_SECRET is not set"),
]


@pytest.mark.parametrize(("environment", "parts"), [(row[0], row[1:]) for row in WRONG_SETTINGS])
def test_wrong_setting_is_named(tmp_path: Path, environment: dict[str, str], parts: tuple[str, ...]) -> None:
    ended = start(**{"STORAGE_PATH": str(tmp_path / "store"), **environment})
    assert_one_sentence(ended, *parts)
    assert SECRET_KEY not in ended[1][0]
    assert "two words" not in ended[1][0]
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("command", [GUNICORN, SERVE, FLASK], ids=["gunicorn", "serve", "flask"])
def test_missing_secret_key_stops_every_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert_one_sentence(start(*command, SECRET_KEY="", STORAGE_PATH=str(tmp_path)), "SECRET_KEY is not set")


def a_file(path: Path) -> Path:
    path.write_text("no folder")
    return path


def below_a_file(path: Path) -> Path:
    return a_file(path) / "store"


def a_file_inside(path: Path) -> Path:
    path.mkdir()
    a_file(path / ".system")
    return path


def a_dangling_link(path: Path) -> Path:
    path.symlink_to("nowhere/at/all")
    (path.parent / "nowhere").write_text("")
    return path


@pytest.mark.parametrize(
    ("occupy", "command"),
    [
        (a_file, GUNICORN),
        (a_file, SERVE),
        (below_a_file, GUNICORN),
        (a_file_inside, GUNICORN),
        (a_dangling_link, FLASK),
    ],
)
def test_storage_path_that_cannot_be_written_is_named(
    tmp_path: Path, occupy: Callable[[Path], Path], command: tuple[str, ...]
) -> None:
    path = occupy(tmp_path / "taken")
    assert_one_sentence(start(*command, STORAGE_PATH=str(path)), f"STORAGE_PATH={path}")


@pytest.mark.skipif(not os.path.ismount("/sys"), reason="this needs a file system that nobody can write: /sys")
def test_file_system_that_takes_nothing_is_named() -> None:
    assert_one_sentence(start(STORAGE_PATH="/sys/selfdb"), "STORAGE_PATH=/sys/selfdb")


def test_used_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        ended = start(HOST="127.0.0.1", PORT=str(port), STORAGE_PATH=str(tmp_path / "store"))
    assert_one_sentence(ended, f"Port {port} of 127.0.0.1 is in use")
    assert not (tmp_path / "store").exists()


def test_address_of_another_machine_is_named(tmp_path: Path) -> None:
    ended = start(HOST="192.0.2.1", STORAGE_PATH=str(tmp_path / "store"))
    assert_one_sentence(ended, "192.0.2.1", "HOST")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 8 MiB. Only root can have one."""
    with disk.small_disk(tmp_path / "disk", size="8m") as mounted:
        yield mounted.path


def fill(path: Path) -> None:
    """Take what room there is."""
    with path.open("wb", buffering=0) as file:
        for step in (MIB, 4096, 1):
            try:
                while True:
                    file.write(b"x" * step)
            except OSError:
                continue


def assert_disk_is_full(answer: httpx.Response) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (507, "insufficient_storage"), problem
    assert problem["detail"].endswith(".")
    assert "disk" in problem["detail"]


def test_full_disk_refuses_the_upload_and_goes_on(
    start_service: Callable[..., RunningService], small_disk: Path
) -> None:
    service = start_service(small_disk / "store", LOG_LEVEL="WARNING", DURABILITY="fsync")
    with httpx.Client(base_url=service.url, headers=bearer(), timeout=30) as client:
        client.post("/buckets", json={"name": "small"}).raise_for_status()
        client.put("/files/upload-direct/small/first", content=b"x" * MIB).raise_for_status()
        before = bucket_on_disk(service, "small")

        # Declared, not declared, and in a form.
        assert_disk_is_full(client.put("/files/upload-direct/small/second", content=b"x" * 9 * MIB))
        assert_disk_is_full(client.put("/files/upload-direct/small/second", content=iter([b"x" * MIB] * 9)))
        assert_disk_is_full(client.post("/files/upload/small", files={"file": ("second", b"x" * 9 * MIB)}))
        assert_nothing_left(service)
        assert bucket_on_disk(service, "small") == before
        assert [file["id"] for file in client.get("/files/list/small").json()] == ["first"]

        client.delete("/files/small/first").raise_for_status()
        client.put("/files/upload-direct/small/second", content=b"x" * MIB).raise_for_status()

        # Every small write counts, too: the room for sidecars and the index is gone.
        fill(small_disk / "filler")
        for answer in (
            client.put("/files/upload-direct/small/third", content=b"x" * 100_000),
            client.put("/files/metadata/small/second", json={"metadata": {"x": "y" * 8000}}),
            client.post("/buckets", json={"name": "another"}),
        ):
            assert_disk_is_full(answer)
        assert client.get("/health").status_code == 200
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "unavailable")
        assert client.get("/files/download/small/second").content == b"x" * MIB

        (small_disk / "filler").unlink()
        client.put("/files/upload-direct/small/third", content=b"x" * MIB).raise_for_status()
        assert [file["id"] for file in client.get("/files/list/small").json()] == ["second", "third"]
    assert_nothing_left(service)
    assert "Traceback" not in service.log()  # one line for each refusal


def test_file_size_limit_of_the_process_is_a_full_disk(start_service: Callable[..., RunningService]) -> None:
    service = start_service(LOG_LEVEL="WARNING")
    httpx.post(f"{service.url}/buckets", json={"name": "small"}, headers=bearer()).raise_for_status()
    for pid in service.worker_pids():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (2 * MIB, 2 * MIB))
    url = f"{service.url}/files/upload-direct/small/large"

    refused = httpx.put(url, content=b"x" * 3 * MIB, headers=bearer())
    taken = httpx.put(url, content=b"x" * MIB, headers=bearer())

    assert_disk_is_full(refused)
    assert taken.status_code == 201
    assert_nothing_left(service)


def test_disk_that_is_full_at_the_start_is_one_sentence(small_disk: Path) -> None:
    fill(small_disk / "filler")
    assert_one_sentence(start(STORAGE_PATH=str(small_disk / "store")), "No space left on device", "on a disk with room")


def test_each_line_of_a_start_and_a_stop_is_json_if_wanted(tmp_path: Path) -> None:
    store = tmp_path / "store"
    (store / "old-volume").mkdir(parents=True)
    with RunningService(store, LOG_FORMAT="json", LOG_LEVEL="DEBUG") as running:
        assert httpx.get(f"{running.url}/nowhere").status_code == 404
    lines = [json.loads(line) for line in running.log().splitlines()]

    assert all({"time", "level", "request_id", "logger", "message"} <= line.keys() for line in lines)
    messages = "\n".join(line["message"] for line in lines)
    for message in ("The index was made from the sidecars: 0 files", "old-volume", "listens on", "Shutting down"):
        assert message in messages


def test_failed_start_says_so_in_json_if_wanted(tmp_path: Path) -> None:
    code, lines = start(STORAGE_PATH=str(a_file(tmp_path / "file")), LOG_FORMAT="json")
    (said,) = map(json.loads, lines)
    assert (code, said["level"]) == (1, "ERROR")
    assert said["message"].startswith(f"STORAGE_PATH={tmp_path / 'file'} cannot be written")
